//! Loom models; see `tests/`. Run them by `cargo xtask loom`.
