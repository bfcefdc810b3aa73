//! An address to listen on.

use std::net::{Ipv4Addr, SocketAddr};

/// An address to listen on. A port alone is one of this machine's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListenAddress(pub(crate) SocketAddr);

impl std::str::FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text.strip_prefix(':').unwrap_or(text);
        let on_loopback = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let address = port.parse().map(on_loopback).or_else(|_| text.parse());
        address
            .map(Self)
            .map_err(|_| "give an address and a port, such as 127.0.0.1:8000, or a port alone")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let address: Option<ListenAddress> = text.parse().ok();
        let expect = expect.map(|text| ListenAddress(text.parse().unwrap()));
        assert_eq!(address, expect, "{text}");
    }

    #[test]
    fn an_address_without_a_host_is_of_the_loopback() {
        check("9464", Some("127.0.0.1:9464"));
        check(":0", Some("127.0.0.1:0"));
        check("0.0.0.0:1", Some("0.0.0.0:1"));
        check("[::1]:1", Some("[::1]:1"));
        check("localhost", None);
        check("65536", None);
    }
}
