//! The whole server under virtual time, with a virtual network that a test plays on.
