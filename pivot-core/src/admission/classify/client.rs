//! Who sent a request, where proxies stand between.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{forwarded, text};
use crate::http::h1::decode::HeaderSpan;
use crate::http::trim;

/// Where a client's address is taken from. The default is the peer of the connection.
///
/// Each proxy on the way appends the address that *it* saw to a header field. The right end of the list is therefore
/// written by our own proxies, and everything left of it by whoever sent the request: it can be forged at any length.
/// With `hops` proxies of our own, the address `hops` places from the right end is the last that one of ours vouches for,
/// and the only one that is looked at. What stands left of it is never read, so it cannot change the answer.
///
/// - Field lines with the same name make one list in their order (RFC 9110, section 5.3), and an empty member counts as
///   a member: to skip it would let what stands left of it move into the trusted part.
/// - If the list has fewer members, or the member is no address (malformed, `unknown`, an obfuscated name), the answer is
///   the peer. That is a proxy of ours or somebody who went around them; neither is better known.
/// - One field is read, never both: a proxy maintains one and lets the other through as the client sent it.
/// - An IPv4-mapped IPv6 address is given as the IPv4 address that it is.
///
/// Set `hops` to the number of proxies that *always* stand between, no more: with one too many, the client
/// writes its own address. Whoever can reach the server around the proxies can do so too; keep that way closed.
///
/// It looks at the names of the header fields from the last one up, and at `hops` members of the list from its right end:
/// some 900 instructions on x86-64 for one hop of IPv4 in a head of eleven fields, 1,400 with `Forwarded`, and 3 a byte for
/// each further member. Without a trusted proxy it costs nothing.
///
/// ```
/// use core::net::IpAddr;
/// use pivot_core::admission::classify::ClientIdentity;
/// use pivot_core::http::h1::decode::{HeadLimits, HeaderSpan, decode_head};
///
/// let head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1, 203.0.113.7\r\n\r\n";
/// let limits = HeadLimits { head_size_max: 4096, target_size_max: 1024, headers_max: 16 };
/// let mut table = [HeaderSpan::default(); 16];
/// let count = decode_head(head, &limits, &mut table).unwrap().unwrap().header_count;
/// let peer = IpAddr::from([10, 0, 0, 2]);
/// let headers = &table[..usize::from(count)];
///
/// let client = |identity: ClientIdentity| identity.address(headers, head, peer);
/// assert_eq!(client(ClientIdentity::Peer), peer);
/// assert_eq!(client(ClientIdentity::x_forwarded_for(1)), IpAddr::from([203, 0, 113, 7]));
/// assert_eq!(client(ClientIdentity::x_forwarded_for(3)), peer);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientIdentity {
    /// The peer of the connection; no header field is read.
    #[default]
    Peer,
    /// `X-Forwarded-For`, appended to by this many proxies of our own; with none it is as `Peer`. A member is an
    /// address, IPv6 also in brackets, IPv4 and bracketed IPv6 also with a port.
    XForwardedFor {
        /// How many proxies of our own. 0–255.
        hops: u8,
    },
    /// `Forwarded` (RFC 7239), appended to by this many proxies of our own; with none it is as `Peer`. The parameter
    /// `for` of a member is read.
    Forwarded {
        /// How many proxies of our own. 0–255.
        hops: u8,
    },
}

impl ClientIdentity {
    /// Behind this many proxies that append to `X-Forwarded-For`.
    pub const fn x_forwarded_for(hops: u8) -> Self {
        Self::XForwardedFor { hops }
    }

    /// Behind this many proxies that append to `Forwarded`.
    pub const fn forwarded(hops: u8) -> Self {
        Self::Forwarded { hops }
    }

    /// How many proxies of our own there are.
    pub const fn hops(self) -> u8 {
        match self {
            Self::Peer => 0,
            Self::XForwardedFor { hops } | Self::Forwarded { hops } => hops,
        }
    }

    /// The client's address, from a table of header fields, the bytes that it refers to, and the connection's peer.
    pub fn address(self, headers: &[HeaderSpan], head: &[u8], peer: IpAddr) -> IpAddr {
        let Some(name) = self.field_name() else { return peer.to_canonical() };
        let lines =
            headers.iter().rev().filter(|span| text::is_same_name(span.name.of(head), name.as_bytes()));
        self.address_in(lines.map(|span| span.value.of(head)), peer)
    }

