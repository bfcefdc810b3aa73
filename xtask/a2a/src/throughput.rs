//! Messages a second, beside what axum does without A2A.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::client::{Calls, Connection, answered_text};
use crate::load::{self, Outcome};
use crate::process::Server;
use crate::servers::Kind;
use crate::statistics::median;

const TEXT: &str = "hello, how do you do?";

pub(crate) async fn measure(time: Duration, rounds: usize) -> Result<()> {
    let axum = Server::start(Kind::Axum).await?;
    let ours = Server::start(Kind::A2a).await?;
    let calls = Arc::new(Calls::new("message/send", TEXT));
    check(&axum, &ours, &calls).await?;
    println!(
        "An echo of a message, {rounds} rounds of {:.1} s for each server in turn, medians:\n\n{}",
        time.as_secs_f64(),
        line(
            "connections",
            "server",
            ["answers/s", "p50 ms", "p99 ms"].map(str::to_owned)
        ),
    );
    for connections in [32, 256] {
        let pair = Pair {
            axum: &axum,
            ours: &ours,
            connections,
            calls: &calls,
        };
        pair.measure(time, rounds).await?;
    }
    Ok(())
}

/// Both answer what they should: a fast wrong answer is worth nothing.
async fn check(axum: &Server, ours: &Server, calls: &Calls) -> Result<()> {
    let body = calls.next();
    let echo = ask(axum, &body).await?;
    ensure!(echo == body, "the bare server does not echo");
    let answer = ask(ours, &body).await?;
    let text = answered_text(&answer)?;
    ensure!(
        text == TEXT,
        "the A2A server does not echo, but says {text}"
    );
    Ok(())
}

async fn ask(server: &Server, body: &Bytes) -> Result<Bytes> {
    let mut connection = Connection::open(server.address()).await?;
    connection.ask(body.clone()).await
}

struct Pair<'a> {
    axum: &'a Server,
    ours: &'a Server,
    connections: usize,
    calls: &'a Arc<Calls>,
}

impl Pair<'_> {
    async fn measure(&self, time: Duration, rounds: usize) -> Result<()> {
        // Before the rounds that count: allocators and caches.
        self.round(time / 5, false).await?;
        let mut outcomes = Vec::new();
        for number in 0..rounds {
            outcomes.push(self.round(time, number % 2 == 1).await?);
        }
        self.show("bare axum", outcomes.iter().map(|pair| &pair.0));
        self.show("molecule-a2a", outcomes.iter().map(|pair| &pair.1));
        let rate = median(
            outcomes
                .iter()
                .map(|(axum, ours)| ours.per_second / axum.per_second),
        );
        let p99 = |outcome: &Outcome| outcome.latencies.percentile(0.99);
        let late = median(outcomes.iter().map(|(axum, ours)| p99(ours) / p99(axum)));
        println!(
            "{:>11}  ratio of the rates {rate:.2}, target at least 0.70; of the p99 {late:.2}, target at most 1.30",
            ""
        );
        Ok(())
    }

    /// Both, in this order or the other, because a machine does not stay as fast as it was.
    async fn round(&self, time: Duration, ours_first: bool) -> Result<(Outcome, Outcome)> {
        let load =
            |server: &Server| load::run(server.address(), self.connections, time, self.calls);
        if ours_first {
            let ours = load(self.ours).await?;
            return Ok((load(self.axum).await?, ours));
        }
        Ok((load(self.axum).await?, load(self.ours).await?))
    }

    fn show<'a>(&self, server: &str, outcomes: impl Iterator<Item = &'a Outcome> + Clone) {
        let percentile = |part| median(outcomes.clone().map(|one| one.latencies.percentile(part)));
        let figures = [
            format!("{:.0}", median(outcomes.clone().map(|one| one.per_second))),
            format!("{:.2}", percentile(0.5)),
            format!("{:.2}", percentile(0.99)),
        ];
        println!("{}", line(&self.connections.to_string(), server, figures));
    }
}

fn line(connections: &str, server: &str, figures: [String; 3]) -> String {
    let [rate, p50, p99] = figures;
    format!("{connections:>11}  {server:<14}{rate:>10}{p50:>9}{p99:>9}")
}
