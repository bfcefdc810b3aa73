//! One message on its way, for callers and delegations alike.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::outcome::{Passage, dispatch};
use super::target::Route;
use crate::config::Mode;
use crate::platform::Platform;
use crate::reply::{Reply, encode, forbidden, internal};
use crate::tx::Tx;
use crate::url_rules;

/// How long a workspace may keep another one's message before its dispatch is given up.
pub(crate) const CEILING: Duration = Duration::from_secs(30 * 60);

/// What a sender hands in.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    /// The sending workspace; nobody is the canvas.
    pub(crate) caller: Option<Uuid>,
    pub(crate) envelope: Value,
    /// After this time the dispatch is given up.
    pub(crate) ceiling: Option<Duration>,
}

/// A parcel on its way to a url.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) target: Uuid,
    pub(crate) caller: Option<Uuid>,
    pub(crate) envelope: Value,
    pub(crate) url: String,
    pub(crate) ceiling: Option<Duration>,
}

/// Sends a parcel to the workspace of an id as it was sent.
pub(crate) async fn forward(platform: &Platform, target: &str, parcel: Parcel) -> Passage {
    match platform.write(|tx| tx.address(target, parcel)) {
        Ok(Addressed::Message(message)) => post(platform, message).await,
        Ok(Addressed::Done(passage)) => passage,
        Err(refusal) => Passage::Refused(refusal),
    }
}

enum Addressed {
    Message(Message),
    Done(Passage),
}

/// The dispatch goes on when the caller hangs up: its reply is then in the target's log only.
async fn post(platform: &Platform, message: Message) -> Passage {
    let config = platform.config();
    let strict = config.mode == Mode::Production && !config.is_tenant();
    if strict && !url_rules::is_routable(&message.url, false).await {
        let text = "workspace URL is not publicly routable";
        return Passage::Refused(Reply::error(StatusCode::BAD_GATEWAY, text));
    }
    let dispatched = tokio::spawn(dispatch(platform.clone(), message)).await;
    dispatched.unwrap_or_else(|_| Passage::Refused(internal("dispatch failed")))
}

impl Tx<'_> {
    /// Whether one workspace may write to another, on ids as they were sent.
    pub(crate) fn check_access(&self, caller: &str, target: &str) -> Result<(), Reply> {
        if self.may_talk(caller, target) {
            return Ok(());
        }
        Err(forbidden(
            "access denied: workspaces cannot communicate per hierarchy rules",
        ))
    }

    fn address(&mut self, target: &str, parcel: Parcel) -> Result<Addressed, Reply> {
        let Parcel {
            caller,
            envelope,
            ceiling,
        } = parcel;
        let (target, route) = self.route_to(target)?;
        Ok(match route {
            Route::Push(url) => Addressed::Message(Message {
                target,
                caller,
                envelope,
                url,
                ceiling,
            }),
            Route::Poll => Addressed::Done(self.leave(target, caller, envelope)),
        })
    }

    /// Leaves a message in the log of a polling agent. What the platform answers then is not certain, and clients must
    /// handle a queued message anyway.
    fn leave(&mut self, target: Uuid, caller: Option<Uuid>, envelope: Value) -> Passage {
        let method = envelope["method"].clone();
        let id = self.leave_in_log(target, caller, envelope);
        self.spoke(caller);
        if !self.config.quirks().plain_poll_answer {
            return Passage::Queued { id, depth: 1 };
        }
        let body = json!({ "delivery_mode": "poll", "method": method, "status": "queued" });
        Passage::Answered(StatusCode::OK, Bytes::from(encode(&body)))
    }
}
