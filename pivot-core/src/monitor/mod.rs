//! Counts every request and says what was counted.
