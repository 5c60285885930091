//! The arena that every table and buffer is carved from, once, at start.
