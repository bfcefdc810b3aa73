//! The smallest agent: it answers every message with the message, until its workspace is paused or deleted.
//!
//! `cargo run --example echo`, or `cargo run --example echo -- URL WORKSPACE_ID` on a platform such as `molecule-agent dev`.

#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

mod place;

use molecule_agent::{Connect, InboundMessage};
use place::{Place, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = Place::find()?;
    let client = place.builder().build()?;

    // Any async closure is a handler. It may wait as long as it likes: heartbeats do not wait for it.
    let echo = async |message: InboundMessage| message.text;

    // It looks before it registers, keeps the token, polls, answers each message once, and ends with a reason.
    let options = Connect::new().with_on_registered(|_| println!("online"));
    let reason = client.connect(echo, options, &place.visit("hello")).await?;
    println!("stopped: {reason}");
    Ok(())
}
