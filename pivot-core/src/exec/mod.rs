//! The bounded executor: slots for exchanges, ready words, timer wheel.
