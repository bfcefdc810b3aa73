//! Whether clients that are slow are felt by those that are not.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::Calls;
use crate::load::{self, Outcome};
use crate::process::Server;
use crate::servers::{FLOOD, Kind};
use crate::statistics::median;
use crate::time::pause;

const CONNECTIONS: usize = 32;
/// Those that send half a request, and then nothing.
const HALF_SENT: usize = 64;
/// Those that ask for a flood of events, and read nothing.
const UNREAD: usize = 4;

pub(crate) async fn measure(time: Duration, rounds: usize) -> Result<()> {
    let server = Server::start(Kind::A2a).await?;
    let calls = Arc::new(Calls::new("message/send", "hello"));
    let load = || load::run(server.address(), CONNECTIONS, time, &calls);
    load().await?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(load().await?);
        let slow = open_slow(&server).await?;
        beside.push(load().await?);
        drop(slow);
        // The server notices that they went.
        pause(Duration::from_millis(200)).await;
    }
    println!(
        "\n{CONNECTIONS} connections, beside {HALF_SENT} that stop in the middle of a request and {UNREAD} that do not read their stream:"
    );
    show("alone", &alone);
    show("beside them", &beside);
    println!("  target: alike");
    Ok(())
}

async fn open_slow(server: &Server) -> Result<Vec<TcpStream>> {
    let half = Calls::new("message/send", "hello");
    let flood = Calls::new("message/stream", FLOOD);
    let mut slow = Vec::new();
    for _ in 0..HALF_SENT {
        slow.push(send(server, &request(&half, 2)).await?);
    }
    for _ in 0..UNREAD {
        slow.push(send(server, &request(&flood, 1)).await?);
    }
    // Until what is not read has filled the buffers.
    pause(Duration::from_millis(500)).await;
    Ok(slow)
}

/// A request, of whose body only one part of so many is there.
fn request(calls: &Calls, parts: usize) -> Vec<u8> {
    let body = calls.next();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body[..body.len() / parts]].concat()
}

async fn send(server: &Server, request: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(server.address()).await?;
    stream.write_all(request).await?;
    Ok(stream)
}

fn show(title: &str, outcomes: &[Outcome]) {
    let percentile = |part| median(outcomes.iter().map(|one| one.latencies.percentile(part)));
    println!(
        "  {title:<12}{:>9.0} answers/s   p50 {:.2} ms   p99 {:.2} ms   longest {:.2} ms",
        median(outcomes.iter().map(|one| one.per_second)),
        percentile(0.5),
        percentile(0.99),
        percentile(1.0)
    );
}
