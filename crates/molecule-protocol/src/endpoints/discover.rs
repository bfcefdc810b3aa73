//! `GET /registry/discover/:target`: where a peer is.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::a2a_refusal::status;
use crate::endpoint::{Answer, Call, Endpoint};
use crate::lenient::lenient;
use crate::{ApiError, InvalidPeerUrl, PeerUrl, WorkspaceId, WorkspaceStatus};

/// `GET /registry/discover/:target`.
///
/// A target that the platform does not know is refused like one that the hierarchy forbids: [`ApiError::Forbidden`].
#[derive(Debug, Clone)]
pub struct DiscoverPeer {
    caller: WorkspaceId,
    target: WorkspaceId,
}

/// What the platform knows about where a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discovery {
    /// It has an address, which may be one that only containers know.
    Found(DiscoveredPeer),
    /// It has none now.
    Unavailable {
        /// Its status.
        status: Option<WorkspaceStatus>,
    },
    /// It has one that the platform does not hand out.
    UnsafeUrl,
}

/// A peer and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiscoveredPeer {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// Its address as the platform gives it; see [`peer_url`](Self::peer_url).
    #[serde(default, deserialize_with = "lenient")]
    pub url: String,
}

impl DiscoveredPeer {
    /// The address at which it takes messages.
    ///
    /// # Errors
    /// When it is a placeholder, or no http(s) address.
    pub fn peer_url(&self) -> Result<PeerUrl, InvalidPeerUrl> {
        self.url.parse()
    }
}

impl Discovery {
    /// The address to call, if there is one.
    #[must_use]
    pub fn peer_url(&self) -> Option<PeerUrl> {
        match self {
            Self::Found(peer) => peer.peer_url().ok(),
            _ => None,
        }
    }

    /// What 503 says about the target, unless it says it about the platform.
    fn of_unavailable(answer: &Answer<'_>) -> Option<Self> {
        let body = answer.object()?;
        match body.get("error")?.as_str()? {
            "workspace not available" => Some(Self::Unavailable {
                status: status(&body),
            }),
            "workspace URL failed safety check" => Some(Self::UnsafeUrl),
            _ => None,
        }
    }
}

impl DiscoverPeer {
    /// Where `target` is, asked by `caller`.
    #[must_use]
    pub const fn new(caller: WorkspaceId, target: WorkspaceId) -> Self {
        Self { caller, target }
    }
}

impl Endpoint for DiscoverPeer {
    type Output = Discovery;
    const NAME: &'static str = "discover";

    fn call(&self) -> Call {
        Call::get(format!("/registry/discover/{}", self.target)).on_behalf_of(&self.caller)
    }

    fn read(&self, answer: &Answer<'_>) -> Result<Discovery, ApiError> {
        let unavailable = (answer.status() == StatusCode::SERVICE_UNAVAILABLE)
            .then(|| Discovery::of_unavailable(answer))
            .flatten();
        match unavailable {
            Some(discovery) => Ok(discovery),
            None => answer.json(Self::NAME).map(Discovery::Found),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const ID: &str = "1eb82460-07e2-423a-bd6f-9ca0b2c552f7";

    fn read(status: u16, body: &str) -> Result<Discovery, ApiError> {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        let id = ID.parse().unwrap();
        DiscoverPeer::new(id, id).read(&Answer::new(status, &headers, body.as_bytes()))
    }

    #[test]
    fn a_peer_without_an_address_is_no_error() {
        let status = Some(WorkspaceStatus::Paused);
        assert_eq!(
            read(
                503,
                r#"{"error":"workspace not available","status":"paused"}"#
            )
            .unwrap(),
            Discovery::Unavailable { status }
        );
        assert_eq!(
            read(503, r#"{"error":"workspace URL failed safety check"}"#).unwrap(),
            Discovery::UnsafeUrl
        );
    }

    #[test]
    fn a_platform_that_cannot_answer_says_nothing_about_the_peer() {
        for body in [
            "",
            "<html>",
            r#"{"error":"platform datastore unavailable","code":"platform_unavailable"}"#,
        ] {
            assert!(
                matches!(read(503, body), Err(ApiError::Unavailable(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn only_http_addresses_are_called() {
        let url = |url: &str| {
            let body = format!(r#"{{"id":"{ID}","name":null,"url":"{url}"}}"#);
            read(200, &body).unwrap().peer_url()
        };
        assert_eq!(
            url("http://a.example/x").unwrap().to_string(),
            "http://a.example/x"
        );
        assert_eq!(url("remote://no-inbound"), None);
        assert_eq!(url(""), None);
    }

    #[test]
    fn the_caller_says_who_it_is() {
        let call = DiscoverPeer::new(ID.parse().unwrap(), ID.parse().unwrap()).call();
        assert_eq!(call.headers["x-workspace-id"], ID);
    }
}
