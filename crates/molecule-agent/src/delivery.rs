//! Where an agent's messages come from.

use std::future::ready;
use std::sync::Arc;

use molecule_protocol::InboundMessage;
use molecule_transport::BoxFuture;

use crate::{AgentError, Handler};

/// What brings messages to [`run_agent_loop`](crate::RemoteAgentClient::run_agent_loop). [`PollDelivery`](crate::PollDelivery)
/// asks the platform, `PushDelivery` is called by it; anything else that has messages for an agent can be one too.
///
/// The agent asks for the next message only after it acknowledged the one before, which it does when the message is in its
/// [`Journal`](crate::Journal); with a journal in memory, when it is handled and its answer was taken. What is not acknowledged when
/// the agent ends should come again in its next run, so that every message is handled at least once. The agent knows a message that comes
/// again under its activity id, or within minutes under the same sender, id and text, and does not handle it again: so each message
/// needs an activity id of its own.
///
/// A delivery runs on a task of its own: heartbeats do not wait for it. If it panics, the agent ends with
/// [`AgentError::TaskFailed`].
///
/// ```
/// use molecule_agent::transport::BoxFuture;
/// use molecule_agent::{AgentError, DeliveryError, InboundDelivery, InboundMessage, Received, Sender};
/// use tokio::sync::mpsc;
///
/// /// Messages that other parts of the program send.
/// struct Queue(mpsc::Receiver<InboundMessage>);
///
/// impl InboundDelivery for Queue {
///     fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
///         Box::pin(async {
///             let message = self.0.recv().await;
///             Ok(message.map_or(Received::End, |message| Received::Message(Box::new(message))))
///         })
///     }
///
///     // What this queue holds is lost with the process anyway, so there is nothing to remember.
///     fn acknowledge<'a>(&'a mut self, _: &'a InboundMessage) -> BoxFuture<'a, Result<(), AgentError>> {
///         Box::pin(async { Ok(()) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = mpsc::channel(8);
/// let mut queue = Queue(receiver);
/// let (id, time) = ("28aa9223-a2e1-4348-ac8d-55c47e1b030e".parse()?, "2026-11-22T04:01:56Z".parse()?);
/// sender.send(InboundMessage::text(id, time, Sender::CanvasUser, "good morning")).await?;
/// drop(sender);
/// assert!(matches!(queue.receive().await?, Received::Message(message) if message.text == "good morning"));
/// assert!(matches!(queue.receive().await?, Received::End));
/// # Ok(())
/// # }
/// ```
pub trait InboundDelivery: Send + 'static {
    /// Called once, before the first [`receive`](Self::receive): here is what answers messages.
    ///
    /// It is for deliveries whose callers wait for the answer, so that it goes back on the way on which the message came. What such a
    /// delivery hands to this handler it does not hand out by `receive`. Each call waits until fewer than
    /// [`concurrency`](crate::AgentLoop::with_concurrency) handlers run, and counts in heartbeats and in the agent's status
    /// like any other. It is not started again if it fails, and not journaled: it is the caller who knows whether it has an answer.
    ///
    /// By default the handler is not needed.
    fn serve(&mut self, handler: Arc<dyn Handler>) {
        drop(handler);
    }

    /// Called once, when the agent has to stop and nothing more is received: whoever waits for an answer should get it still, and
    /// whoever comes now should not wait. It is dropped when that takes longer than the agent's
    /// [`drain_timeout`](crate::AgentLoop::with_drain_timeout), and the delivery with it.
    ///
    /// By default there is nothing to do.
    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    /// The next message, oldest first. It waits until there is one, or for as long as it takes to know that there is none.
    ///
    /// It may be dropped while it waits, when the agent has to stop: no message may be lost by that.
    ///
    /// # Errors
    /// [`DeliveryError::Temporary`] is logged and counted in the heartbeat; the agent asks again after 1 s, 2 s, 4 s, 5 s and so on, but never
    /// later than after the client's poll interval, and sooner if an event tells of a message.
    /// [`DeliveryError::Final`] ends the agent. `?` on an [`AgentError`] picks the one that its kind suggests.
    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>>;

    /// The agent has the message that was received last: it should not come again, also not after a crash. It is awaited to its
    /// end, also when the agent has to stop.
    ///
    /// # Errors
    /// After an error that [may pass](AgentError::may_pass), such as a full disk, it is called again with the same message; any other
    /// ends the agent: to go on would be to answer messages twice.
    fn acknowledge<'a>(
        &'a mut self,
        message: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>>;
}

/// What a delivery says when it is asked for a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum Received {
    /// A message.
    Message(Box<InboundMessage>),
    /// The source works, but has none. The agent asks again at once, so that it is the delivery that waits.
    Nothing,
    /// None will ever come again, which ends the agent with [`AgentError::DeliveryEnded`].
    End,
}

/// Why a delivery has no message to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// It may pass.
    #[error(transparent)]
    Temporary(AgentError),
    /// It will not.
    #[error(transparent)]
    Final(AgentError),
}

impl From<AgentError> for DeliveryError {
    fn from(error: AgentError) -> Self {
        if error.may_pass() {
            Self::Temporary(error)
        } else {
            Self::Final(error)
        }
    }
}

impl InboundDelivery for Box<dyn InboundDelivery> {
    fn serve(&mut self, handler: Arc<dyn Handler>) {
        (**self).serve(handler);
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        (**self).close()
    }

    fn receive(&mut self) -> BoxFuture<'_, Result<Received, DeliveryError>> {
        (**self).receive()
    }

    fn acknowledge<'a>(
        &'a mut self,
        message: &'a InboundMessage,
    ) -> BoxFuture<'a, Result<(), AgentError>> {
        (**self).acknowledge(message)
    }
}
