//! Who may call.

use std::fmt;

use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq as _;

use super::reply::plain_error;

/// What callers have to show.
pub(super) struct InboundToken(String);

impl InboundToken {
    pub(super) const fn new(token: String) -> Self {
        Self(token)
    }

    /// Takes the same time for every token of the right length.
    fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for InboundToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InboundToken")
    }
}

/// Lets a caller pass that shows the token, if there is one.
pub(super) fn authorized(
    token: Option<&InboundToken>,
    headers: &HeaderMap,
) -> Result<(), Box<Response>> {
    let Some(token) = token else { return Ok(()) };
    if shown(headers).is_some_and(|shown| token.is(shown)) {
        return Ok(());
    }
    let body = plain_error("the agent takes calls with its inbound token alone");
    let challenge = [(WWW_AUTHENTICATE, "Bearer")];
    Err(Box::new(
        (StatusCode::UNAUTHORIZED, challenge, body).into_response(),
    ))
}

fn shown(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a web page made a browser send this. A browser says so with every POST, even when the page's host name was made to lead
/// here, so that it takes this for its own server.
pub(super) fn is_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
}
