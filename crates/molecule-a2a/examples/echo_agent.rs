//! An agent that echoes: a text becomes a task that hands it back, `sleep N` a task of N seconds that can be cancelled, and
//! `msg ...` a message.
//!
//! `cargo run -p molecule-a2a --example echo_agent [ADDRESS]` prints the URL that it answers at; without an address it takes a
//! free port of this machine.

#![expect(clippy::print_stdout, reason = "it tells where it answers")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use molecule_a2a::{
    A2aError, A2aServer, Answer, Artifact, Card, Incoming, Message, Part, ServerOptions, Skill,
    TaskContext, TaskOutcome, TaskWork,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1);
    let listen: SocketAddr = listen.as_deref().unwrap_or("127.0.0.1:0").parse()?;
    let skill = Skill::new("echo", "Echo").with_description("Echoes a text.");
    let card = Card::new("echo", "")
        .with_description("Echoes what it is told.")
        .with_skill(skill.with_tag("echo").with_example("hello"));
    // Whoever tries it out listens for notifications on this machine.
    let options = ServerOptions::new(card).with_local_webhooks(true);
    let server = A2aServer::bind(listen, Arc::new(echo), options)?;
    println!("http://{}", server.local_addr());
    server.run(CancellationToken::new()).await?;
    Ok(())
}

async fn echo(incoming: Incoming) -> Result<Answer, A2aError> {
    let text = incoming.message.text();
    if text.starts_with("msg ") {
        return Ok(Message::agent(text).into());
    }
    Ok(TaskWork::new(move |task| work(text, task)).into())
}

async fn work(text: String, task: TaskContext) -> TaskOutcome {
    let seconds = text.strip_prefix("sleep ").and_then(|n| n.parse().ok());
    let pause = Duration::from_secs(seconds.unwrap_or(0));
    let echo = Artifact::new("echo").with_part(Part::text(text));
    if task.working(()).await.is_err()
        || timeout(pause, task.cancellation().cancelled())
            .await
            .is_ok()
        || task.artifact(echo).await.is_err()
    {
        return TaskOutcome::canceled();
    }
    TaskOutcome::completed(())
}
