//! An agent that takes no messages: it pulls its secrets, works, and says what it is doing with every heartbeat.
//!
//! `cargo run --example worker [-- URL WORKSPACE_ID]`

#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

mod place;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use molecule_agent::{CancellationToken, HeartbeatLoop, TaskReport};
use place::{Place, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = Place::find()?;
    let client = place.builder().build()?;
    client.register().await?;

    // A secret shows itself only where it is asked to: `expose` is the one way to its value.
    for (name, secret) in client.pull_secrets().await? {
        println!("secret {name}: {} bytes", secret.expose().len());
    }

    // Asked before every heartbeat. A real worker would count down as it gets on.
    let left = Arc::new(AtomicU32::new(3));
    let report = {
        let left = Arc::clone(&left);
        move || {
            let left = left.fetch_sub(1, Ordering::Relaxed);
            println!("{left} files left");
            TaskReport::new(left, "reading files")
        }
    };
    let beats = HeartbeatLoop::new()
        .with_max_iterations(3)
        .with_task_supplier(report);
    let reason = client
        .run_heartbeat_loop(beats, &CancellationToken::new())
        .await?;
    println!("stopped: {reason}");
    Ok(())
}
