//! What a stop waits for, and what it does not.

use std::time::Duration;

use molecule_emulator::{Fault, FaultRule};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::agent::PATIENCE;
use crate::world::World;

/// Less than requests in flight are waited for.
const AT_ONCE: Duration = Duration::from_secs(4);

const REQUEST: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

impl World {
    fn add_fault(&self, fault: Fault, path: &str) {
        let rule = FaultRule::new(fault).with_path(path);
        self.platform.platform().add_fault(rule).unwrap();
    }
}

async fn connect(world: &World, said: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.platform.address()).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    stream
}

/// Reads until this came.
async fn hear(stream: &mut TcpStream, end: &str) {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "{end:?}");
    }
}

#[tokio::test]
async fn connections_without_a_request_in_flight_are_closed_at_once() {
    let world = World::start().await;
    let unused = connect(&world, "").await;
    let mut kept = connect(&world, REQUEST).await;
    hear(&mut kept, r#"{"status":"ok"}"#).await;
    let mut second = connect(&world, REQUEST).await;
    hear(&mut second, r#"{"status":"ok"}"#).await;
    second.write_all(b"GET /health HT").await.unwrap();
    let first = connect(&world, "GET /hea").await;
    world.add_fault(Fault::HalfClose, "/metrics");
    let mut half_closed = connect(&world, &REQUEST.replace("health", "metrics")).await;
    assert_eq!(half_closed.read(&mut [0; 64]).await.unwrap(), 0);
    let stopped = tokio::time::timeout(AT_ONCE, world.platform.stop()).await;
    stopped.expect("the stop does not wait").unwrap();
    drop((unused, kept, second, first, half_closed));
}

#[tokio::test]
async fn a_request_in_flight_is_answered_first() {
    let world = World::start().await;
    let latency = Duration::from_secs(60);
    world.add_fault(Fault::Latency { ms: 60_000 }, "/health");
    let mut stream = connect(&world, REQUEST).await;
    while world.platform.platform().faults()[0].fired == 0 {
        tokio::task::yield_now().await;
    }
    let stop = tokio::spawn(world.platform.stop());
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    assert!(!stop.is_finished());
    world.clock.advance(latency);
    let mut answer = String::new();
    let heard = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    heard.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    stop.await.unwrap().unwrap();
}
