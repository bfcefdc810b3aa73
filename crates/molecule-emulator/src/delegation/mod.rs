//! Work that one workspace hands to another: accepted at once, sent in the background, told in two rows of the source's
//! log.

mod rows;
mod text;

use std::time::Duration;

use http::StatusCode;
use molecule_protocol::parse_json;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::platform::Platform;
use crate::proxy::message::{CEILING, Parcel, forward};
use crate::proxy::outcome::Passage;
use crate::tx::Tx;

pub(crate) use rows::Known;

/// The pause before a target that was not there is tried a second time.
const RETRY_AFTER: Duration = Duration::from_secs(8);

/// One piece of work.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) source: Uuid,
    pub(crate) target: Uuid,
    pub(crate) id: String,
    pub(crate) task: String,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Taken {
    New,
    Known(Known),
}

/// Carries an order out.
pub(crate) async fn run(platform: Platform, order: Order) {
    platform.write(|tx| tx.delegation_moves(&order, "dispatched"));
    let mut passage = send(&platform, &order).await;
    if is_transient(&passage) {
        platform.config().clock.sleep(RETRY_AFTER).await;
        passage = send(&platform, &order).await;
    }
    platform.write(|tx| tx.settle_delegation(&order, &passage));
}

async fn send(platform: &Platform, order: &Order) -> Passage {
    let (source, target) = (order.source.to_string(), order.target.to_string());
    if let Err(refusal) = platform.read(|tx| tx.check_access(&source, &target)) {
        return Passage::Refused(refusal);
    }
    let parcel = Parcel {
        caller: Some(order.source),
        envelope: envelope(order),
        ceiling: Some(CEILING),
    };
    forward(platform, &target, parcel).await
}

/// The key of the part is `type`, where clients of the protocol say `kind`.
fn envelope(order: &Order) -> Value {
    json!({
        "id": Uuid::new_v4(),
        "jsonrpc": "2.0",
        "method": "message/send",
        "params": { "message": {
            "messageId": order.id,
            "metadata": { "delegation_id": order.id },
            "parts": [{ "text": order.task, "type": "text" }],
            "role": "user",
        }},
    })
}

/// Whether the target surely did not get the message.
fn is_transient(passage: &Passage) -> bool {
    matches!(passage, Passage::Refused(reply) if reply.status() == StatusCode::BAD_GATEWAY)
}

impl Tx<'_> {
    fn settle_delegation(&mut self, order: &Order, passage: &Passage) {
        match passage {
            Passage::Refused(reply) => self.delegation_failed(order, &reply.error_text()),
            Passage::Queued { .. } => self.delegation_queued(order),
            Passage::Answered(StatusCode::ACCEPTED, body) if says_queued(body) => {
                self.delegation_queued(order);
            }
            Passage::Answered(_, body) => {
                let text = text::answer_text(body);
                self.delegation_completed(order.source, Some(order.target), &order.id, &text);
            }
        }
    }
}

/// Whether an agent answers as the platform does for one that is busy.
fn says_queued(body: &[u8]) -> bool {
    parse_json::<Value>(body).is_ok_and(|body| body["queued"] == true)
}
