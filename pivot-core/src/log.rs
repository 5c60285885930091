//! The door to a log: `defmt` where that feature is on, nothing elsewhere. Declared before all other modules.
//!
//! Only what a person would want to read on a board's console goes through here; everything is counted anyway.

/// Logs a line that shows only where debugging was asked for.
macro_rules! log_debug {
    ($text:literal $(, $argument:expr)*) => {{
        #[cfg(feature = "defmt")]
        defmt::debug!($text $(, $argument)*);
        #[cfg(not(feature = "defmt"))]
        let _ = ($(&$argument),*);
    }};
}

/// Logs a line about something that should be looked at.
macro_rules! log_warn {
    ($text:literal $(, $argument:expr)*) => {{
        #[cfg(feature = "defmt")]
        defmt::warn!($text $(, $argument)*);
        #[cfg(not(feature = "defmt"))]
        let _ = ($(&$argument),*);
    }};
}
