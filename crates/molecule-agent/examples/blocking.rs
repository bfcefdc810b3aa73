//! An agent in a program that is not async: every call waits for its end, and the handler is a function that may block.
//!
//! `cargo run --features blocking --example blocking [-- URL WORKSPACE_ID]`

#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

mod place;

use molecule_agent::{Connect, InboundMessage};
use place::{Place, Result};

fn main() -> Result<()> {
    let place = Place::find()?;
    let client = place.builder().build_blocking()?;
    let registration = client.register()?;
    println!(
        "registered, messages come by {:?}",
        registration.delivery_mode
    );

    // Handlers run on threads of their own, so that they may use the client, too. Its clones share everything.
    let me = client.clone();
    let count = move |message: InboundMessage| {
        let secrets = me.pull_secrets().map(|secrets| secrets.len());
        secrets.map(|secrets| format!("{} letters, {secrets} secrets", message.text.len()))
    };
    let reason = client.connect(count, Connect::new(), &place.visit("hello"))?;
    println!("stopped: {reason}");
    Ok(())
}
