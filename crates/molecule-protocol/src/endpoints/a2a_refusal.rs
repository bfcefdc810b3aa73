//! Why a message did not get through, or what the agent refused.

use std::fmt;
use std::time::Duration;

use http::header::RETRY_AFTER;
use serde_json::{Map, Value};

use crate::endpoint::Answer;
use crate::{ApiError, WorkspaceStatus};

/// The longest wait that is believed.
const LONGEST_WAIT: u64 = 24 * 3600;

/// Why there is no answer of the agent's, and what to do.
///
/// The platform's proxy replaces the body of every answer of an agent's that is not 2xx, so an agent can speak in the
/// platform's words; what is told by a field (busy, waking, restarting, the status) cannot be feigned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum A2aRefusal {
    /// 403: the hierarchy forbids it. A target that the platform does not know is refused alike.
    AccessDenied,
    /// 403: the caller is not one that may send.
    InvalidCaller,
    /// 404: the platform knows no such workspace.
    UnknownTarget,
    /// 402: the target has used up its budget.
    BudgetExceeded,
    /// 400: the platform cannot read the message; it takes 1 MiB.
    InvalidMessage,
    /// 429: the platform limits the rate.
    RateLimited {
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// 503: the agent is busy. It may have the message.
    Busy {
        /// How long to wait.
        retry_after: Option<Duration>,
        /// The agent sees to repetitions itself, so the platform queues nothing for it.
        native_session: bool,
    },
    /// 503: the workspace wakes up because of the message, which it has not got.
    Waking {
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// 503: the container was dead and is started again.
    Restarting,
    /// 503: the workspace has no address: it never registered, or is paused or failed.
    NoUrl {
        /// Its status.
        status: Option<WorkspaceStatus>,
    },
    /// 502: the platform does not post to the address that the agent registered.
    NotRoutable,
    /// 502: nothing took the connection at the address that the agent registered.
    Unreachable,
    /// 502: the agent's answer broke off.
    AnswerLost {
        /// Whether the agent took the message, as far as the platform knows.
        delivery_confirmed: Option<bool>,
    },
    /// The agent itself answered with this status, which is not 2xx.
    ByAgent {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
}

impl A2aRefusal {
    /// What the platform's proxy means, if it is about the message.
    fn of(answer: &Answer<'_>) -> Option<Self> {
        let body = answer.object()?;
        let words = body.get("error")?.as_str()?;
        match answer.status().as_u16() {
            401 if words.contains("auth token") => None,
            400 if words == "invalid JSON" => Some(Self::InvalidMessage),
            402 if words == "workspace budget limit exceeded" => Some(Self::BudgetExceeded),
            403 if words.starts_with("access denied") => Some(Self::AccessDenied),
            403 if words == "invalid caller ID" => Some(Self::InvalidCaller),
            404 if words == "workspace not found" => Some(Self::UnknownTarget),
            410 if words == "workspace removed" => None,
            429 => Self::of_too_many(answer, &body),
            500 if words == "lookup failed" => None,
            502 => Self::of_bad_gateway(&body, words),
            503 => Self::of_unavailable(answer, &body, words),
            300..=599 => Some(Self::by_agent(answer)),
            _ => None,
        }
    }

    /// The agent's own refusal comes without the time to wait.
    fn of_too_many(answer: &Answer<'_>, body: &Map<String, Value>) -> Option<Self> {
        let retry_after = retry_after(answer, body);
        // It may be a date, for which one needs a clock; that it is there says enough.
        let is_told = answer.headers().contains_key(RETRY_AFTER) || retry_after.is_some();
        Some(match is_told {
            true => Self::RateLimited { retry_after },
            false => Self::by_agent(answer),
        })
    }

    fn of_bad_gateway(body: &Map<String, Value>, words: &str) -> Option<Self> {
        let delivery_confirmed = body.get("delivery_confirmed").and_then(Value::as_bool);
        Some(match words {
            "workspace URL is not publicly routable" => Self::NotRoutable,
            "failed to reach workspace agent" => Self::Unreachable,
            "failed to read agent response" => Self::AnswerLost { delivery_confirmed },
            _ => Self::ByAgent { retry_after: None },
        })
    }

    fn of_unavailable(answer: &Answer<'_>, body: &Map<String, Value>, words: &str) -> Option<Self> {
        let says = |flag: &str| body.get(flag) == Some(&Value::Bool(true));
        let retry_after = retry_after(answer, body);
        if says("busy") {
            let native_session = says("native_session");
            return Some(Self::Busy {
                retry_after,
                native_session,
            });
        }
        if says("waking") {
            return Some(Self::Waking { retry_after });
        }
        if says("restarting") {
            return Some(Self::Restarting);
        }
        if words == "workspace has no URL" {
            let status = status(body);
            return Some(Self::NoUrl { status });
        }
        // With a code the platform speaks of itself.
        (!body.contains_key("code")).then_some(Self::ByAgent { retry_after })
    }

    fn by_agent(answer: &Answer<'_>) -> Self {
        Self::ByAgent {
            retry_after: retry_after(answer, &Map::new()),
        }
    }

    /// How long to wait before trying again, where the platform or the agent says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after }
            | Self::Busy { retry_after, .. }
            | Self::Waking { retry_after }
            | Self::ByAgent { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// Whether the agent certainly has not got the message, so that sending it once more cannot make it twice.
    #[must_use]
    pub const fn surely_not_delivered(&self) -> bool {
        !matches!(
            self,
            Self::Busy { .. } | Self::Restarting | Self::AnswerLost { .. } | Self::ByAgent { .. }
        )
    }
}

impl fmt::Display for A2aRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUrl {
                status: Some(WorkspaceStatus::Paused),
            } => {
                return f.write_str(
                    "the workspace is paused by its user and has no address; try again when it was resumed",
                );
            }
            Self::NoUrl {
                status: Some(status),
            } => {
                return write!(
                    f,
                    "the workspace is {status} and has no address; try again when its agent has registered"
                );
            }
            Self::AnswerLost {
                delivery_confirmed: Some(true),
            } => {
                return f.write_str(
                    "the agent took the message, but its answer is lost; do not send it again",
                );
            }
            _ => {}
        }
        f.write_str(match self {
            Self::AccessDenied => "the hierarchy lets the two not talk, or there is no such workspace; `peers` lists who can be reached",
            Self::InvalidCaller => "the platform takes no messages from this caller; check the workspace id",
            Self::UnknownTarget => "there is no such workspace; check the id",
            Self::BudgetExceeded => "the workspace's budget is used up; raise it on the platform",
            Self::InvalidMessage => "the platform cannot read the message; it takes 1 MiB at most",
            Self::RateLimited { .. } => "too many requests; slow down",
            Self::Busy { .. } => "the agent is busy, and may have the message; try again with the same message id",
            Self::Waking { .. } => "the workspace is waking up; try again",
            Self::Restarting => "the agent's container is restarted; try again with the same message id",
            Self::NoUrl { .. } => "the workspace has no address; try again when its agent has registered",
            Self::NotRoutable => "the platform does not post to the address that the agent registered; have it register another",
            Self::Unreachable => "the platform cannot reach the agent; is it running, at the address that it registered? try again then",
            Self::AnswerLost { .. } => "the agent's answer is lost, and it may have the message; ask it before sending it again",
            Self::ByAgent { .. } => "that is what the agent itself answered",
        })?;
        match self.retry_after() {
            Some(wait) => write!(f, " (in {} s)", wait.as_secs()),
            None => Ok(()),
        }
    }
}

