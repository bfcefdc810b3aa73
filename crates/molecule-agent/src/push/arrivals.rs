//! Whether the platform's calls arrive. The platform logs each call that it made, also one that failed, so that an agent which is
//! not reached can find out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use molecule_protocol::{ActivityRow, Timestamp};
use molecule_transport::Priority;

use crate::{AgentError, FetchInbound, RemoteAgentClient};

/// How many of the newest messages are known by their ids.
const KNOWN: usize = 256;

/// How many rows of the log are looked at.
const ROWS: u32 = 20;

/// The calls that came.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: VecDeque<String>,
    calls: u64,
}

impl Arrivals {
    pub(super) fn note(&self, message_id: &str) {
        let mut known = self.lock();
        known.calls += 1;
        known.ids.push_back(message_id.to_owned());
        if known.ids.len() > KNOWN {
            known.ids.pop_front();
        }
    }

    fn calls(&self) -> u64 {
        self.lock().calls
    }

    fn has(&self, message_id: &str) -> bool {
        self.lock().ids.iter().any(|id| id == message_id)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look at the log found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// A call came since the look before.
    Arriving,
    /// Nobody called.
    Quiet,
    /// The platform called, and the call is not here; this is what it says about that.
    Lost(Option<String>),
}

/// How far the log was looked at.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    calls: u64,
    /// The time of the newest row, by the platform's clock. There is none before the first look, which finds nothing.
    until: Option<Timestamp>,
}

impl Lookout {
    /// Looks at what happened since the look before.
    ///
    /// # Errors
    /// When the platform refuses, or gives no usable answer.
    pub(super) async fn look(
        &mut self,
        client: &RemoteAgentClient,
        arrivals: &Arrivals,
    ) -> Result<Finding, AgentError> {
        let calls = std::mem::replace(&mut self.calls, arrivals.calls());
        if self.until.is_some() && calls != self.calls {
            return Ok(Finding::Arriving);
        }
        let query = FetchInbound::new().with_limit(ROWS);
        let rows = client.fetch_rows_as(&query, Priority::Poll).await?.rows;
        let newest = rows.last().map(|row| row.created_at);
        let newest = newest.unwrap_or(Timestamp::from(SystemTime::UNIX_EPOCH));
        Ok(match self.until.replace(newest) {
            Some(until) => judge(&rows, until, arrivals),
            None => Finding::Quiet,
        })
    }
}

/// The newest call decides: what failed before one that arrived has passed.
fn judge(rows: &[ActivityRow], until: Timestamp, arrivals: &Arrivals) -> Finding {
    let new = rows.iter().rev().take_while(|row| row.created_at > until);
    let mut calls = new.filter(|row| row.activity_type == "a2a_receive" && row.method != "notify");
    match calls.next() {
        Some(row) if has_failed(row) && !arrivals.has(message_id(row)) => {
            Finding::Lost(row.error_detail.clone())
        }
        _ => Finding::Quiet,
    }
}

/// A call that was answered with an error has arrived, whoever answered.
fn has_failed(row: &ActivityRow) -> bool {
    let is_answered = row
        .response_body
        .as_ref()
        .is_some_and(|body| !body.is_null());
    matches!(row.status.as_str(), "error" | "queued") && !is_answered
}

fn message_id(row: &ActivityRow) -> &str {
    let id = row
        .request_body
        .as_ref()
        .and_then(|request| request.pointer("/params/message/messageId"));
    id.and_then(|id| id.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EARLIER: &str = "2026-11-22T04:00:00Z";
    const LATER: &str = "2026-11-22T04:01:00Z";

    fn row(at: &str, id: &str, status: &str, fields: Value) -> ActivityRow {
        let mut row = json!({"id": "28aa9223-a2e1-4348-ac8d-55c47e1b030e", "created_at": at, "status": status,
            "activity_type": "a2a_receive", "method": "message/send", "error_detail": "connection refused",
            "request_body": {"params": {"message": {"messageId": id}}}});
        let fields = fields.as_object().unwrap().clone();
        row.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(row).unwrap()
    }

    fn check(rows: &[ActivityRow], expect: Finding) {
        let arrivals = Arrivals::default();
        arrivals.note("here");
        let until = "2026-11-22T04:00:30Z".parse().unwrap();
        assert_eq!(judge(rows, until, &arrivals), expect, "{rows:?}");
    }

    fn lost() -> Finding {
        Finding::Lost(Some("connection refused".to_owned()))
    }

    #[test]
    fn a_call_that_failed_and_is_not_here_is_lost() {
        check(&[row(LATER, "m", "error", json!({}))], lost());
        check(&[row(LATER, "m", "queued", json!({}))], lost());
        check(
            &[row(LATER, "m", "error", json!({"response_body": null}))],
            lost(),
        );
    }

    #[test]
    fn what_was_here_or_answered_or_no_call_is_not_lost() {
        for row in [
            row(LATER, "here", "error", json!({})),
            row(LATER, "m", "ok", json!({})),
            row(
                LATER,
                "m",
                "error",
                json!({"response_body": {"error": "Bad Request"}}),
            ),
            row(LATER, "m", "error", json!({"method": "notify"})),
            row(LATER, "m", "error", json!({"activity_type": "a2a_send"})),
            row(EARLIER, "m", "error", json!({})),
        ] {
            check(&[row], Finding::Quiet);
        }
        check(&[], Finding::Quiet);
    }

    #[test]
    fn the_newest_call_decides() {
        let (failed, arrived) = (
            row(LATER, "m", "error", json!({})),
            row(LATER, "n", "ok", json!({"response_body": {"result": {}}})),
        );
        check(&[failed.clone(), arrived.clone()], Finding::Quiet);
        check(&[arrived, failed], lost());
    }

    #[test]
    fn only_so_many_messages_are_known() {
        let arrivals = Arrivals::default();
        for number in 0..=KNOWN {
            arrivals.note(&number.to_string());
        }
        assert!(!arrivals.has("0") && arrivals.has("1") && arrivals.has(&KNOWN.to_string()));
    }
}
