//! Configuration: one typed value, profiles to start from, and its validation.

mod config;
mod profile;

pub use config::{Config, ConfigError, Draft, Timeouts};
pub use profile::Profile;
