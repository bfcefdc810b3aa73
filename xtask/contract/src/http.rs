//! HTTP/1.1 as it is on the wire: one connection for each request, nothing added, nothing followed.
//!
//! The cases spell headers wrongly on purpose, keep streams open and take redirects for answers, which clients meant for
//! use smooth over.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use molecule_protocol::transcripts::Answer;

/// The recordings have answers of ten megabytes.
const MAX_BODY: u64 = 64 * 1024 * 1024;
const MAX_HEAD: u64 = 64 * 1024;
/// The slowest recorded answer takes six seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request to be sent as it is.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it to `host` (with a port) and reads the whole answer.
    pub(crate) fn send(&self, host: &str) -> io::Result<Answer> {
        let (mut answer, mut stream) = self.open(host)?;
        answer.body = read_body(&mut stream, &answer, &self.method)?;
        Ok(answer)
    }

    /// Sends it and reads the head of the answer; the rest comes by the stream.
    pub(crate) fn open(&self, host: &str) -> io::Result<(Answer, BufReader<TcpStream>)> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        // A platform may answer, and close, before it has read a body that it refuses.
        let written = stream.write_all(&self.on_the_wire(host));
        let mut stream = BufReader::new(stream);
        match read_head(&mut stream) {
            Ok((line, headers)) => Ok((answer(&line, headers)?, stream)),
            Err(error) => Err(written.err().unwrap_or(error)),
        }
    }

    fn on_the_wire(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let has = |wanted: &str| {
            self.headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if !has("host") {
            text += &format!("Host: {host}\r\n");
        }
        if !has("connection") {
            text += "Connection: close\r\n";
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        } else {
            text += "\r\n";
        }
        text.into_bytes()
    }
}

fn answer(line: &str, headers: Vec<(String, String)>) -> io::Result<Answer> {
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| malformed("the status"))?,
        headers,
        body: Vec::new(),
    })
}

/// The first line and the headers of a message.
pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<(String, Vec<(String, String)>)> {
    let mut stream = stream.take(MAX_HEAD);
    let first = read_line(&mut stream)?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(&mut stream)?;
        if line.is_empty() {
            return Ok((first, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_body(stream: &mut impl BufRead, answer: &Answer, method: &str) -> io::Result<Vec<u8>> {
    let has_none = method == "HEAD" || answer.status < 200 || matches!(answer.status, 204 | 304);
    let is_chunked = answer
        .header("transfer-encoding")
        .is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked"));
    match answer.header("content-length") {
        _ if has_none => Ok(Vec::new()),
        _ if is_chunked => read_chunks(stream),
        Some(length) => read_exactly(stream, number(length, 10)?),
        None => read_exactly(stream, MAX_BODY),
    }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(&mut stream.take(MAX_HEAD))?;
        let size = number(line.split(';').next().unwrap_or_default(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend(read_exactly(stream, size)?);
        read_line(&mut stream.take(MAX_HEAD))?;
        if body.len() as u64 > MAX_BODY {
            return Err(malformed("the length of the body"));
        }
    }
}

/// So many bytes, or those up to the end of the stream.
pub(crate) fn read_exactly(stream: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    stream.take(length.min(MAX_BODY)).read_to_end(&mut body)?;
    Ok(body)
}

fn number(text: &str, radix: u32) -> io::Result<u64> {
    u64::from_str_radix(text.trim(), radix).map_err(|_| malformed("a length"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} of the answer cannot be read"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (u16, String) {
        let mut stream = text.as_bytes();
        let (line, headers) = read_head(&mut stream).unwrap();
        let answer = answer(&line, headers).unwrap();
        let body = read_body(&mut stream, &answer, "GET").unwrap();
        (answer.status, String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_body_ends_as_its_head_says() {
        for (text, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", 200, "ab"),
            ("HTTP/1.1 404 X\r\n\r\nto the end", 404, "to the end"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x\r\n0123456789\r\n0\r\n\r\n",
                200,
                "abc0123456789",
            ),
            ("HTTP/1.1 204 X\r\n\r\nnext", 204, ""),
        ] {
            assert_eq!(read(text), (status, body.to_owned()));
        }
    }

    #[test]
    fn a_request_is_sent_as_it_is_spelled() {
        let request = Request::new("POST", "/a?b=c d")
            .header("authorization", "bearer x\t")
            .body("{}");
        assert_eq!(
            String::from_utf8(request.on_the_wire("h:1")).unwrap(),
            "POST /a?b=c d HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\nauthorization: bearer x\t\r\nContent-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        let mut stream = "HTTP/1.1 200 OK\r\nno header\r\n\r\n".as_bytes();
        assert!(read_head(&mut stream).is_err());
        assert!(answer("HTTP/1.1 ok", Vec::new()).is_err());
    }
}
