//! Which urls an agent may register, and which the proxy may post to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// Whether the platform would accept the url: http(s), and a host that is `localhost` by name or public by address.
/// A tenant of the hosted service may also be on a private network.
pub(crate) async fn is_acceptable(url: &str, tenant: bool) -> bool {
    let Some((host, port)) = host_and_port(url) else {
        return false;
    };
    host == "localhost" || is_public(&host, port, tenant).await
}

/// Whether the proxy of a production platform would post to the url: the same, without the exception for `localhost`.
pub(crate) async fn is_routable(url: &str, tenant: bool) -> bool {
    let Some((host, port)) = host_and_port(url) else {
        return false;
    };
    is_public(&host, port, tenant).await
}

async fn is_public(host: &str, port: u16, tenant: bool) -> bool {
    let addresses = resolve(host, port).await;
    !addresses.is_empty()
        && addresses
            .iter()
            .all(|address| !is_blocked(*address, tenant))
}

/// Host in its own spelling and port of an http(s) url.
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let default = match uri.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = uri.host().filter(|host| !host.is_empty())?;
    Some((host.to_owned(), uri.port_u16().unwrap_or(default)))
}

async fn resolve(host: &str, port: u16) -> Vec<IpAddr> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse() {
        return vec![address];
    }
    // No public resolver may know these reserved names, so they need not be asked for.
    if [".invalid", ".internal"]
        .iter()
        .any(|reserved| host.ends_with(reserved))
    {
        return Vec::new();
    }
    match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(_) => Vec::new(),
    }
}

fn is_blocked(address: IpAddr, tenant: bool) -> bool {
    match address {
        IpAddr::V4(v4) => is_blocked_v4(v4, tenant),
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or_else(|| is_blocked_v6(v6, tenant), |v4| is_blocked_v4(v4, tenant)),
    }
}

/// `0.0.0.0` is not on the list, because it is not on the platform's either.
fn is_blocked_v4(address: Ipv4Addr, tenant: bool) -> bool {
    let [a, b, ..] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || is_shared
        || (address.is_private() && !tenant)
}

fn is_blocked_v6(address: Ipv6Addr, tenant: bool) -> bool {
    let is_tenant_range = tenant && address.octets()[0] == 0xfd;
    address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || (address.is_unique_local() && !is_tenant_range)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(url: &str, expect: bool) {
        assert_eq!(is_acceptable(url, false).await, expect, "{url}");
    }

    #[tokio::test]
    async fn localhost_by_name_and_public_addresses_are_accepted() {
        check("http://localhost:9101", true).await;
        check("http://localhost:9/a2a?x=1#frag", true).await;
        check("http://8.8.8.8:80", true).await;
        check("https://[2606:4700::1111]/a2a", true).await;
        check("http://0.0.0.0:9101", true).await;
    }

    #[tokio::test]
    async fn everything_that_is_not_publicly_routable_is_refused() {
        for url in [
            "remote://no-inbound",
            "http://127.0.0.1:9101",
            "http://[::1]:9101",
            "http://[::ffff:127.0.0.1]:9101",
            "http://10.0.0.5:80",
            "http://172.18.0.2:80",
            "http://192.168.1.10",
            "http://169.254.169.254/",
            "http://100.64.1.1",
            "http://192.0.2.7",
            "http://224.0.0.1",
            "http://[fd00::1]",
            "https://no-such-host.invalid/a2a",
            "ftp://localhost/x",
            "localhost:9101",
            "/relative",
            "http:///nohost",
            "",
        ] {
            check(url, false).await;
        }
    }

    #[tokio::test]
    async fn other_spellings_of_localhost_are_refused() {
        check("http://LOCALHOST:9101", false).await;
        check("http://localhost.:9101", false).await;
    }

    #[tokio::test]
    async fn a_tenant_may_be_on_a_private_network_but_not_on_loopback() {
        assert!(is_acceptable("http://10.1.2.3:8000", true).await);
        assert!(is_acceptable("http://[fd00::1]:8000", true).await);
        assert!(!is_acceptable("http://127.0.0.1:8000", true).await);
        assert!(!is_acceptable("http://169.254.169.254", true).await);
    }

    #[tokio::test]
    async fn the_proxy_makes_no_exception_for_localhost() {
        assert!(!is_routable("http://localhost:9101", false).await);
        assert!(is_routable("http://8.8.8.8", false).await);
    }
}