/// The typed error of an answer of the platform's that is not 2xx.
pub(super) fn refused(answer: &Answer<'_>, endpoint: &'static str) -> ApiError {
    match A2aRefusal::of(answer) {
        Some(reason) => ApiError::A2a(answer.refused(endpoint), reason),
        None => answer.refusal(endpoint),
    }
}

/// The typed error of an agent's answer that is not 2xx, where the platform is not in between.
pub(crate) fn refused_directly(answer: &Answer<'_>, endpoint: &'static str) -> ApiError {
    ApiError::A2a(answer.refused(endpoint), A2aRefusal::by_agent(answer))
}

/// `Retry-After` in seconds, or the same in the body. A date is left to whoever has a clock.
fn retry_after(answer: &Answer<'_>, body: &Map<String, Value>) -> Option<Duration> {
    let header = answer.headers().get(RETRY_AFTER);
    let header = header.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let seconds = header.or_else(|| body.get("retry_after")?.as_u64())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// The status of the workspace that an answer speaks of.
pub(super) fn status(body: &Map<String, Value>) -> Option<WorkspaceStatus> {
    let word: String = body.get("status")?.as_str()?.chars().take(40).collect();
    Some(word.into())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn refusal(status: u16, retry_after: Option<&str>, body: &str) -> ApiError {
        let mut headers = HeaderMap::new();
        if let Some(wait) = retry_after {
            headers.insert("retry-after", wait.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        refused(&Answer::new(status, &headers, body.as_bytes()), "a2a")
    }

    fn check(status: u16, retry_after: Option<&str>, body: &str, expect: &A2aRefusal) {
        match refusal(status, retry_after, body) {
            ApiError::A2a(refusal, reason) => {
                assert_eq!(
                    (refusal.status.as_u16(), &reason),
                    (status, expect),
                    "{body}"
                );
            }
            other => panic!("{status} {body} gave {other:?}"),
        }
    }

    fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn what_the_platform_says_of_the_target_is_typed() {
        let busy = r#"{"busy":true,"error":"workspace agent busy — adapter handles retry (native_session)","native_session":true,"retry_after":30}"#;
        let native = |retry_after| A2aRefusal::Busy {
            retry_after,
            native_session: true,
        };
        check(503, Some("31"), busy, &native(secs(31)));
        check(503, None, busy, &native(secs(30)));
        check(503, Some("soon"), busy, &native(secs(30)));
        check(
            503,
            Some("15"),
            r#"{"error":"workspace is waking from hibernation — retry in ~15 seconds","retry_after":15,"waking":true}"#,
            &A2aRefusal::Waking {
                retry_after: secs(15),
            },
        );
        check(
            503,
            None,
            r#"{"error":"workspace agent unreachable — container restart triggered","restarting":true}"#,
            &A2aRefusal::Restarting,
        );
        check(
            503,
            None,
            r#"{"error":"workspace has no URL","status":"paused"}"#,
            &A2aRefusal::NoUrl {
                status: Some(WorkspaceStatus::Paused),
            },
        );
        check(
            429,
            Some("59"),
            r#"{"error":"rate limit exceeded","retry_after":59}"#,
            &A2aRefusal::RateLimited {
                retry_after: secs(59),
            },
        );
        let date = "Mon, 23 Nov 2026 04:01:56 GMT";
        check(
            429,
            Some(date),
            r#"{"error":"slow down"}"#,
            &A2aRefusal::RateLimited { retry_after: None },
        );
        for confirmed in [true, false] {
            check(
                502,
                None,
                &format!(
                    r#"{{"error":"failed to read agent response","delivery_confirmed":{confirmed}}}"#
                ),
                &A2aRefusal::AnswerLost {
                    delivery_confirmed: Some(confirmed),
                },
            );
        }
    }

    #[test]
    fn words_of_the_platform_are_typed() {
        let check = |status, words: &str, expect| {
            check(status, None, &format!(r#"{{"error":"{words}"}}"#), &expect);
        };
        check(
            402,
            "workspace budget limit exceeded",
            A2aRefusal::BudgetExceeded,
        );
        check(
            403,
            "access denied: workspaces cannot communicate per hierarchy rules",
            A2aRefusal::AccessDenied,
        );
        check(403, "invalid caller ID", A2aRefusal::InvalidCaller);
        check(404, "workspace not found", A2aRefusal::UnknownTarget);
        check(400, "invalid JSON", A2aRefusal::InvalidMessage);
        check(
            502,
            "workspace URL is not publicly routable",
            A2aRefusal::NotRoutable,
        );
        check(
            502,
            "failed to reach workspace agent",
            A2aRefusal::Unreachable,
        );
    }

    #[test]
    fn replaced_answers_are_the_agents() {
        for (status, words) in [
            (302, "Found"),
            (400, "Bad Request"),
            (401, "Unauthorized"),
            (402, "Payment Required"),
            (403, "Forbidden"),
            (404, "Not Found"),
            (429, "slow down"),
            (500, "agent exploded"),
            (502, "Bad Gateway"),
            (503, "Service Unavailable"),
        ] {
            let body = format!(r#"{{"error":"{words}"}}"#);
            check(
                status,
                None,
                &body,
                &A2aRefusal::ByAgent { retry_after: None },
            );
        }
    }

    #[test]
    fn what_is_not_about_the_message_stays_what_it_is() {
        let check = |status, body: &str, expect: &str| {
            let error = format!("{:?}", refusal(status, None, body));
            assert!(error.starts_with(expect), "{status} {body}: {error}");
        };
        check(
            401,
            r#"{"error":"invalid caller auth token"}"#,
            "Unauthorized",
        );
        check(
            401,
            r#"{"error":"missing workspace auth token"}"#,
            "Unauthorized",
        );
        check(403, "", "OriginRefused");
        check(404, "", "NoSuchRoute");
        check(404, "404 page not found", "NoSuchRoute");
        check(410, r#"{"error":"workspace removed"}"#, "Gone");
        check(500, r#"{"error":"lookup failed"}"#, "Unavailable");
        check(
            503,
            r#"{"error":"platform datastore unavailable","code":"platform_unavailable"}"#,
            "Unavailable",
        );
        check(502, "<html>Bad gateway</html>", "Unavailable");
        check(307, "", "Unexpected");
    }

    #[test]
    fn only_what_surely_did_not_arrive_is_said_not_to_have() {
        let check = |reason: A2aRefusal, expect| {
            assert_eq!(reason.surely_not_delivered(), expect, "{reason:?}");
        };
        let retry_after = None;
        check(A2aRefusal::Unreachable, true);
        check(A2aRefusal::NoUrl { status: None }, true);
        check(A2aRefusal::Waking { retry_after }, true);
        check(A2aRefusal::AccessDenied, true);
        check(A2aRefusal::Restarting, false);
        check(A2aRefusal::ByAgent { retry_after }, false);
        let native_session = true;
        check(
            A2aRefusal::Busy {
                retry_after,
                native_session,
            },
            false,
        );
        let delivery_confirmed = Some(false);
        check(A2aRefusal::AnswerLost { delivery_confirmed }, false);
    }

    #[test]
    fn a_wait_without_end_is_cut_to_a_day() {
        let error = refusal(503, Some("99999999999"), r#"{"busy":true,"error":"busy"}"#);
        assert!(error.to_string().ends_with("(in 86400 s)"), "{error}");
    }
}
