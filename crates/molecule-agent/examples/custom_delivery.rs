//! Messages that come from somewhere else than the platform: here, from the lines of stdin. Handlers, heartbeats and answers are those of
//! any agent; the answers appear at the platform's canvas.
//!
//! `printf 'one\ntwo\n' | cargo run --example custom_delivery [-- URL WORKSPACE_ID]`

#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

mod place;

use std::io;
use std::thread;
use std::time::SystemTime;

use molecule_agent::transport::BoxFuture;
use molecule_agent::{
    AgentError, AgentLoop, CancellationToken, DeliveryError, InboundDelivery, InboundMessage,
    Received, Sender,
};
use place::{Place, Result};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Lines as a thread reads them. The channel is short, so that it reads no faster than the agent handles them.
struct Lines(mpsc::Receiver<io::Result<String>>);

impl Lines {
    fn of_stdin() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        thread::spawn(move || {
            io::stdin()
                .lines()
                .try_for_each(|line| sender.blocking_send(line))
        });
        Self(receiver)
    }

    async fn next(&mut self) -> Result<Received, DeliveryError> {
        match self.0.recv().await {
            Some(Ok(line)) => Ok(Received::Message(Box::new(message(line)))),
            // A descriptor that cannot be read does not recover. What may pass would be `DeliveryError::Temporary`.
            Some(Err(error)) => Err(DeliveryError::Final(AgentError::delivery(error))),
            None => Ok(Received::End),
        }
    }
}

impl InboundDelivery for Lines {
    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
        Box::pin(self.next())
    }

    // Called when the agent has the message for good, or with a journal in memory when it is answered. Whoever reads a queue would remove it there now; what stdin gave is gone anyway.
    fn acknowledge<'a>(
        &'a mut self,
        _: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A message from the person at the canvas, to whom the answer goes.
#[expect(clippy::disallowed_methods, reason = "the line came now")]
fn message(line: String) -> InboundMessage {
    let (id, now) = (Uuid::new_v4().into(), SystemTime::now().into());
    InboundMessage::text(id, now, Sender::CanvasUser, line)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = Place::find()?.builder().build()?;
    client.register().await?;
    let shout = async |message: InboundMessage| {
        let answer = message.text.to_uppercase();
        println!("{} -> {answer}", message.text);
        answer
    };
    let never = CancellationToken::new();
    let ended = client
        .run_agent_loop(shout, Lines::of_stdin(), AgentLoop::new(), &never)
        .await;
    match ended {
        // An agent that cannot hear any more does not go on in silence. Here, it is what was waited for.
        Err(AgentError::DeliveryEnded) => println!("no more lines"),
        ended => println!("stopped: {}", ended?),
    }
    Ok(())
}
