//! What the platform says when it refuses.

use std::fmt;

use http::StatusCode;
use serde_json::error::Category;

use crate::Answer;
use crate::endpoints::{A2aRefusal, DelegationRefusal, PluginRefusal};

/// Which call was refused, how, and in which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The endpoint's name, such as `register`.
    pub endpoint: &'static str,
    /// The status of the answer.
    pub status: StatusCode,
    /// The platform's own words, cut to 300 characters.
    pub message: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.endpoint, self.status.as_u16())?;
        self.message
            .as_ref()
            .map_or(Ok(()), |message| write!(f, " ({message})"))
    }
}

/// Where a body is not what it should be. It repeats nothing of the body, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line}, column {column}")]
pub struct BodyError {
    what: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for BodyError {
    fn from(error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Data => "a value of another kind than expected",
            Category::Eof => "the JSON ends too early",
            Category::Io | Category::Syntax => "no JSON",
        };
        Self {
            what,
            line: error.line(),
            column: error.column(),
        }
    }
}

/// A refusal by the platform, or an answer that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 401: no token went along, or one that this platform does not accept for this workspace.
    #[error("{0}: the token is missing, revoked, or another's")]
    Unauthorized(Refusal),
    /// 403 with a reason: the hierarchy or the token forbids the call.
    #[error(
        "{0}: this workspace may not do that; check the ids, and where in the hierarchy the two stand"
    )]
    Forbidden(Refusal),
    /// 403 without a body: the `Origin` header is not one the platform accepts.
    #[error("{0}: the platform refused the Origin header; behind a rewriting proxy, send none")]
    OriginRefused(Refusal),
    /// 404 with a JSON reason: what the call names is not there.
    #[error("{0}: what it names is not there, or not any more; check the id or the name")]
    NotFound(Refusal),
    /// 404 without a JSON body: no such route here, or a missing organisation id. It says nothing about the workspace.
    #[error(
        "{0}: nothing of the platform answers there; check the platform URL and, on a hosted tenant, the organisation id"
    )]
    NoSuchRoute(Refusal),
    /// 410: the cursor is not in the log any more, or the workspace was removed.
    #[error(
        "{0}: it was removed, or is not kept any longer; ask without naming it, or name another"
    )]
    Gone(Refusal),
    /// 402: the workspace's budget is used up.
    #[error("{0}: the budget is used up; raise it on the platform")]
    BudgetExceeded(Refusal),
    /// Another 4xx: the platform does not accept the request as it is.
    #[error("{refusal}: {advice}", refusal = .0, advice = rejected(.0.status))]
    Rejected(Refusal),
    /// A message was not delivered, or the agent refused it.
    #[error("{0}: {1}")]
    A2a(Refusal, A2aRefusal),
    /// The platform does not hand out, or record, a plugin, for a reason of the plugin's or its source's.
    #[error("{0}: {1}")]
    Plugin(Refusal, PluginRefusal),
    /// 400: the platform does not take a delegation as it is.
    #[error("{0}: {1}")]
    Delegation(Refusal, DelegationRefusal),
    /// 429: too many requests.
    #[error("{0}: too many requests; slow down")]
    RateLimited(Refusal),
    /// 429 of another kind: the workspace has as many tokens as it may have. Waiting does not help.
    #[error("{0}: revoke a token that is not used any more, then try again")]
    TokenLimit(Refusal),
    /// The platform answers, but has no such call, or not for a workspace like this one.
    #[error("{0}: this platform cannot do that for this workspace")]
    Unsupported(Refusal),
    /// 5xx: the platform, or the agent behind it, cannot answer now.
    #[error("{0}: the platform cannot answer now; try again")]
    Unavailable(Refusal),
    /// A status that no endpoint documents, such as a redirect.
    #[error("{0}: unexpected; is this the address of a Molecule AI platform?")]
    Unexpected(Refusal),
    /// A good status whose body is not what the endpoint documents.
    #[error("{endpoint} answered {} with a body that is not the platform's; is this the right address?", status.as_u16())]
    Malformed {
        /// The endpoint's name.
        endpoint: &'static str,
        /// The status of the answer.
        status: StatusCode,
        /// Where it stops being that.
        #[source]
        source: BodyError,
    },
    /// An answer that would take too much memory once it is read, however few bytes it has.
    #[error("{endpoint} answered {} with JSON that would take too much memory; ask for less at once", status.as_u16())]
    TooDear {
        /// The endpoint's name.
        endpoint: &'static str,
        /// The status of the answer.
        status: StatusCode,
    },
}

