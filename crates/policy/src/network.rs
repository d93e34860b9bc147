//! Peers that speak for others: which networks they are in, whose address they name, and which of
//! their headers say who is asking.
//!
//! A forwarded address is what somebody wrote into a header. It is believed from the right, as far
//! as it was written by peers that the operator named, and no further.

use std::net::IpAddr;

/// A block of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    first: IpAddr,
    /// How many bits all its addresses share; at least one.
    prefix: u32,
}

/// The peers that are believed, and their words.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Where they are. None: nobody is believed.
    pub trusted: Vec<Network>,
    /// The headers in which they say who is asking.
    pub headers: IdentityHeaders,
}

/// The headers, in lower case, in which a trusted proxy says who is asking.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdentityHeaders {
    /// Of the person.
    pub user: Option<String>,
    /// Of the team.
    pub team: Option<String>,
    /// Of the project.
    pub project: Option<String>,
    /// Of the organisation.
    pub org: Option<String>,
    /// Of the tier that a request without a credential is in.
    pub tier: Option<String>,
}

impl IdentityHeaders {
    /// Every header that is named.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all = [&self.user, &self.team, &self.project, &self.org, &self.tier];
        all.into_iter().filter_map(Option::as_deref)
    }
}

impl Network {
    /// Reads `10.0.0.0/8` or an address. Nothing for what is neither, for bits behind the prefix,
    /// and for the network of everybody, which nobody can mean to trust.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let first: IpAddr = address.parse().ok()?;
        let width = if first.is_ipv4() { 32 } else { 128 };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            Some(text) => text.parse().ok().filter(|_| plain(text))?,
            None => width,
        };
        let network = Self { first, prefix };
        let is_whole = (1..=width).contains(&prefix) && network.rest(first) == 0;
        (is_whole && first.to_canonical() == first).then_some(network)
    }

    /// Whether `ip`, unmapped, is one of its addresses.
    pub fn holds(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.first.is_ipv4() && bits(ip) ^ self.rest(ip) == bits(self.first)
    }

    /// The bits of `ip` behind the prefix.
    fn rest(&self, ip: IpAddr) -> u128 {
        let width = if self.first.is_ipv4() { 32_u32 } else { 128 };
        let behind = width.saturating_sub(self.prefix);
        bits(ip) & !u128::MAX.checked_shl(behind).unwrap_or(0)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Proxies {
    /// Whether what `peer` says of others is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(peer))
    }

    /// Who is behind `peer`: the right-most address of the values of `X-Forwarded-For`, in their
    /// order, that is not trusted itself. What is no address ends the search at the proxy before
    /// it, so that nobody hides behind nonsense: all who do are counted together.
    pub fn client<'v>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'v str>,
    ) -> IpAddr {
        let mut known = peer.to_canonical();
        let mut entries = forwarded.rev().flat_map(|value| value.rsplit(','));
        while self.trusts(known) {
            match entries.next().and_then(address) {
                Some(before) => known = before,
                None => break,
            }
        }
        known
    }
}

/// An entry of `X-Forwarded-For`: an address, which some proxies write with its port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches([' ', '\t']);
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.unwrap_or(entry).parse().ok();
    let ip = ip.or_else(|| entry.parse::<std::net::SocketAddr>().ok().map(|with| with.ip()));
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(trusted: &[&str]) -> Proxies {
        let trusted = trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
        Proxies { trusted, headers: IdentityHeaders::default() }
    }

    #[test]
    fn a_network_is_read_as_it_is_written_and_never_means_everybody() {
        let holds =
            |network: &str, ip: &str| Network::parse(network).unwrap().holds(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "unmapped first");
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe00::1"));
        assert!(!holds("::/1", "10.0.0.1") && holds("128.0.0.0/1", "255.0.0.1"));
        assert!(holds("2001:db8::1", "2001:db8::1") && !holds("2001:db8::1", "2001:db8::2"));
        for wrong in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/+8",
            "0.0.0.0/0",
            "::/0",
            "fd00::1/64",
            "::/129",
            "10.0.0/8",
            "::ffff:10.0.0.0/104",
            "localhost",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_no_trusted_peer_has() {
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8"]);
        let table: [(&str, &[&str], &str); 15] = [
            // Whoever is not trusted is what it is, whatever it says.
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            // What the client itself has written stands further left.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.2", "10.0.0.3"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9,198.51.100.1 ,\t10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("fd00::1", &["198.51.100.1:80"], "198.51.100.1"),
            // Nonsense ends the search at whoever passed it on.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1,"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ];
        for (peer, forwarded, expected) in table {
            let client = proxies.client(peer.parse().unwrap(), forwarded.iter().copied());
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }
}
