//! **Random**: while the queue is nearly full, a fixed share is refused, whoever it is.
//!
//! *Protects against* a queue that fills faster than it drains, where requests are alike and clients cannot be told apart
//! (all behind one proxy), so that nobody is more important than another. The system class passes.
//!
//! | knob | default | unit |
//! |---|---|---|
//! | `fullness` | on at 90, off at 70 | percent of the queue's places |
//! | `refuse_percent` | 50 | percent of requests |
//!
//! *Cost*: a comparison while the queue is not nearly full, a multiplication more while it is.
//!
//! *Not for* loads of more than `1 / (1 − share)` times what can be served: with the default, from twice the capacity on the
//! queue fills all the same and the hard cap decides. A session of ten requests is likely to lose one of them.

/// Whether this request is of the share that is refused; `dice` is evenly spread over all 16-bit numbers.
pub(super) fn is_refused(refuse_percent: u8, dice: u16) -> bool {
    u32::from(dice) * 100 < u32::from(refuse_percent) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_all_dice() {
        let refused = |percent| (0..=u16::MAX).filter(|dice| is_refused(percent, *dice)).count();
        assert_eq!([1, 25, 50, 100].map(refused), [656, 16_384, 32_768, 65_536]);
    }
}
