//! Which addresses all the world can reach, by the special-purpose registries of the IANA
//! (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `ip` belongs to nobody's own network.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    let special = match (first, second) {
        // This network; for benchmarks; reserved.
        (0 | 240..=255, _) | (198, 18 | 19) => true,
        // Shared by carriers.
        (100, _) => second & 0xc0 == 64,
        // For protocols; the way from IPv6 and back, which leads anywhere.
        (192, 0) => third == 0,
        (192, 88) => third == 99,
        _ => false,
    };
    let own = ip.is_loopback() || ip.is_private() || ip.is_link_local();
    !(special || own || ip.is_multicast() || ip.is_documentation())
}

/// Of IPv6 only what is given out for global use, without the parts that stand for something else:
/// Teredo, documentation, and 6to4, which holds an IPv4 address.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000 && first != 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_public_or_somebodys_own() {
        let public = |text: &str| is_public(text.parse().unwrap());
        for ip in ["1.1.1.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(public(ip), "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
        ] {
            assert!(!public(ip), "{ip}");
        }
    }
}
