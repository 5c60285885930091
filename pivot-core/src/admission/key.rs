//! Whom a limit is counted for.

use core::net::IpAddr;
use core::num::NonZeroU64;

/// A client, as limits know it: a keyed hash of its address.
///
/// An IPv6 client is its /64: whoever has one address there has 2⁶⁴.
///
/// It is never zero, so that an `Option` of it is no larger: the one hash in 2⁶⁴ that is counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(NonZeroU64);

/// The secret that hashes are keyed with, so that nobody can choose addresses that fall together.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub u64, pub u64);

impl ClientKey {
    /// The key of a client's address.
    pub fn of_address(address: IpAddr, seed: Seed) -> Self {
        let mut hash = SipHash::new(seed);
        hash.word(word_of(address));
        Self(hash.finish())
    }

    /// The key of whatever a limit is counted for: a user, an API key, a route, or several of these together.
    ///
    /// Parts count in their order. What they hold cannot run together: `ab`, `c` and `a`, `bc` are two keys.
    ///
    /// ```
    /// use pivot_core::admission::{ClientKey, Part, Seed};
    /// let seed = Seed(1, 2);
    /// let key = |route| ClientKey::of_parts(&[Part::ApiKey(b"s3cr3t"), Part::Route(route)], seed);
    /// assert_ne!(key(1), key(2));
    /// ```
    pub fn of_parts(parts: &[Part<'_>], seed: Seed) -> Self {
        let mut hash = SipHash::new(seed);
        for part in parts {
            match *part {
                Part::Address(address) => hash.part(1, &word_of(address).to_le_bytes()),
                Part::User(name) => hash.part(2, name),
                Part::ApiKey(key) => hash.part(3, key),
                Part::Route(index) => hash.part(4, &index.to_le_bytes()),
            }
        }
        Self(hash.finish())
    }

    /// The key's 64 bits, evenly spread.
    pub const fn bits(self) -> u64 {
        self.0.get()
    }
}

/// One part of what a limit is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A client's address; IPv6 by its /64.
    Address(IpAddr),
    /// A user's name or number.
    User(&'a [u8]),
    /// An API key.
    ApiKey(&'a [u8]),
    /// A route, by its index.
    Route(u32),
}

/// An address as one word: IPv4 as it is when mapped into IPv6, IPv6 by its /64.
const fn word_of(address: IpAddr) -> u64 {
    let v4 = match address {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4,
            None => return (v6.to_bits() >> 64) as u64,
        },
    };
    0xffff_0000_0000 | v4.to_bits() as u64
}

/// SipHash-1-3 (Aumasson and Bernstein, 2012): what hash tables that face strangers use.
struct SipHash {
    v: [u64; 4],
    len: u64,
    /// Bytes that do not fill a word yet.
    tail: u64,
}

impl SipHash {
    #[inline]
    const fn new(Seed(k0, k1): Seed) -> Self {
        let v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Self { v, len: 0, tail: 0 }
    }

    /// Takes in eight bytes, after a whole number of words.
    #[inline]
    fn word(&mut self, word: u64) {
        self.len += 8;
        self.block(word);
    }

    /// Takes in a part: what it is, how long it is, and what it holds.
    fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.byte(kind);
        for byte in (bytes.len() as u32).to_le_bytes() {
            self.byte(byte);
        }
        for &byte in bytes {
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        let place = self.len % 8;
        self.tail |= (byte as u64) << (8 * place);
        self.len += 1;
        if place == 7 {
            self.block(self.tail);
            self.tail = 0;
        }
    }

    #[inline]
    fn block(&mut self, word: u64) {
        self.v[3] ^= word;
        round(&mut self.v);
        self.v[0] ^= word;
    }

    #[inline]
    fn finish(mut self) -> NonZeroU64 {
        self.block(self.tail | self.len << 56);
        self.v[2] ^= 0xff;
        for _ in 0..3 {
            round(&mut self.v);
        }
        NonZeroU64::new(self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]).unwrap_or(NonZeroU64::MIN)
    }
}

#[inline]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_siphash_1_3() {
        use core::hash::Hasher;
        // DefaultHasher is SipHash-1-3 with a key of zeroes.
        for word in [0, 1, 0xffff_7f00_0001, u64::MAX] {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write_u64(word);
            let mut hash = SipHash::new(Seed(0, 0));
            hash.word(word);
            assert_eq!(hash.finish().get(), hasher.finish());
        }
        let bytes = [7; 40];
        for len in 0..bytes.len() {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write(&[3]);
            hasher.write(&(len as u32).to_le_bytes());
            hasher.write(&bytes[..len]);
            let key = ClientKey::of_parts(&[Part::ApiKey(&bytes[..len])], Seed(0, 0));
            assert_eq!(key.bits(), hasher.finish(), "{len} bytes");
        }
    }

    #[test]
    fn parts_of_different_kinds_and_lengths_do_not_run_together() {
        let key = |parts: &[Part<'_>]| ClientKey::of_parts(parts, Seed(1, 2));
        let (a, b) =
            (Part::Address("2001:db8::1".parse().unwrap()), Part::Address("2001:db8::2".parse().unwrap()));
        assert_eq!(key(&[a]), key(&[b]), "one /64");
        let different = [
            key(&[a]),
            key(&[a, Part::Route(1)]),
            key(&[Part::Route(1), a]),
            key(&[Part::User(b"ab"), Part::User(b"c")]),
            key(&[Part::User(b"a"), Part::User(b"bc")]),
            key(&[Part::User(b"abc")]),
            key(&[Part::ApiKey(b"abc")]),
            key(&[]),
        ];
        for (index, one) in different.iter().enumerate() {
            assert!(!different[..index].contains(one), "number {index}");
        }
    }

    #[test]
    fn neighbours_in_a_64_are_one_client_and_a_mapped_address_is_its_v4() {
        let seed = Seed(1, 2);
        let key = |text: &str| ClientKey::of_address(text.parse().unwrap(), seed);
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
        assert_ne!(ClientKey::of_address("10.0.0.1".parse().unwrap(), Seed(1, 3)), key("10.0.0.1"));
    }
}
