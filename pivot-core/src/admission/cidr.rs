//! A block of addresses: an address and how many of its first bits count (RFC 4632).

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

/// A block of addresses, such as `10.0.0.0/8` or `2001:db8::/32`.
///
/// An IPv4 address and the same mapped into IPv6 are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address as IPv6, IPv4 mapped; bits behind the prefix are zero.
    bits: u128,
    /// Bits of the prefix, counted in IPv6: those of IPv4 are 96 more.
    len: u8,
}

/// A block that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// The text is not an address, a slash and a number; the slash and the number may be left out.
    Syntax,
    /// A prefix longer than the address.
    Len {
        /// How long it was to be.
        len: u8,
        /// How long it may be: 32 or 128.
        max: u8,
    },
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("a block is an address, a slash and a number of bits"),
            Self::Len { len, max } => write!(f, "the prefix is {len} bits long; it has to be in 0..={max}"),
        }
    }
}

impl core::error::Error for CidrError {}

impl Cidr {
    /// The block of all addresses that agree with `address` in the first `len` bits.
    ///
    /// # Errors
    /// [`CidrError::Len`] for a prefix longer than the address: 32 bits, or 128.
    pub const fn new(address: IpAddr, len: u8) -> Result<Self, CidrError> {
        let (max, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        if len > max {
            return Err(CidrError::Len { len, max });
        }
        let len = len + before;
        Ok(Self { bits: bits_of(address) & mask(len), len })
    }

    /// Whether an address lies in the block.
    pub const fn contains(&self, address: IpAddr) -> bool {
        bits_of(address) & mask(self.len) == self.bits
    }

    /// How special it is: of two blocks with an address in common, the one with more bits is inside the other.
    pub const fn prefix_len(&self) -> u8 {
        self.len
    }
}

const fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => Ipv6Addr::to_bits(v6),
    }
}

const fn mask(len: u8) -> u128 {
    match u128::MAX.checked_shl(128 - len as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Syntax)?;
        let len = match len {
            Some(len) if !len.is_empty() && len.bytes().all(|byte| byte.is_ascii_digit()) => {
                len.parse().map_err(|_| CidrError::Syntax)?
            }
            Some(_) => return Err(CidrError::Syntax),
            None if address.is_ipv4() => 32,
            None => 128,
        };
        Self::new(address, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_block_has_the_addresses_that_share_its_prefix() {
        for (block, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.9.9.9", "::10.9.9.9"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ] {
            assert!(cidr(block).contains(inside.parse().unwrap()), "{inside} in {block}");
            assert!(!cidr(block).contains(outside.parse().unwrap()), "{outside} not in {block}");
        }
        assert!(cidr("::/0").contains("10.0.0.1".parse().unwrap()));
        assert_eq!(cidr("10.1.2.3/8"), cidr("10.0.0.0/8"), "bits behind the prefix do not count");
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in ["", "/8", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "10.0.0.0/8/8", "10.0.0.0/999", "x/8"]
        {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError::Syntax), "{text}");
        }
        assert_eq!("10.0.0.0/33".parse::<Cidr>(), Err(CidrError::Len { len: 33, max: 32 }));
        assert_eq!("::/129".parse::<Cidr>(), Err(CidrError::Len { len: 129, max: 128 }));
    }
}
