//! Where a peer says that it listens.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Longer than any real address, and far from what a URI may measure.
const MAX_LEN: usize = 2048;

/// The letters of an id after `ws-` in the name of a container.
const CONTAINER_ID_LEN: usize = 12;

/// The address at which a peer takes messages: `http` or `https`, a host, and whatever path and query it chose.
///
/// It is foreign input: that it can be read says nothing about whether it may be called.
///
/// ```
/// use molecule_protocol::PeerUrl;
///
/// let url: PeerUrl = "https://Agent.example.com/a2a?team=7#x".parse()?;
/// assert_eq!(url.to_string(), "https://agent.example.com/a2a?team=7");
/// assert!("remote://no-inbound".parse::<PeerUrl>().is_err());
/// assert!("http://ws-08eea8db-eed:8000".parse::<PeerUrl>()?.is_container_only());
/// # Ok::<(), molecule_protocol::InvalidPeerUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PeerUrl(Url);

/// Why a text is not the address of a peer. It repeats nothing of the text, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPeerUrl {
    /// Nothing, a placeholder such as `remote://no-inbound`, or anything else that is no http address.
    #[error("the peer has no http(s) address; reach it through the platform")]
    NotHttp,
    /// It carries a user name or password, which would end up in logs.
    #[error(
        "the peer's address contains a user name or password, which is refused; reach it through the platform"
    )]
    Credentials,
    /// It is longer than 2048 characters, or has some that HTTP does not take.
    #[error("the peer's address is too long or has odd characters; reach it through the platform")]
    Unusable,
}

impl PeerUrl {
    /// The address as text, with path and query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether only containers on the platform's own machine know the host: the name of a workspace's container
    /// (`ws-` and the first 12 letters of an id) or of the machine as containers call it.
    #[must_use]
    pub fn is_container_only(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                is_container(name) || is_container_host(name)
            }
            _ => false,
        }
    }
}

fn is_container(name: &str) -> bool {
    let id = name.strip_prefix("ws-").unwrap_or_default();
    id.len() == CONTAINER_ID_LEN && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn is_container_host(name: &str) -> bool {
    matches!(
        name,
        "host.docker.internal" | "gateway.docker.internal" | "host.containers.internal"
    )
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Without the query, which may hold a secret of the peer.
impl fmt::Debug for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.origin().ascii_serialization();
        write!(f, "PeerUrl({origin}{})", self.0.path())
    }
}

impl FromStr for PeerUrl {
    type Err = InvalidPeerUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPeerUrl> {
        if text.len() > MAX_LEN {
            return Err(InvalidPeerUrl::Unusable);
        }
        let mut url = Url::parse(text).map_err(|_| InvalidPeerUrl::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidPeerUrl::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidPeerUrl::Credentials);
        }
        url.set_fragment(None);
        if url.as_str().len() > MAX_LEN || url.as_str().parse::<http::Uri>().is_err() {
            return Err(InvalidPeerUrl::Unusable);
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let read = text.parse::<PeerUrl>();
        let read = read.map_or_else(|error| format!("{error:?}"), |url| url.to_string());
        assert_eq!(read, expect, "{text:?}");
    }

    #[test]
    fn only_http_addresses_are_addresses_of_peers() {
        check("http://localhost:39219", "http://localhost:39219/");
        check("HTTP://A.example:80/x?y#z", "http://a.example/x?y");
        check("", "NotHttp");
        check("remote://no-inbound", "NotHttp");
        check("ftp://a.example", "NotHttp");
        check("http://", "NotHttp");
        check("a.example:80", "NotHttp");
        check("https://me:secret@a.example", "Credentials");
        check("https://me@a.example", "Credentials");
        check(&format!("http://a/{}", "x".repeat(3000)), "Unusable");
        check(&format!("http://a/{}", "ü".repeat(1000)), "Unusable");
    }

    #[test]
    fn every_spelling_of_an_ipv4_address_becomes_the_usual_one() {
        for text in [
            "http://2130706433",
            "http://0x7f.1",
            "http://0177.0.0.1",
            "http://127.1",
            "http://127.0.0.1.",
            "http://１２７.0.0.1",
        ] {
            check(text, "http://127.0.0.1/");
        }
    }

    #[test]
    fn containers_are_known_by_their_names() {
        let check = |text: &str, expect: bool| {
            let url: PeerUrl = text.parse().unwrap();
            assert_eq!(url.is_container_only(), expect, "{text}");
        };
        check("http://ws-08eea8db-eed:8000", true);
        check("http://WS-08EEA8DB-EED:8000/x", true);
        check("http://host.docker.internal:9000", true);
        check("http://host.docker.internal.:9000", true);
        check("http://ws-08eea8db-eed.example.com", false);
        check("http://ws-08eea8db:8000", false);
        check("http://ws-not-an-id-at:8000", false);
        check("https://agent.example.com", false);
        check("http://10.0.0.1", false);
    }

    #[test]
    fn a_query_is_not_shown_where_nobody_asked_for_it() {
        let url: PeerUrl = "https://a.example/x?key=hunter2".parse().unwrap();
        assert_eq!(format!("{url:?}"), "PeerUrl(https://a.example/x)");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_accepted_makes_a_request(text in "https?://.{1,40}") {
            if let Ok(url) = text.parse::<PeerUrl>() {
                proptest::prop_assert!(url.as_str().parse::<http::Uri>().is_ok());
                proptest::prop_assert_eq!(url.as_str().parse::<PeerUrl>(), Ok(url));
            }
        }
    }
}
