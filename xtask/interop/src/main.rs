//! Our A2A client, against an agent whose address is the first argument, in the version of the protocol that is the second. It goes
//! through the cases that the official clients go through, and tells in the same way: `NAME ok` or `NAME failed: WHY`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore reports to the terminal it was started from"
)]

mod cases;
mod webhook;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use molecule_a2a::Version;
use tokio::time::timeout;

use crate::cases::Cases;

/// How long a case may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .context("the address of an agent is missing")?;
    let version = match arguments.next().as_deref() {
        Some("0.3") => Version::V0_3,
        Some("1.0") => Version::V1_0,
        other => bail!("{other:?} is neither 0.3 nor 1.0"),
    };
    let cases = Cases::new(&url, version).await?;
    report("card", cases.card()).await;
    report("send", cases.send()).await;
    report("message", cases.message()).await;
    report("get", cases.get()).await;
    report("stream", cases.stream()).await;
    report("non-blocking", cases.non_blocking()).await;
    report("cancel", cases.cancel()).await;
    report("resubscribe", cases.resubscribe()).await;
    report("push", cases.push()).await;
    report("unknown", cases.unknown()).await;
    report("finished", cases.finished()).await;
    Ok(())
}

async fn report(name: &str, case: impl Future<Output = Result<()>>) {
    let result = timeout(PATIENCE, case).await;
    match result.unwrap_or_else(|_| Err(anyhow!("it takes too long"))) {
        Ok(()) => println!("{name} ok"),
        Err(error) => println!("{name} failed: {}", format!("{error:#}").replace('\n', " ")),
    }
}
