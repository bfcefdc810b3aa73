//! An agent on this machine that answers messages over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{StatusCode, Uri, header};
use molecule_agent::protocol::Message;
use molecule_agent::protocol::parse_json;
use molecule_agent::transport::{
    BoxFuture, CallOptions, Clock, Request, ReqwestTransport, Timeouts, Transport as _,
    TransportError, within,
};
use molecule_agent::{Handler, HandlerOutcome, InboundMessage};
use serde_json::Value;

use super::answer;
use crate::duration;

/// How long the local agent may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How messages are forwarded.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Handlers")]
pub(crate) struct ForwardOptions {
    /// What is posted to the local agent: an A2A request, or the message's text
    #[arg(long, value_name = "FORM", default_value = "a2a")]
    forward_as: Form,
    /// How long the local agent may take to answer
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse_interval)]
    forward_timeout: Duration,
}

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A JSON-RPC request `message/send`.
    A2a,
    /// The text alone.
    Text,
}

impl ForwardOptions {
    /// A handler that posts to `url`. It knows nothing of the platform's token.
    ///
    /// # Errors
    /// When HTTP cannot be set up.
    pub(super) fn handler(
        &self,
        url: Uri,
        clock: Arc<dyn Clock>,
    ) -> Result<ForwardHandler, TransportError> {
        let transport = ReqwestTransport::builder()
            .with_clock(clock.clone())
            .build()?;
        Ok(ForwardHandler {
            forward: Arc::new(Forward {
                url,
                form: self.forward_as,
                timeout: self.forward_timeout,
                transport,
                clock,
            }),
        })
    }
}

/// Reads a URL to forward to.
///
/// # Errors
/// When it is not http or https, or carries a password, which others could read in the process list.
pub(super) fn parse_url(text: &str) -> Result<Uri, String> {
    let hint = || "write it like http://127.0.0.1:9000/".to_owned();
    let url: Uri = text.parse().map_err(|_| hint())?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    if !is_http || url.host().is_none_or(str::is_empty) {
        return Err(hint());
    }
    if url
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(
            "a user or password in the URL shows in the process list; leave it out".to_owned(),
        );
    }
    Ok(url)
}

/// Posts each message to a local agent and answers with what it answers.
pub(super) struct ForwardHandler {
    forward: Arc<Forward>,
}

struct Forward {
    url: Uri,
    form: Form,
    timeout: Duration,
    transport: ReqwestTransport,
    clock: Arc<dyn Clock>,
}

impl Handler for ForwardHandler {
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        let forward = Arc::clone(&self.forward);
        Box::pin(async move { forward.answer(&message).await.into() })
    }
}

impl Forward {
    /// The answer, or why there is none.
    async fn answer(&self, message: &InboundMessage) -> Result<Option<String>, String> {
        let (status, body) = within(self.clock.as_ref(), self.timeout, self.post(message))
            .await
            .map_err(|_| {
                format!(
                    "the local agent did not answer within {} s",
                    self.timeout.as_secs_f64()
                )
            })?
            .map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            let said = parse_json(&body)
                .ok()
                .and_then(|answer| answer::error_of(&answer));
            return Err(said.unwrap_or_else(|| format!("the local agent answered {status}")));
        }
        answer::read(&body)
    }

    async fn post(&self, message: &InboundMessage) -> Result<(StatusCode, Bytes), TransportError> {
        let response = self.transport.send(self.request(message)).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?))
    }

    fn request(&self, message: &InboundMessage) -> Request {
        let (content_type, body) = match self.form {
            Form::A2a => ("application/json", a2a(message).to_string()),
            Form::Text => ("text/plain; charset=utf-8", message.text.clone()),
        };
        let request = http::Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, content_type)
            .body(Bytes::from(body))
            .expect("a checked URL and a fixed header make a request");
        CallOptions::new()
            .with_timeouts(Timeouts::new(CONNECT, self.timeout))
            .attach(request)
    }

    /// The sender need not know where the local agent is; the log says it.
    fn unreachable(&self, error: &TransportError) -> String {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        // Its query may hold a key.
        let (host, path) = (self.url.host(), self.url.path());
        tracing::error!(host, path, cause, "forwarding failed: {error}");
        "the local agent cannot be reached".to_owned()
    }
}

