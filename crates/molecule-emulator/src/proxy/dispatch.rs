//! Posting a message to an agent over a connection of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::message::Message;
use crate::clock::signed;
use crate::platform::Platform;

/// Answers are cut here without notice.
const MAX_ANSWER: usize = 10 * 1024 * 1024;

/// How long a target may stay silent before the dispatch is given up, unless it asked for another time.
const IDLE: Duration = Duration::from_secs(300);

/// What came of a dispatch.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// The agent answered.
    Answered(StatusCode, Bytes),
    /// No connection: the agent cannot have the message.
    Unreachable(String),
    /// The connection ended before an answer: the agent may have the message.
    Dropped(String),
    /// The answer broke off after its status.
    Broken(StatusCode),
}

/// Posts a message; gives up when the target stays silent for too long, or when the time of the message is over.
pub(crate) async fn deliver(platform: &Platform, message: &Message, body: String) -> Delivery {
    let overdue = async {
        match message.ceiling {
            Some(ceiling) => platform.config().clock.sleep(ceiling).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        delivery = post(&message.url, body) => delivery,
        () = silence(platform, message.target) => Delivery::Dropped("context canceled".to_owned()),
        () = overdue => Delivery::Dropped("context deadline exceeded".to_owned()),
    }
}

/// Ready once nothing has happened at the target for its idle time.
async fn silence(platform: &Platform, target: Uuid) {
    let started = platform.now();
    loop {
        let (heard, idle) = platform.read(|tx| {
            let row = tx.state.get(target);
            let heard = row.and_then(|row| row.last_event_at);
            let idle = row.and_then(|row| row.report.idle_timeout_seconds);
            (
                heard.map_or(started, |at| at.max(started)),
                idle.map_or(IDLE, Duration::from_secs),
            )
        });
        let quiet = platform.now().duration_since(heard);
        match Duration::try_from(signed(idle) - quiet) {
            Ok(left) if !left.is_zero() => platform.config().clock.sleep(left).await,
            _ => return,
        }
    }
}

async fn post(url: &str, body: String) -> Delivery {
    let unreachable = |text: &str| Delivery::Unreachable(format!("Post \"{url}\": {text}"));
    let dropped = |text: &str| Delivery::Dropped(format!("Post \"{url}\": {text}"));
    let Some((host, port, request)) = request(url, body) else {
        return unreachable("unsupported url");
    };
    let stream = match connect(&host, port).await {
        Ok(stream) => stream,
        Err(error) => return unreachable(&format!("dial tcp: {error}")),
    };
    match exchange(stream, request).await {
        Ok(response) => {
            let status = response.status();
            collect(response.into_body())
                .await
                .map_or(Delivery::Broken(status), |body| {
                    Delivery::Answered(status, body)
                })
        }
        Err(error) => dropped(&error.to_string()),
    }
}

/// `localhost` needs no resolver, and agents on this machine usually listen on IPv4.
async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    if host != "localhost" {
        return TcpStream::connect((host, port)).await;
    }
    let loopback = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let addresses = loopback.map(|address| SocketAddr::new(address, port));
    TcpStream::connect(addresses.as_slice()).await
}

async fn exchange(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
) -> hyper::Result<http::Response<Incoming>> {
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// The request as the agent sees it: nothing in it says who called.
fn request(url: &str, body: String) -> Option<(String, u16, Request<Full<Bytes>>)> {
    let uri: Uri = url.parse().ok()?;
    if uri.scheme_str() != Some("http") {
        return None;
    }
    let host = uri
        .host()?
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(HOST, uri.authority()?.as_str())
        .header(USER_AGENT, "Go-http-client/1.1")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .ok()?;
    Some((host, uri.port_u16().unwrap_or(80), request))
}

async fn collect(mut body: Incoming) -> Option<Bytes> {
    let mut collected = BytesMut::new();
    while collected.len() < MAX_ANSWER
        && let Some(frame) = body.frame().await
    {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        let room = MAX_ANSWER - collected.len();
        collected.extend_from_slice(&data[..data.len().min(room)]);
    }
    Some(collected.freeze())
}
