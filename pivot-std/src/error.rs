//! Why a server does not start.

use std::fmt;
use std::io;

use pivot_core::mode::ConfigError;
use pivot_core::serve::StartError;

/// Why a server does not start, or has ended otherwise than it should. Each prints as one line.
#[derive(Debug)]
pub enum Error {
    /// The configuration is out of range.
    Config(ConfigError),
    /// A server cannot listen at an address.
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// More connections are configured than the process may have descriptors for.
    Descriptors {
        /// How many would be needed.
        needed: u64,
        /// The hard limit.
        limit: u64,
    },
    /// Routes conflict, or the process has no room for another worker.
    Start(StartError),
    /// The system refused something else that a server needs.
    System {
        /// What it was.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen at {address}: another program listens there; stop it, or choose another address"
            ),
            Self::Listen { address, source } => write!(f, "cannot listen at {address}: {source}"),
            Self::Descriptors { needed, limit } => write!(
                f,
                "connections_max needs {needed} file descriptors, but the hard limit is {limit}; lower \
                 connections_max, or raise the limit (`ulimit -Hn {needed}`, or LimitNOFILE= of the service)"
            ),
            Self::Start(error) => error.fmt(f),
            Self::System { what, source } => write!(f, "cannot {what}: {source}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}
