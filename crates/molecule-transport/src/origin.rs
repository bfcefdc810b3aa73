//! Scheme, host and port: what decides who may see the token.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::Uri;

/// Scheme, host and port of an http or https address. Two addresses with the same origin are
/// the same server; everything else is a stranger.
///
/// ```
/// use molecule_transport::Origin;
///
/// let origin: Origin = "https://App.Example.com:443/api/".parse()?;
/// assert_eq!(origin.to_string(), "https://app.example.com");
/// # Ok::<(), molecule_transport::OriginError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

/// The address has no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an address like https://host or http://host:port")]
pub struct OriginError;

impl Origin {
    /// The origin of an absolute http or https address.
    ///
    /// # Errors
    ///
    /// [`OriginError`] if the scheme is another one, or if scheme or host is missing.
    pub fn of(uri: &Uri) -> Result<Self, OriginError> {
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(OriginError),
        };
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or(OriginError)?;
        let port = uri.port_u16().unwrap_or(default_port(secure));
        Ok(Self {
            secure,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// Whether the scheme is https.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host in lower case; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, written out or implied by the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is this machine by its name or address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.address() {
            Some(address) => is_loopback(address),
            None => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// Whether the host is this machine or on a private network, as far as its name or address
    /// tells: loopback, private, link-local, unique local and shared addresses, `localhost`,
    /// `host.docker.internal`, and names without a dot, which only a local resolver knows.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_loopback()
            || match self.address() {
                Some(address) => is_private(address),
                None => self.host == "host.docker.internal" || is_single_label(&self.host),
            }
    }

    fn address(&self) -> Option<IpAddr> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default_port(self.secure) {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(address: &str) -> Result<Self, OriginError> {
        Self::of(&address.parse().map_err(|_| OriginError)?)
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_unique_local() || is_link_local(v6),
    }
}

/// 100.64.0.0/10, behind a carrier's address translation.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 64
}

fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

/// A name that starts with a letter: `134744072` and `0x08080808` are ways to write 8.8.8.8.
fn is_single_label(host: &str) -> bool {
    host.starts_with(|first: char| first.is_ascii_alphabetic())
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        address.parse().unwrap()
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_only() {
        let check = |address: &str, expect: &str| assert_eq!(origin(address).to_string(), expect);
        check("http://127.0.0.1:18080/", "http://127.0.0.1:18080");
        check("http://127.0.0.1:18080/api?key=1", "http://127.0.0.1:18080");
        check("https://App.Example.COM:443/x", "https://app.example.com");
        check("https://example.com:80", "https://example.com:80");
        check("http://example.com:80", "http://example.com");
        check("http://[::1]:8080/x", "http://[::1]:8080");
        check("http://user:secret@example.com/", "http://example.com");
    }

    #[test]
    fn what_is_not_an_http_address_has_no_origin() {
        for address in [
            "",
            "/path",
            "example.com",
            "ftp://example.com",
            "remote://no-inbound",
            "http://x%2eevil",
        ] {
            assert_eq!(address.parse::<Origin>(), Err(OriginError), "{address}");
        }
    }

    #[test]
    fn scheme_host_and_port_each_tell_origins_apart() {
        let base = origin("https://example.com");
        assert_eq!(base, origin("https://EXAMPLE.com:443/other"));
        for other in [
            "http://example.com",
            "https://example.com:444",
            "https://example.com.evil",
        ] {
            assert_ne!(base, origin(other), "{other}");
        }
    }

    #[test]
    fn loopback_and_private_hosts_are_local() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "localhost",
            "a.localhost",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "0.0.0.0",
            "host.docker.internal",
            "platform",
            "platform-1",
        ] {
            assert!(
                origin(&format!("http://{host}:8080")).is_private(),
                "{host}"
            );
        }
    }

    #[test]
    fn public_hosts_are_not_local_however_they_are_written() {
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "[2001:4860::8888]",
            "[::ffff:8.8.8.8]",
            "example.com",
            "localhost.evil.com",
            "evil-localhost.com",
            "134744072",
            "0x08080808",
            "010.evil",
            "platform.internal",
        ] {
            assert!(
                !origin(&format!("http://{host}:8080")).is_private(),
                "{host}"
            );
        }
    }
}