    /// The header field that is read, in lower case; `None` if none is.
    pub const fn field_name(self) -> Option<&'static str> {
        match self {
            Self::Peer | Self::XForwardedFor { hops: 0 } | Self::Forwarded { hops: 0 } => None,
            Self::XForwardedFor { .. } => Some("x-forwarded-for"),
            Self::Forwarded { .. } => Some("forwarded"),
        }
    }

    /// The client's address, from the values of [`ClientIdentity::field_name`], *the last line first*, and the
    /// connection's peer: for heads that somebody else has decoded.
    ///
    /// ```
    /// use core::net::IpAddr;
    /// use pivot_core::admission::classify::ClientIdentity;
    /// let lines: [&[u8]; 2] = [b"198.51.100.1, 203.0.113.7", b"10.0.0.3"];
    /// let client = ClientIdentity::x_forwarded_for(2).address_in(lines.into_iter().rev(), [10, 0, 0, 2].into());
    /// assert_eq!(client, IpAddr::from([203, 0, 113, 7]));
    /// ```
    pub fn address_in<'v>(self, lines: impl Iterator<Item = &'v [u8]>, peer: IpAddr) -> IpAddr {
        let client = match self {
            Self::Peer | Self::XForwardedFor { hops: 0 } | Self::Forwarded { hops: 0 } => None,
            Self::XForwardedFor { hops } => member(lines, hops, split_last).and_then(parse_loose),
            Self::Forwarded { hops } => {
                member(lines, hops, forwarded::split_last).and_then(forwarded::client)
            }
        };
        client.unwrap_or(peer).to_canonical()
    }
}

/// Takes the last member off a list: the rest, if there is more, and the member. `None` if the list cannot be read.
type SplitLast = fn(&[u8]) -> Option<(Option<&[u8]>, &[u8])>;

/// The member that stands `hops` places from the end of the list which all fields with this name make.
fn member<'r>(lines: impl Iterator<Item = &'r [u8]>, hops: u8, split_last: SplitLast) -> Option<&'r [u8]> {
    let mut left = hops;
    for line in lines {
        let mut list = Some(line);
        while let Some(members) = list {
            let (rest, member) = split_last(members)?;
            left = left.saturating_sub(1);
            if left == 0 {
                return Some(trim(member));
            }
            list = rest;
        }
    }
    None
}

fn split_last(list: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    Some(match list.iter().rposition(|&byte| byte == b',') {
        Some(comma) => (Some(&list[..comma]), &list[comma + 1..]),
        None => (None, list),
    })
}

/// An address as proxies write it into `X-Forwarded-For`, which no standard describes.
fn parse_loose(member: &[u8]) -> Option<IpAddr> {
    let colon_count = member.iter().filter(|&&byte| byte == b':').count();
    match member {
        [b'[', ..] => parse_node(member),
        _ if colon_count < 2 => parse_node(member),
        _ => parse_v6(member),
    }
}

/// An address with or without a port; IPv6 in brackets (RFC 7239, section 6).
pub(super) fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let (address, port) = match node {
        [b'[', inner @ ..] => {
            let (address, behind) = inner.split_at(text::position(inner, b']'));
            (parse_v6(address)?, behind.strip_prefix(b"]")?)
        }
        _ => {
            let (address, port) = node.split_at(text::position(node, b':'));
            (IpAddr::V4(parse::<Ipv4Addr>(address)?), port)
        }
    };
    match port {
        [] => Some(address),
        [b':', port @ ..] if is_port(port) => Some(address),
        _ => None,
    }
}

fn parse_v6(text: &[u8]) -> Option<IpAddr> {
    parse::<Ipv6Addr>(text).map(IpAddr::V6)
}

