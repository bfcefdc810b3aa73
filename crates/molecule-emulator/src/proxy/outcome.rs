//! What the sender and the target's log see of a dispatch.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use molecule_protocol::parse_json;
use serde_json::{Value, json};
use uuid::Uuid;

use super::dispatch::{Delivery, deliver};
use super::message::{CEILING, Message};
use crate::activity::Row;
use crate::platform::Platform;
use crate::reply::{Reply, encode};
use crate::tx::Tx;

/// What became of a message, for the one who sent it.
#[derive(Debug)]
pub(crate) enum Passage {
    /// The agent took it; the answer passes as it is, whatever it is.
    Answered(StatusCode, Bytes),
    /// It waits for the agent.
    Queued { id: Uuid, depth: usize },
    /// It did not get through, or the agent refused it.
    Refused(Reply),
}

impl IntoResponse for Passage {
    fn into_response(self) -> Response {
        match self {
            Self::Answered(status, body) => verbatim(status, body),
            Self::Queued { id, depth } => queued(id, depth),
            Self::Refused(reply) => reply.into_response(),
        }
    }
}

/// Posts a message to its agent.
pub(crate) async fn dispatch(platform: Platform, message: Message) -> Passage {
    match attempt(&platform, &message).await {
        Delivery::Answered(status, body) if status.is_success() => Passage::Answered(status, body),
        Delivery::Answered(status, body) => Passage::Refused(replaced(status, &body)),
        Delivery::Unreachable(_) => {
            let text = "failed to reach workspace agent";
            Passage::Refused(Reply::error(StatusCode::BAD_GATEWAY, text))
        }
        Delivery::Dropped(_) => platform.write(|tx| tx.busy(&message)),
        Delivery::Broken(status) => {
            let body = json!({
                "error": "failed to read agent response",
                "delivery_confirmed": status.is_success(),
            });
            Passage::Refused(Reply::new(StatusCode::BAD_GATEWAY, &body))
        }
    }
}

/// Delivers the oldest waiting message of a workspace, if there is one.
pub(crate) async fn drain(platform: Platform, target: Uuid) {
    let next = platform.write(|tx| {
        let url = tx
            .state
            .get(target)
            .map(|row| row.url.clone())
            .filter(|url| !url.is_empty())?;
        Some((tx.state.queue.take_next(target)?, url))
    });
    let Some((item, url)) = next else { return };
    let message = Message {
        target,
        caller: item.caller,
        envelope: item.envelope,
        url,
        ceiling: item.caller.map(|_| CEILING),
    };
    let answer = match attempt(&platform, &message).await {
        Delivery::Answered(status, body) if status.is_success() => Some(body),
        _ => None,
    };
    platform.write(|tx| {
        tx.state.queue.settle(item.id, answer.is_some());
        if let Some(body) = answer {
            tx.complete_queued(&message, &body);
        }
    });
}

/// Delivers a message and logs on the target what came of it.
async fn attempt(platform: &Platform, message: &Message) -> Delivery {
    let clock = &platform.config().clock;
    let started = clock.monotonic();
    let body = encode(&message.envelope);
    let delivery = deliver(platform, message, body).await;
    let duration = clock.monotonic().saturating_sub(started).as_millis();
    platform.write(|tx| {
        let row = tx.logged(
            message,
            &delivery,
            i64::try_from(duration).unwrap_or(i64::MAX),
        );
        tx.announce_answer(message, &row);
        tx.log(row);
        tx.spoke(message.caller);
    });
    delivery
}

impl Tx<'_> {
    fn logged(&self, message: &Message, delivery: &Delivery, duration: i64) -> Row {
        let mut row = self.received(message.target, message.caller, message.envelope.clone());
        row.duration_ms = Some(duration);
        match delivery {
            Delivery::Answered(status, body) => {
                row.response_body = parse_json(body).ok();
                row.status = if status.is_success() { "ok" } else { "error" }.to_owned();
            }
            Delivery::Unreachable(text) | Delivery::Dropped(text) => self.fail(&mut row, text),
            Delivery::Broken(_) => self.fail(&mut row, "failed to read agent response"),
        }
        row
    }

    fn fail(&self, row: &mut Row, text: &str) {
        let name = self
            .state
            .get(row.workspace_id)
            .map_or("", |target| target.name.as_str());
        row.status = "error".to_owned();
        row.summary = Some(format!("A2A request to {name} failed: {text}"));
        row.error_detail = Some(text.to_owned());
    }

    /// Remembers when a workspace last sent something.
    pub(crate) fn spoke(&mut self, workspace: Option<Uuid>) {
        let now = self.now;
        if let Some(row) = workspace.and_then(|id| self.state.get_mut(id)) {
            row.last_outbound_at = Some(now);
        }
    }

    /// The canvas learns what an agent answered to its user.
    fn announce_answer(&mut self, message: &Message, row: &Row) {
        if message.caller.is_none() && row.status == "ok" {
            let payload = json!({
                "duration_ms": row.duration_ms,
                "method": row.method,
                "response_body": row.response_body,
            });
            self.emit("A2A_RESPONSE", message.target, payload);
        }
    }

    /// The target took the connection and not the message: it waits, unless the target handles retries itself.
    fn busy(&mut self, message: &Message) -> Passage {
        let native = self
            .state
            .get(message.target)
            .is_some_and(|row| row.report.native_session);
        if native {
            return Passage::Refused(native_session());
        }
        let (id, depth) = self
            .state
            .queue
            .push(message.target, message.caller, &message.envelope);
        Passage::Queued { id, depth }
    }
}

fn native_session() -> Reply {
    let body = json!({
        "busy": true,
        "error": "workspace agent busy — adapter handles retry (native_session)",
        "native_session": true,
        "retry_after": 30,
    });
    Reply::new(StatusCode::SERVICE_UNAVAILABLE, &body).with_retry_after(30)
}

/// The answer for a message that no one has answered yet.
fn queued(id: Uuid, depth: usize) -> Response {
    let body = json!({
        "message": "workspace agent busy — request queued, will dispatch when capacity available",
        "queue_depth": depth,
        "queue_id": id,
        "queued": true,
    });
    verbatim(StatusCode::ACCEPTED, encode(&body).into())
}

fn verbatim(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The status of the agent with a body of ours: its top-level error if that is a text, else the reason of the status.
fn replaced(status: StatusCode, body: &[u8]) -> Reply {
    let body: Value = parse_json(body).unwrap_or_default();
    let text = body["error"]
        .as_str()
        .or_else(|| status.canonical_reason())
        .unwrap_or_default();
    Reply::error(status, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn check(status: u16, body: &str, expect: &str) {
        let reply =
            replaced(StatusCode::from_u16(status).unwrap(), body.as_bytes()).into_response();
        assert_eq!(reply.status(), status);
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({ "error": expect })
        );
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_status_and_only_a_text_error_of_its_body() {
        check(500, r#"{"error":"agent exploded"}"#, "agent exploded").await;
        check(400, r#"{"error":{"code":-32600}}"#, "Bad Request").await;
        check(404, "nothing here", "Not Found").await;
        check(302, "", "Found").await;
        check(429, r#"{"error":"slow down"}"#, "slow down").await;
    }
}