/// The message as the sender wrote it, and the wish to have its answer in the same call.
fn a2a(message: &InboundMessage) -> Value {
    let id = message
        .message_id
        .clone()
        .unwrap_or_else(|| message.activity_id.to_string());
    let mut forwarded = Message::text(id, "");
    forwarded.role = message.role;
    forwarded.parts.clone_from(&message.parts);
    forwarded.metadata.clone_from(&message.metadata);
    let mut request = forwarded.to_request();
    request["params"]["configuration"] = serde_json::json!({"blocking": true});
    request["params"]["message"]["kind"] = "message".into();
    if let Some(task) = &message.task_id {
        request["params"]["message"]["taskId"] = task.as_str().into();
    }
    request
}

#[cfg(test)]
mod tests {
    use molecule_agent::transport::SystemClock;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::testing::{from_canvas, from_peer};
    use super::*;

    /// Answers one request with `answer`, and gives back what was sent.
    async fn serve(listener: TcpListener, answer: String) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_whole(&request) {
            assert_ne!(
                stream.read_buf(&mut request).await.unwrap(),
                0,
                "the request breaks off"
            );
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    }

    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.unwrap_or("0").parse().unwrap()
    }

    async fn forward(
        form: Form,
        message: InboundMessage,
        answer: &str,
    ) -> (HandlerOutcome, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/agent?x=1", listener.local_addr().unwrap());
        let options = ForwardOptions {
            forward_as: form,
            forward_timeout: Duration::from_secs(30),
        };
        let clock = Arc::new(SystemClock::new());
        let handler = options.handler(parse_url(&url).unwrap(), clock).unwrap();
        tokio::join!(handler.handle(message), serve(listener, answer.to_owned()))
    }

    fn http(status: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    async fn check(answer: &str, expect: HandlerOutcome) {
        let (outcome, _) = forward(Form::A2a, from_canvas("hi"), answer).await;
        assert_eq!(outcome, expect, "{answer}");
    }

    #[tokio::test]
    async fn the_message_goes_to_the_local_agent_as_a2a_without_the_platforms_token() {
        let answer = http(
            "200 OK",
            r#"{"jsonrpc":"2.0","id":"m-1","result":{"parts":[{"kind":"text","text":"HALLO"}]}}"#,
        );
        let (outcome, request) = forward(Form::A2a, from_peer("hallo"), &answer).await;
        assert_eq!(outcome, "HALLO".into());
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /agent?x=1 HTTP/1.1\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        assert_eq!(
            serde_json::from_str::<Value>(body).unwrap(),
            json!({"jsonrpc": "2.0", "id": "m-1", "method": "message/send", "params": {
                "configuration": {"blocking": true},
                "message": {"kind": "message", "role": "user", "messageId": "m-1", "taskId": "t-1",
                    "parts": [{"kind": "text", "text": "hallo"}], "metadata": {"lang": "de"}}}})
        );
    }

    #[tokio::test]
    async fn plain_text_goes_both_ways() {
        let (outcome, request) =
            forward(Form::Text, from_canvas("hi"), &http("200 OK", "hello\n")).await;
        assert_eq!(outcome, "hello".into());
        assert!(request.ends_with("\r\n\r\nhi"), "{request}");
    }

    #[tokio::test]
    async fn failures_of_the_local_agent_are_told() {
        let error = |text: &str| HandlerOutcome::Error(text.to_owned());
        let rpc = r#"{"error":{"code":-32603,"message":"boom"}}"#;
        check(
            &http("200 OK", rpc),
            error("the local agent's error -32603: boom"),
        )
        .await;
        check(
            &http("500 Oops", rpc),
            error("the local agent's error -32603: boom"),
        )
        .await;
        check(
            &http("503 Oops", "busy"),
            error("the local agent answered 503 Service Unavailable"),
        )
        .await;
        check("nonsense", error("the local agent cannot be reached")).await;
        check(&http("200 OK", ""), HandlerOutcome::Nothing).await;
    }

    #[test]
    fn urls_are_http_and_without_passwords() {
        assert!(parse_url("http://localhost:9000").is_ok());
        assert!(parse_url("https://agent.example/a2a").is_ok());
        for text in [
            "",
            "localhost:9000",
            "/a2a",
            "ftp://x/",
            "http://",
            "http://u:p@localhost/",
        ] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }
}
