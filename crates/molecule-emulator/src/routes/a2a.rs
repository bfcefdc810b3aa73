//! Messages to agents.

use std::time::Duration;

use uuid::Uuid;

use crate::asked::{Anyone, Asked};
use crate::proxy::envelope::normalise;
use crate::proxy::message::{CEILING, Parcel, forward};
use crate::proxy::outcome::Passage;
use crate::reply::{Reply, bad_request, forbidden};
use crate::request::{Bearer, parse_id};
use crate::tx::Tx;

/// Callers that are not workspaces and that nobody may claim to be.
const RESERVED: [&str; 4] = ["system:", "webhook:", "test:", "channel:"];

pub(crate) async fn send(asked: Asked<Anyone>) -> Result<Passage, Reply> {
    let from = asked.header("x-workspace-id").unwrap_or("");
    let caller = asked.read(|tx| tx.source(&asked.id, from, &asked.bearer))?;
    let envelope = normalise(&asked.body).ok_or_else(|| bad_request("invalid JSON"))?;
    let ignored = asked.platform.config().quirks().ignored_timeout;
    let parcel = Parcel {
        caller,
        envelope,
        ceiling: ceiling(caller, asked.header("x-timeout"), ignored),
    };
    Ok(forward(&asked.platform, &asked.id, parcel).await)
}

/// The time that a dispatch may take. Where `X-Timeout` is ignored, it still removes the ceiling.
fn ceiling(caller: Option<Uuid>, asked: Option<&str>, ignored: bool) -> Option<Duration> {
    let asked = asked.and_then(|seconds| seconds.parse::<u64>().ok());
    match asked.filter(|seconds| *seconds > 0) {
        Some(_) if ignored => None,
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => caller.map(|_| CEILING),
    }
}

impl Tx<'_> {
    /// Who sends: nobody is the canvas, oneself needs no proof, and any other workspace proves it and must be allowed.
    fn source(
        &mut self,
        target: &str,
        caller: &str,
        bearer: &Bearer,
    ) -> Result<Option<Uuid>, Reply> {
        if RESERVED.iter().any(|reserved| caller.starts_with(reserved)) {
            return Err(forbidden("invalid caller ID"));
        }
        if caller.is_empty() && !self.config.quirks().open_canvas {
            self.require_admin(bearer)?;
        }
        if !caller.is_empty() && caller != target {
            self.require_caller(caller, bearer)?;
            self.check_access(caller, target)?;
        }
        Ok(parse_id(caller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(caller: bool, asked: Option<&str>, ignored: bool, expect: Option<u64>) {
        let caller = caller.then(Uuid::nil);
        let found = ceiling(caller, asked, ignored).map(|time| time.as_secs());
        assert_eq!(found, expect, "{caller:?} {asked:?} {ignored}");
    }

    #[test]
    fn a_timeout_header_removes_the_ceiling_and_does_nothing_else_where_it_is_ignored() {
        check(true, None, true, Some(1800));
        check(false, None, true, None);
        check(true, Some("2"), true, None);
        check(true, Some("2"), false, Some(2));
        check(true, Some("soon"), false, Some(1800));
        check(true, Some("0"), true, Some(1800));
    }
}
