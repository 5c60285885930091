//! Whom limits do not concern: addresses that are always let in, and addresses that never are.

use core::net::IpAddr;

use super::cidr::Cidr;

/// What a list says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// On the allow list: no limit is charged.
    Allowed,
    /// On the deny list: refused whatever its quota.
    Denied,
    /// On neither: the limits decide.
    Limited,
}

/// An allow and a deny list. A look-up goes through both of them from end to end: keep them to some dozens.
///
/// # Examples
///
/// ```
/// use pivot_core::admission::{Access, AccessList};
/// let (allow, deny) = (["10.0.0.0/8".parse()?], ["10.6.6.0/24".parse()?]);
/// let list = AccessList::new(&allow, &deny);
/// assert_eq!(list.judge("10.1.1.1".parse()?), Access::Allowed);
/// assert_eq!(list.judge("10.6.6.6".parse()?), Access::Denied);
/// assert_eq!(list.judge("8.8.8.8".parse()?), Access::Limited);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessList<'s> {
    allow: &'s [Cidr],
    deny: &'s [Cidr],
}

impl<'s> AccessList<'s> {
    /// Both lists, in any order.
    pub const fn new(allow: &'s [Cidr], deny: &'s [Cidr]) -> Self {
        Self { allow, deny }
    }

    /// Whether nobody is on them.
    pub const fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// What the lists say of an address: the longest prefix that has it decides, and deny before allow if both are as long.
    pub fn judge(&self, address: IpAddr) -> Access {
        let longest = |list: &[Cidr]| {
            list.iter().filter(|block| block.contains(address)).map(|block| block.prefix_len()).max()
        };
        match (longest(self.allow), longest(self.deny)) {
            (None, None) => Access::Limited,
            (allow, deny) if allow > deny => Access::Allowed,
            _ => Access::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_prefix_decides_and_deny_wins_a_tie() {
        let blocks = |texts: [&str; 2]| texts.map(|text| text.parse::<Cidr>().unwrap());
        let (allow, deny) = (blocks(["10.0.0.0/8", "10.6.6.7"]), blocks(["10.6.6.0/24", "10.0.0.0/8"]));
        let judge = |text: &str| AccessList::new(&allow, &deny).judge(text.parse().unwrap());
        assert_eq!(judge("10.6.6.7"), Access::Allowed);
        assert_eq!(judge("10.6.6.8"), Access::Denied);
        assert_eq!(judge("10.1.1.1"), Access::Denied);
        assert_eq!(judge("11.1.1.1"), Access::Limited);
        assert_eq!(AccessList::default().judge("10.6.6.7".parse().unwrap()), Access::Limited);
    }
}