/// What a status says that no variant stands for, and what to do.
const fn rejected(status: StatusCode) -> &'static str {
    match status {
        StatusCode::CONFLICT => {
            "that is not possible in the state in which things are; look at it, and try again when it has changed"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "it is too large; send less",
        _ => "the platform does not accept the request; check what was given to it",
    }
}

impl ApiError {
    pub(crate) fn from_refusal(refusal: Refusal, answer: &Answer<'_>) -> Self {
        match refusal.status.as_u16() {
            401 => Self::Unauthorized(refusal),
            402 => Self::BudgetExceeded(refusal),
            403 if answer.body().is_empty() => Self::OriginRefused(refusal),
            403 => Self::Forbidden(refusal),
            404 if answer.object().is_some() => Self::NotFound(refusal),
            404 => Self::NoSuchRoute(refusal),
            410 => Self::Gone(refusal),
            429 => Self::RateLimited(refusal),
            400..=499 => Self::Rejected(refusal),
            500..=599 => Self::Unavailable(refusal),
            _ => Self::Unexpected(refusal),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.parts().0
    }

    /// What was refused, and in which words; nothing if the answer was good and its body was not.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        self.parts().1
    }

    const fn parts(&self) -> (StatusCode, Option<&Refusal>) {
        match self {
            Self::Malformed { status, .. } | Self::TooDear { status, .. } => (*status, None),
            Self::Unauthorized(refusal)
            | Self::Forbidden(refusal)
            | Self::OriginRefused(refusal)
            | Self::NotFound(refusal)
            | Self::NoSuchRoute(refusal)
            | Self::Gone(refusal)
            | Self::BudgetExceeded(refusal)
            | Self::Rejected(refusal)
            | Self::Plugin(refusal, _)
            | Self::A2a(refusal, _)
            | Self::Delegation(refusal, _)
            | Self::RateLimited(refusal)
            | Self::TokenLimit(refusal)
            | Self::Unsupported(refusal)
            | Self::Unavailable(refusal)
            | Self::Unexpected(refusal) => (refusal.status, Some(refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn check(status: u16, body: &str, expect: &str) {
        let headers = HeaderMap::new();
        let answer = Answer::new(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
        );
        let error = answer.refusal("state");
        assert!(
            format!("{error:?}").starts_with(expect),
            "{status} {body:?} gave {error:?}"
        );
    }

    #[test]
    fn every_kind_of_refusal_is_told_apart() {
        check(
            401,
            r#"{"error":"missing workspace auth token"}"#,
            "Unauthorized",
        );
        check(403, "", "OriginRefused");
        check(403, r#"{"error":"invalid caller ID"}"#, "Forbidden");
        check(404, "", "NoSuchRoute");
        check(404, "404 page not found", "NoSuchRoute");
        check(404, r#"{"error":"workspace not found"}"#, "NotFound");
        check(400, r#"{"error":"invalid request body"}"#, "Rejected");
        check(409, "{}", "Rejected");
        check(410, "", "Gone");
        check(429, "{}", "RateLimited");
        check(502, "<html>", "Unavailable");
        check(307, "", "Unexpected");
    }

    #[test]
    fn what_is_wrong_with_a_body_does_not_repeat_it() {
        for body in [r#"{"a":"424242"}"#, r#""hunter2""#, "hunter2", "[1"] {
            let error =
                serde_json::from_str::<std::collections::BTreeMap<String, u8>>(body).unwrap_err();
            let text = BodyError::from(&error).to_string();
            assert!(
                !text.contains("424242") && !text.contains("hunter2"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_platforms_words_are_cut_and_cleaned() {
        let body = format!(r#"{{"error":"a\u001b[31m{}"}}"#, "x".repeat(9000));
        let headers = HeaderMap::new();
        let text = Answer::new(StatusCode::BAD_REQUEST, &headers, body.as_bytes())
            .refusal("register")
            .to_string();
        assert!(
            text.starts_with("register answered 400 (a[31mxxx"),
            "{text}"
        );
        assert!(text.len() < 450);
    }
}
