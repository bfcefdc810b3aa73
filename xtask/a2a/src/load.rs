//! Connections that ask as fast as they are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::client::{Calls, Connection};
use crate::statistics::Latencies;
use crate::time::now;

/// What came of a while of load.
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    pub(crate) latencies: Latencies,
}

/// Loads a server for a while with so many connections.
pub(crate) async fn run(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    calls: &Arc<Calls>,
) -> Result<Outcome> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let start = now();
    let mut running = JoinSet::new();
    for connection in open {
        running.spawn(converse(connection, calls.clone(), start + time));
    }
    let mut times = Vec::new();
    while let Some(of_one) = running.join_next().await {
        times.extend(of_one??);
    }
    let per_second = times.len() as f64 / (now() - start).as_secs_f64();
    Ok(Outcome {
        per_second,
        latencies: Latencies::new(times),
    })
}

async fn converse(
    mut connection: Connection,
    calls: Arc<Calls>,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let asked = now();
        if asked >= end {
            return Ok(times);
        }
        connection.ask(calls.next()).await?;
        times.push(now() - asked);
    }
}
