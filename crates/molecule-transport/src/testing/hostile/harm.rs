//! The ways to do harm.

use std::io::{self, Write as _};

use super::Victim;

/// What a [`HostileServer`](super::HostileServer) does to every client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hostility {
    /// A body that does not end, without a length.
    EndlessBody,
    /// A chunked body that does not end.
    EndlessChunks,
    /// A length of many terabytes, and a body to match.
    HugeLength,
    /// JSON that opens one array after the other.
    DeepJson,
    /// JSON that is nested deep within what a body may measure, and is no JSON by its declared type.
    DisguisedDeepJson,
    /// A few bytes of gzip that would unpack to many.
    CompressedBomb,
    /// The same as a transfer encoding.
    CompressedTransfer,
    /// A body of which a byte comes each second.
    SlowDrip,
    /// A head of which a byte comes each second.
    SlowHead,
    /// Nothing comes at all.
    Silence,
    /// The connection closes without an answer.
    HangUp,
    /// A head whose body never comes.
    StalledBody,
    /// A body that ends before its length.
    ShortBody,
    /// A body that goes on after its length.
    LongBody,
    /// Two lengths.
    ConflictingLengths,
    /// A length that is no number.
    NonsenseLength,
    /// One header that is larger than all may be together.
    HugeHeader,
    /// More headers than there may be.
    ManyHeaders,
    /// A header that does not end.
    EndlessHeader,
    /// Headers that do not end.
    EndlessHeaders,
    /// Empty lines before the head, for ever.
    EndlessEmptyLines,
    /// An interim answer (1xx) each second, for ever.
    EndlessInterim,
    /// An agreement to another protocol that nobody proposed, and bytes of it for ever.
    OtherProtocol,
    /// A chunk whose size begins with very many zeros, and does not come to its end.
    EndlessChunkSize,
    /// A chunk whose extension does not end.
    EndlessChunkExtension,
    /// A chunk whose size is no number.
    NonsenseChunk,
    /// A chunk whose size does not fit into any number.
    HugeChunk,
    /// Trailers that do not end.
    EndlessTrailers,
    /// A page without a head, as before HTTP/1.0.
    NoHead,
    /// Bytes without sense, for ever.
    Noise,
    /// A redirect to the same place, for ever.
    RedirectLoop,
    /// A redirect to another host.
    RedirectAway,
}

