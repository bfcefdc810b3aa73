//! What answers messages.

use std::sync::Arc;

use molecule_protocol::InboundMessage;
use molecule_transport::BoxFuture;

/// What a handler made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerOutcome {
    /// This is the answer.
    Reply(String),
    /// There is nothing to answer.
    Nothing,
    /// The handler failed; the sender is told so in these words, and the heartbeat counts it.
    Error(String),
}

impl From<String> for HandlerOutcome {
    fn from(text: String) -> Self {
        Self::Reply(text)
    }
}

impl From<&str> for HandlerOutcome {
    fn from(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }
}

impl From<Option<String>> for HandlerOutcome {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Nothing, Self::Reply)
    }
}

impl From<()> for HandlerOutcome {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

impl<T: Into<Self>, E: std::fmt::Display> From<Result<T, E>> for HandlerOutcome {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(|error| Self::Error(error.to_string()), Into::into)
    }
}

/// Something that answers messages. Async closures do, whose output is a text, an `Option` or a `Result` of one.
///
/// ```
/// use molecule_agent::{Handler, InboundMessage};
///
/// fn takes_a_handler(handler: impl Handler) {}
///
/// takes_a_handler(async |message: InboundMessage| message.text.to_uppercase());
/// takes_a_handler(async |message: InboundMessage| message.text.parse::<f64>().map(|n| (n * 2.0).to_string()));
/// ```
pub trait Handler: Send + Sync + 'static {
    /// Answers one message. It is dropped when the agent has to stop before it is done.
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome>;
}

impl<F, Fut> Handler for F
where
    F: Fn(InboundMessage) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<HandlerOutcome>> + Send + 'static,
{
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        let answer = self(message);
        Box::pin(async move { answer.await.into() })
    }
}

impl Handler for Arc<dyn Handler> {
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        (**self).handle(message)
    }
}
