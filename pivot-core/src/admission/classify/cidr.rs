//! Ranges of addresses: a network and the length of its prefix (RFC 4632, RFC 4291).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin with the same bits.
///
/// An IPv4 address counts as its IPv4-mapped IPv6 address (`::ffff:0:0/96`), however it comes in. So all ranges lie in
/// one space, where two are either disjoint or one inside the other; and `::/0` is everybody, IPv4 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: u128,
    mask: u128,
    /// As it was written: what an error shows.
    written: IpAddr,
    len: u8,
}

impl Cidr {
    /// `127.0.0.0/8`
    pub const LOOPBACK_V4: Self = Self::v4([127, 0, 0, 0], 8);
    /// `::1/128`
    pub const LOOPBACK_V6: Self = Self::v6([0, 0, 0, 0, 0, 0, 0, 1], 128);

    /// An IPv4 network: `Cidr::v4([10, 0, 0, 0], 8)` is `10.0.0.0/8`. The length is 0–32.
    ///
    /// Whether the length is in range and the bits after it are zero is checked by
    /// [`Classifier::new`](super::Classifier::new), which can name the rule.
    pub const fn v4([a, b, c, d]: [u8; 4], len: u8) -> Self {
        Self::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), len)
    }

    /// An IPv6 network: `Cidr::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32)` is `2001:db8::/32`. The length is 0–128, and
    /// checked as that of [`Cidr::v4`].
    pub const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], len: u8) -> Self {
        Self::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), len)
    }

    /// The network of this address whose prefix has `len` bits; checked as in [`Cidr::v4`].
    pub const fn new(address: IpAddr, len: u8) -> Self {
        let unmapped_len = match address {
            IpAddr::V4(_) => 96,
            IpAddr::V6(_) => 0,
        };
        let host_len = 128_u32.saturating_sub(unmapped_len + len as u32);
        let mask = if host_len == 128 { 0 } else { u128::MAX << host_len };
        Self { network: bits_of(address), mask, written: address, len }
    }

    /// Whether the address is in the network.
    pub const fn contains(&self, address: IpAddr) -> bool {
        self.contains_bits(bits_of(address))
    }

    /// As [`Cidr::contains`], for an address in the form of [`bits_of`].
    pub(super) const fn contains_bits(&self, bits: u128) -> bool {
        (bits ^ self.network) & self.mask == 0
    }

    /// How many bits of an IPv6 address are fixed: what specificity is measured by.
    pub(super) const fn fixed_len(&self) -> u32 {
        self.mask.leading_ones()
    }

    /// Whether every address of `other` is in this network.
    pub(super) const fn covers(&self, other: &Self) -> bool {
        self.fixed_len() <= other.fixed_len() && self.contains_bits(other.network)
    }

    /// Whether no address is in both networks.
    pub(super) const fn is_disjoint(&self, other: &Self) -> bool {
        !self.covers(other) && !other.covers(self)
    }

    /// Whether the network holds all of IPv4 or all of what IPv6 has given out (`2000::/3`): no source to trust.
    pub(super) const fn is_everybody(&self) -> bool {
        self.covers(&Self::v4([0; 4], 0)) || self.covers(&Self::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3))
    }

    /// Says what is wrong with it.
    pub(super) const fn check(&self) -> Result<(), &'static str> {
        match self.written {
            IpAddr::V4(_) if self.len > 32 => return Err("an IPv4 prefix has at most 32 bits"),
            IpAddr::V6(_) if self.len > 128 => return Err("an IPv6 prefix has at most 128 bits"),
            _ => {}
        }
        if self.network & !self.mask != 0 {
            return Err("bits are set behind the prefix: write them as zeros, or make the prefix longer");
        }
        Ok(())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.written, self.len)
    }
}

