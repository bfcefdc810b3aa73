//! Which addresses strangers may send us to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, as far as its number tells.
///
/// ```
/// use molecule_transport::AddressKind;
///
/// let kind = |text: &str| AddressKind::of(text.parse().unwrap());
/// assert!(kind("8.8.8.8").is_public());
/// assert_eq!(kind("::ffff:10.0.0.1"), AddressKind::Private);
/// assert_eq!(kind("169.254.169.254"), AddressKind::Metadata);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// An address of the public internet.
    Public,
    /// This machine.
    Loopback,
    /// A private or shared network: RFC 1918, unique local, 100.64.0.0/10.
    Private,
    /// The same link.
    LinkLocal,
    /// Where a cloud hands out credentials to its machines.
    Metadata,
    /// No address: 0.0.0.0/8 and ::, which many systems take for themselves.
    Unspecified,
    /// Many machines at once.
    Multicast,
    /// Reserved: for documentation, benchmarks, relays of old transition mechanisms, or the future.
    Reserved,
}

impl AddressKind {
    /// The kind of `address`. One that carries an IPv4 address within (mapped, NAT64, 6to4) is of that one's kind.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }

    /// Whether it is on the public internet.
    #[must_use]
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Public)
    }

    /// Whether it is this machine or a network around it, which somebody may allow knowingly. The others are never
    /// the address of an agent.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Loopback | Self::Private | Self::LinkLocal)
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "a cloud's metadata service",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

/// The special-purpose registry of IANA, and the metadata services that are not on it.
fn of_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [169, 254, 169 | 170, _] | [169, 254, 0, 23] | [169, 254, 42, 42] => AddressKind::Metadata,
        [100, 100, 100, 200] | [168, 63, 129, 16] => AddressKind::Metadata,
        [0, ..] => AddressKind::Unspecified,
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            AddressKind::Private
        }
        [169, 254, ..] => AddressKind::LinkLocal,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => AddressKind::Reserved,
        [198, 51, 100, _] | [203, 0, 113, _] => AddressKind::Reserved,
        [224..=239, ..] => AddressKind::Multicast,
        [240..=255, ..] => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressKind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0 | 1, 0, 0, 0, high, low] => {
            of_v4(embedded(high, low))
        }
        [0x64, 0xff9b, 1, ..] => of_local_nat64(address),
        [0x2002, high, low, ..] => of_v4(embedded(high, low)),
        [0xfd00, 0x0ec2 | 0x00c1 | 0x0042, ..] | [0xfd20, 0x00ce, ..] => AddressKind::Metadata,
        [0xfe80, .., 0xa9fe, 0xa9fe] => AddressKind::Metadata,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        // Teredo, benchmarks, documentation and other assignments that are no addresses of servers.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressKind::Reserved,
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

/// NAT64 with a prefix of the local network's own choosing (RFC 8215). Only that network knows the prefix's length, and
/// with it where the IPv4 address stands: a metadata service at any of the places of RFC 6052 is taken for one.
fn of_local_nat64(address: Ipv6Addr) -> AddressKind {
    let [.., a, b, _, c, d, e, w, x, y, z] = address.octets();
    let places = [[a, b, c, d], [b, c, d, e], [c, d, e, w], [w, x, y, z]];
    let is_metadata = |place| of_v4(Ipv4Addr::from(place)) == AddressKind::Metadata;
    if places.into_iter().any(is_metadata) {
        AddressKind::Metadata
    } else {
        AddressKind::Private
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(kind: AddressKind, addresses: &[&str]) {
        for text in addresses {
            assert_eq!(AddressKind::of(text.parse().unwrap()), kind, "{text}");
        }
    }

    #[test]
    fn public_addresses_are_public_to_the_edge() {
        let edges = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
        ];
        check(AddressKind::Public, &edges);
        check(
            AddressKind::Public,
            &[
                "2001:4860:4860::8888",
                "2001:200::1",
                "2606:4700::1111",
                "3fff:1000::1",
                "::ffff:8.8.8.8",
                "64:ff9b::8.8.8.8",
                "64:ff9b:1::8.8.8.8",
                "2002:808:808::1",
            ],
        );
    }

    #[test]
    fn local_addresses_are_known_in_every_disguise() {
        check(
            AddressKind::Loopback,
            &[
                "127.0.0.1",
                "127.255.255.255",
                "::1",
                "::ffff:127.0.0.1",
                "64:ff9b::7f00:1",
                "64:ff9b:1::7f00:1",
                "2002:7f00:1::",
            ],
        );
        check(
            AddressKind::Private,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.0.1",
                "100.64.0.1",
                "100.127.255.255",
                "fc00::1",
                "fdff::1",
                "fec0::1",
                "::ffff:192.168.1.1",
                "64:ff9b::a00:1",
                "64:ff9b:1::a00:1",
                "64:ff9b:1:fffe::8.8.8.8",
                "2002:a00:1::1",
                "2002:c0a8:101:1:2:3:4:5",
            ],
        );
        check(
            AddressKind::LinkLocal,
            &[
                "169.254.0.1",
                "169.254.255.255",
                "fe80::1",
                "febf::1",
                "::ffff:169.254.1.1",
            ],
        );
    }

    #[test]
    fn what_hands_out_credentials_is_no_peer() {
        check(
            AddressKind::Metadata,
            &[
                "169.254.169.254",
                "169.254.170.2",
                "100.100.100.200",
                "168.63.129.16",
                "fd00:ec2::254",
                "fd20:ce::254",
                "fd00:c1::a9fe:a9fe",
                "fd00:42::42",
                "fe80::a9fe:a9fe",
                "169.254.0.23",
                "169.254.42.42",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "64:ff9b:1::a9fe:a9fe",
                "64:ff9b:1:fffe::a9fe:a9fe",
                "64:ff9b:1:a9fe:a9:fe00::",
                "64:ff9b:1:a9:fe:a9fe::",
                "64:ff9b:1:7:a9:fea9:fe00:0",
                "2002:a9fe:a9fe::",
            ],
        );
    }

    #[test]
    fn everything_else_is_nobodys() {
        check(
            AddressKind::Unspecified,
            &["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
        );
        check(
            AddressKind::Multicast,
            &[
                "224.0.0.1",
                "239.255.255.255",
                "ff02::1",
                "::ffff:224.0.0.1",
            ],
        );
        check(
            AddressKind::Reserved,
            &[
                "192.0.0.192",
                "192.0.2.1",
                "198.51.100.1",
                "203.0.113.1",
                "198.18.0.1",
                "198.19.255.255",
                "192.88.99.1",
                "240.0.0.1",
                "255.255.255.255",
                "::127.0.0.1",
                "::ffff:0:127.0.0.1",
                "100::1",
                "2001::1",
                "2001:db8::1",
                "3fff::1",
                "4000::1",
                "5f00::1",
            ],
        );
    }

    proptest! {
        #[test]
        fn an_embedded_address_is_of_the_same_kind(bytes in any::<u32>()) {
            let v4 = Ipv4Addr::from(bytes);
            let [high, low] = [(bytes >> 16) as u16, bytes as u16];
            let kind = AddressKind::of(v4.into());
            for v6 in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(AddressKind::of(v6.into()), kind, "{}", v6);
            }
        }

        /// The standard library knows some of the kinds; where it does, it agrees.
        #[test]
        fn nothing_that_std_calls_local_is_public(bytes in any::<u32>()) {
            let v4 = Ipv4Addr::from(bytes);
            let is_special = v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(is_special && AddressKind::of(v4.into()).is_public()), "{}", v4);
        }
    }
}
