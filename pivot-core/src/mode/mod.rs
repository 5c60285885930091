//! Configuration: profiles, validation.
