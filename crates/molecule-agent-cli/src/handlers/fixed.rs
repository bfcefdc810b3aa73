//! Handlers that need nothing but the message.

use std::future::ready;

use molecule_agent::transport::BoxFuture;
use molecule_agent::{Handler, HandlerOutcome, InboundMessage};

/// Answers with the message itself.
#[derive(Debug)]
pub(super) struct Echo;

impl Handler for Echo {
    fn handle(&self, message: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        Box::pin(ready(message.text.into()))
    }
}

/// Answers with always the same text.
#[derive(Debug)]
pub(super) struct Reply {
    text: String,
}

impl Reply {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }
}

impl Handler for Reply {
    fn handle(&self, _: InboundMessage) -> BoxFuture<'static, HandlerOutcome> {
        Box::pin(ready(self.text.clone().into()))
    }
}