/// The address as IPv6 bits, that of IPv4 as mapped.
pub(super) const fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => 0xffff_0000_0000 | v4.to_bits() as u128,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        for (cidr, inside, outside) in [
            (
                Cidr::v4([10, 0, 0, 0], 8),
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
                &["11.0.0.0", "::a00:1"][..],
            ),
            (Cidr::v4([10, 1, 2, 3], 32), &["10.1.2.3"], &["10.1.2.2"]),
            (Cidr::v4([0; 4], 0), &["0.0.0.0", "255.255.255.255"], &["::1", "2001:db8::"]),
            (
                Cidr::v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
                &["2001:db8:ffff::1"],
                &["2001:db9::", "10.0.0.1"],
            ),
            (Cidr::LOOPBACK_V6, &["::1"], &["::2", "127.0.0.1"]),
            (Cidr::v6([0; 8], 0), &["::", "2001:db8::1", "127.0.0.1"], &[]),
        ] {
            assert_eq!(cidr.check(), Ok(()), "{cidr}");
            for text in inside {
                assert!(cidr.contains(address(text)), "{text} in {cidr}");
            }
            for text in outside {
                assert!(!cidr.contains(address(text)), "{text} not in {cidr}");
            }
        }
    }

    #[test]
    fn a_wrong_network_is_refused_with_a_sentence() {
        for (cidr, text, word) in [
            (Cidr::v4([10, 0, 0, 1], 8), "10.0.0.1/8", "behind the prefix"),
            (Cidr::v4([10, 0, 0, 0], 33), "10.0.0.0/33", "at most 32"),
            (Cidr::v4([10, 0, 0, 0], 255), "10.0.0.0/255", "at most 32"),
            (Cidr::v6([0; 8], 129), "::/129", "at most 128"),
            (Cidr::v6([0, 0, 0, 0, 0, 0, 0, 1], 64), "::1/64", "behind the prefix"),
        ] {
            assert_eq!(cidr.to_string(), text);
            assert!(cidr.check().unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn everybody_is_no_source_to_trust() {
        for cidr in [
            Cidr::v4([0; 4], 0),
            Cidr::v6([0; 8], 0),
            Cidr::v6([0; 8], 64),
            Cidr::v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3),
        ] {
            assert!(cidr.is_everybody(), "{cidr}");
        }
        for cidr in [
            Cidr::LOOPBACK_V4,
            Cidr::LOOPBACK_V6,
            Cidr::v4([10, 0, 0, 0], 8),
            Cidr::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        ] {
            assert!(!cidr.is_everybody(), "{cidr}");
        }
    }

    proptest! {
        #[test]
        fn membership_is_equality_of_the_first_bits(network: u32, other: u32, flip in 0_u32..32, len in 0_u8..=32) {
            let near = network ^ (1 << flip);
            for bits in [network, other, near] {
                let same = (0..u32::from(len)).all(|bit| (network >> (31 - bit)) & 1 == (bits >> (31 - bit)) & 1);
                let cidr = Cidr::new(IpAddr::V4(Ipv4Addr::from_bits(network)), len);
                prop_assert_eq!(cidr.contains(IpAddr::V4(Ipv4Addr::from_bits(bits))), same);
            }
        }

        #[test]
        fn one_network_covers_another_exactly_if_it_is_shorter_and_holds_it(
            one in any::<u128>(), len in 0_u8..=128, other_len in 0_u8..=128, is_near: bool, far in any::<u128>(),
        ) {
            let network = |bits: u128, len: u8| {
                let mask = if len == 0 { 0 } else { u128::MAX << (128 - len) };
                Cidr::new(IpAddr::V6(Ipv6Addr::from_bits(bits & mask)), len)
            };
            let (a, b) = (network(one, len), network(if is_near { one } else { far }, other_len));
            let first = IpAddr::V6(Ipv6Addr::from_bits(b.network));
            let last = IpAddr::V6(Ipv6Addr::from_bits(b.network | !b.mask));
            prop_assert_eq!(a.covers(&b), a.contains(first) && a.contains(last));
            prop_assert_eq!(a.is_disjoint(&b), !a.covers(&b) && !b.covers(&a));
        }
    }
}
