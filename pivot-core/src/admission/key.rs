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
        let word = match address {
            IpAddr::V4(v4) => 0xffff_0000_0000 | u64::from(u32::from(v4)),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => 0xffff_0000_0000 | u64::from(u32::from(v4)),
                None => (u128::from(v6) >> 64) as u64,
            },
        };
        Self(NonZeroU64::new(mix(word, seed)).unwrap_or(NonZeroU64::MIN))
    }

    /// The key's 64 bits, evenly spread.
    pub const fn bits(self) -> u64 {
        self.0.get()
    }
}

/// SipHash-1-3 of one word (Aumasson and Bernstein, 2012): what hash tables that face strangers use.
fn mix(word: u64, Seed(k0, k1): Seed) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    for block in [word, 8 << 56] {
        v[3] ^= block;
        round(&mut v);
        v[0] ^= block;
    }
    v[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

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
            assert_eq!(mix(word, Seed(0, 0)), hasher.finish());
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