impl Hostility {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::EndlessBody,
        Self::EndlessChunks,
        Self::HugeLength,
        Self::DeepJson,
        Self::DisguisedDeepJson,
        Self::CompressedBomb,
        Self::CompressedTransfer,
        Self::SlowDrip,
        Self::SlowHead,
        Self::Silence,
        Self::HangUp,
        Self::StalledBody,
        Self::ShortBody,
        Self::LongBody,
        Self::ConflictingLengths,
        Self::NonsenseLength,
        Self::HugeHeader,
        Self::ManyHeaders,
        Self::EndlessHeader,
        Self::EndlessHeaders,
        Self::EndlessEmptyLines,
        Self::EndlessInterim,
        Self::OtherProtocol,
        Self::EndlessChunkSize,
        Self::EndlessChunkExtension,
        Self::NonsenseChunk,
        Self::HugeChunk,
        Self::EndlessTrailers,
        Self::NoHead,
        Self::Noise,
        Self::RedirectLoop,
        Self::RedirectAway,
    ];

    /// Whether nothing but a limit on time ends it.
    #[must_use]
    pub const fn takes_time(self) -> bool {
        matches!(
            self,
            Self::SlowDrip
                | Self::SlowHead
                | Self::Silence
                | Self::StalledBody
                | Self::EndlessInterim
                | Self::EndlessChunkSize
        )
    }

    pub(super) fn harm(self, victim: &mut Victim) -> io::Result<()> {
        let (head, then) = self.bytes();
        victim.write_all(&head)?;
        match then {
            Then::Close => Ok(()),
            Then::Silence => victim.silence(),
            Then::Drip(bytes) => victim.drip(bytes),
            Then::Forever(bytes) => victim.forever(bytes),
        }
    }

    /// What comes first, and what comes then.
    fn bytes(self) -> (Vec<u8>, Then) {
        use Then::{Close, Drip, Forever, Silence};
        match self {
            Self::EndlessBody => (ok(&[]), Forever(b"[0,0,0,0,0,0,0,0],")),
            Self::EndlessChunks => (ok(&[CHUNKED]), Forever(CHUNK)),
            Self::HugeLength => (ok(&["Content-Length: 99999999999999"]), Forever(b"more")),
            Self::DeepJson => (ok(&[]), Forever(b"[[[[[[[[")),
            Self::DisguisedDeepJson => (disguised(), Close),
            Self::CompressedBomb => (bomb(&ok(&["Content-Encoding: gzip"])), Close),
            Self::CompressedTransfer => (bomb(&ok(&["Transfer-Encoding: gzip"])), Close),
            Self::SlowDrip => (ok(&["Content-Length: 100000"]), Drip(b" ")),
            Self::SlowHead => (b"HTTP/1.1 200 OK\r\nX-Slow: ".to_vec(), Drip(b"x")),
            Self::Silence => (Vec::new(), Silence),
            Self::HangUp => (Vec::new(), Close),
            Self::StalledBody => (ok(&["Content-Length: 2"]), Silence),
            Self::ShortBody => (with(ok(&["Content-Length: 9"]), "{}"), Close),
            Self::LongBody => (ok(&["Content-Length: 2"]), Forever(b"{}")),
            Self::ConflictingLengths => {
                let lengths = ["Content-Length: 2", "Content-Length: 4"];
                (with(ok(&lengths), "{}{}"), Close)
            }
            Self::NonsenseLength => (with(ok(&["Content-Length: -2"]), "{}"), Close),
            Self::HugeHeader => (ok(&[&format!("X-Huge: {}", "x".repeat(1 << 20))]), Silence),
            Self::ManyHeaders => (many(), Silence),
            Self::EndlessHeader => (b"HTTP/1.1 200 OK\r\nX-Endless: ".to_vec(), Forever(b"xxxx")),
            Self::EndlessHeaders => (b"HTTP/1.1 200 OK\r\n".to_vec(), Forever(b"X-More: x\r\n")),
            Self::EndlessEmptyLines => (Vec::new(), Forever(b"\r\n")),
            Self::EndlessInterim => (Vec::new(), Drip(INTERIM)),
            Self::OtherProtocol => (upgrade(), Forever(b"more")),
            Self::EndlessChunkSize => (with(ok(&[CHUNKED]), &"0".repeat(64 << 10)), Silence),
            Self::EndlessChunkExtension => (with(ok(&[CHUNKED]), "2;x="), Forever(b"yyyy")),
            Self::NonsenseChunk => (with(ok(&[CHUNKED]), "zz\r\n{}\r\n0\r\n\r\n"), Close),
            Self::HugeChunk => (with(ok(&[CHUNKED]), &"f".repeat(40)), Forever(b"more")),
            Self::EndlessTrailers => {
                let whole = with(ok(&[CHUNKED]), "2\r\n{}\r\n0\r\n");
                (whole, Forever(b"X-More: x\r\n"))
            }
            Self::NoHead => (b"<html>It works!</html>\r\n\r\n".to_vec(), Close),
            Self::Noise => (Vec::new(), Forever(b"\x00\xff\x16\x03\x01 \n\r\x7f")),
            Self::RedirectLoop => (redirect("/x"), Close),
            Self::RedirectAway => (redirect("http://elsewhere.invalid/x"), Close),
        }
    }
}

enum Then {
    Close,
    Silence,
    Drip(&'static [u8]),
    Forever(&'static [u8]),
}

/// A chunk of a hundred bytes.
const CHUNK: &[u8] = b"64\r\n\
    0123456789012345678901234567890123456789012345678901234567890123456789\
    012345678901234567890123456789\r\n";

const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";

const CHUNKED: &str = "Transfer-Encoding: chunked";

/// A head of the platform's JSON answers, and these headers.
fn ok(headers: &[&str]) -> Vec<u8> {
    let headers: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n").into_bytes()
}

fn with(mut head: Vec<u8>, body: &str) -> Vec<u8> {
    head.extend_from_slice(body.as_bytes());
    head
}

fn disguised() -> Vec<u8> {
    let deep = "[".repeat(1 << 20);
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{deep}").into_bytes()
}

fn many() -> Vec<u8> {
    let headers: Vec<String> = (0..200).map(|n| format!("X-{n}: x")).collect();
    ok(&headers.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The beginning of a gzip file of zeros, over and over: each of these bytes stands for about a thousand.
fn bomb(head: &[u8]) -> Vec<u8> {
    let start = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xec, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90,
    ];
    [head, &start, &[0; 100_000]].concat()
}

fn upgrade() -> Vec<u8> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n";
    head.as_bytes().to_vec()
}

fn redirect(to: &str) -> Vec<u8> {
    let head = "HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nConnection: close\r\n";
    format!("{head}Location: {to}\r\n\r\n").into_bytes()
}
