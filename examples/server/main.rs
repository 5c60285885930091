//! The server example.
fn main() {}