fn parse<A: core::str::FromStr>(text: &[u8]) -> Option<A> {
    // A longer text is no address, and need not be read to know that.
    if text.len() > TEXT_LEN_MAX {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// A number, or an obfuscated port.
fn is_port(port: &[u8]) -> bool {
    match port {
        [b'_', name @ ..] => {
            !name.is_empty()
                && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        }
        _ => (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit),
    }
}

/// The longest text of an address: six groups of IPv6 and an IPv4 address.
const TEXT_LEN_MAX: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::h1::decode::Span;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9));

    /// Lays fields out as the decoder does.
    fn table(fields: &[(&str, &[u8])]) -> (Vec<HeaderSpan>, Vec<u8>) {
        let (mut spans, mut bytes) = (Vec::new(), Vec::new());
        let mut put = |text: &[u8]| {
            let span = Span { start: bytes.len() as u16, len: text.len() as u16 };
            bytes.extend_from_slice(text);
            span
        };
        for (name, value) in fields {
            spans.push(HeaderSpan { name: put(name.as_bytes()), value: put(trim(value)) });
        }
        (spans, bytes)
    }

    fn client(identity: ClientIdentity, fields: &[(&str, &[u8])]) -> IpAddr {
        let (spans, bytes) = table(fields);
        identity.address(&spans, &bytes, PEER)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn without_trusted_hops_no_field_counts() {
        let fields: &[(&str, &[u8])] = &[("X-Forwarded-For", b"1.1.1.1"), ("Forwarded", b"for=1.1.1.1")];
        for identity in
            [ClientIdentity::Peer, ClientIdentity::x_forwarded_for(0), ClientIdentity::forwarded(0)]
        {
            assert_eq!(client(identity, fields), PEER);
        }
        assert_eq!(ClientIdentity::default(), ClientIdentity::Peer);
    }

    #[test]
    fn the_address_is_counted_from_the_right_over_all_field_lines() {
        let fields: &[(&str, &[u8])] = &[
            ("x-forwarded-for", b"6.6.6.6 , 5.5.5.5"),
            ("Host", b"a"),
            ("X-FORWARDED-FOR", b"4.4.4.4"),
            ("X-Forwarded-For", b"3.3.3.3,2.2.2.2,\t1.1.1.1"),
        ];
        for (hops, address) in
            [(1, "1.1.1.1"), (2, "2.2.2.2"), (3, "3.3.3.3"), (4, "4.4.4.4"), (5, "5.5.5.5"), (6, "6.6.6.6")]
        {
            assert_eq!(client(ClientIdentity::x_forwarded_for(hops), fields), ip(address));
        }
        for hops in [7, 8, 255] {
            assert_eq!(client(ClientIdentity::x_forwarded_for(hops), fields), PEER, "too short a list");
        }
    }

    #[test]
    fn only_the_chosen_field_is_read() {
        let fields: &[(&str, &[u8])] = &[("X-Forwarded-For", b"1.1.1.1"), ("Forwarded", b"for=2.2.2.2")];
        assert_eq!(client(ClientIdentity::x_forwarded_for(1), fields), ip("1.1.1.1"));
        assert_eq!(client(ClientIdentity::forwarded(1), fields), ip("2.2.2.2"));
        assert_eq!(client(ClientIdentity::x_forwarded_for(1), &fields[1..]), PEER);
        assert_eq!(client(ClientIdentity::forwarded(1), &fields[..1]), PEER);
    }

    #[test]
    fn addresses_come_in_the_ways_that_proxies_write_them() {
        for (text, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:8080", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("2001:db8:aaaa:bbbb:cccc:dddd:192.168.100.200", Some("2001:db8:aaaa:bbbb:cccc:dddd:c0a8:64c8")),
            ("", None),
            ("unknown", None),
            ("_hidden", None),
            ("192.0.2", None),
            ("192.0.2.01", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:123456", None),
            ("192.0.2.1 x", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]443", None),
            ("fe80::1%eth0", None),
            ("\"192.0.2.1\"", None),
        ] {
            let found = client(ClientIdentity::x_forwarded_for(1), &[("x-forwarded-for", text.as_bytes())]);
            assert_eq!(found, address.map_or(PEER, ip), "{text}");
        }
    }

    #[test]
    fn an_empty_member_counts_as_one_so_that_nothing_forged_moves_in() {
        let hop =
            |value: &[u8], hops| client(ClientIdentity::x_forwarded_for(hops), &[("x-forwarded-for", value)]);
        assert_eq!(hop(b"6.6.6.6, , 1.1.1.1", 1), ip("1.1.1.1"));
        assert_eq!(hop(b"6.6.6.6, , 1.1.1.1", 2), PEER);
        assert_eq!(hop(b"6.6.6.6,", 1), PEER);
        let fields: &[(&str, &[u8])] = &[("x-forwarded-for", b"6.6.6.6"), ("x-forwarded-for", b"")];
        assert_eq!(client(ClientIdentity::x_forwarded_for(1), fields), PEER);
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<Ipv4Addr>().prop_map(IpAddr::V4), any::<Ipv6Addr>().prop_map(IpAddr::V6)]
    }

    /// Anything that the decoder lets into a value, with what matters here more often.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            3 => prop::sample::select(&b",;=\"\\ []:.1f"[..]),
            1 => any::<u8>().prop_filter("no control characters", |&byte| crate::http::is_field_value_byte(byte)),
        ];
        prop::collection::vec(byte, 0..80)
    }

    /// How a trusted proxy writes an address into each field.
    fn written(field: usize, address: IpAddr, with_extras: bool) -> String {
        match (field, address, with_extras) {
            (0, address, _) => address.to_string(),
            (_, IpAddr::V4(v4), false) => std::format!("for={v4}"),
            (_, IpAddr::V4(v4), true) => std::format!("proto=https;by=\"a,\\\"b\\\\\";For=\"{v4}:80\""),
            (_, IpAddr::V6(v6), false) => std::format!("for=\"[{v6}]\""),
            (_, IpAddr::V6(v6), true) => std::format!("FOR=\"[{v6}]:_p\" ; host=\"x;for=1.1.1.1, y\""),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_left_of_the_trusted_part_changes_the_answer(
            field in 0..2_usize,
            trusted in prop::collection::vec((address(), any::<bool>(), any::<bool>()), 1..5),
            forged in prop::collection::vec(value(), 0..4),
            joins_forged: bool,
        ) {
            let name = ["X-Forwarded-For", "Forwarded"][field];
            let hops = trusted.len() as u8;
            let identity = [ClientIdentity::x_forwarded_for(hops), ClientIdentity::forwarded(hops)][field];
            // Each trusted proxy adds to the last line, or a line of its own.
            let mut lines = forged.clone();
            for (index, (address, with_extras, joins)) in trusted.iter().enumerate() {
                let text = written(field, *address, *with_extras);
                let joins = if index == 0 { joins_forged } else { *joins };
                match lines.last_mut() {
                    Some(line) if joins => line.extend_from_slice(std::format!(", {text}").as_bytes()),
                    _ => lines.push(text.into_bytes()),
                }
            }
            let fields: Vec<(&str, &[u8])> = lines.iter().map(|line| (name, &line[..])).collect();
            prop_assert_eq!(client(identity, &fields), trusted[0].0.to_canonical());
        }

        #[test]
        fn arbitrary_bytes_give_an_address_and_no_panic(
            values in prop::collection::vec(prop_oneof![value(), prop::collection::vec(any::<u8>(), 0..40)], 0..5),
            hops: u8,
        ) {
            for name in ["x-forwarded-for", "forwarded"] {
                let fields: Vec<(&str, &[u8])> = values.iter().map(|value| (name, &value[..])).collect();
                for identity in [ClientIdentity::x_forwarded_for(hops), ClientIdentity::forwarded(hops)] {
                    let found = client(identity, &fields);
                    prop_assert!(hops > 0 || found == PEER);
                }
            }
        }

        #[test]
        fn spans_that_lie_outside_of_the_head_harm_nobody(
            spans in prop::collection::vec(any::<[u16; 4]>(), 0..8), head in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let span = |[start, len, at, size]: [u16; 4]| HeaderSpan {
                name: Span { start: start % 64, len: len % 64 },
                value: Span { start: at, len: size },
            };
            let spans: Vec<_> = spans.into_iter().map(span).collect();
            prop_assert_eq!(ClientIdentity::forwarded(1).address(&spans, &head, PEER), PEER);
        }

        #[test]
        fn a_list_of_addresses_is_indexed_from_its_end(list in prop::collection::vec(address(), 0..8), hops in 1_u8..10) {
            let text = list.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(",");
            let found = client(ClientIdentity::x_forwarded_for(hops), &[("x-forwarded-for", text.as_bytes())]);
            let expected = list.iter().rev().nth(usize::from(hops) - 1).copied().unwrap_or(PEER);
            prop_assert_eq!(found, expected.to_canonical());
        }
    }
}
