//! Configuration: one typed value, profiles to start from, and its validation.

mod config;
mod profile;

pub use config::{Config, ConfigError, Draft, Timeouts, check_breaker, check_upstream};
pub(crate) use config::{check, millis};
pub use profile::Profile;
