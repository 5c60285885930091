//! How requests and connections end.

macro_rules! labelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// How many variants there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Its label in metrics.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }

            /// Its place in `ALL`.
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labelled! {
    /// How a request ended. Every request ends in exactly one of these.
    Outcome {
        /// Answered by the application with 2xx or 3xx.
        Success = "success",
        /// Answered by the application with 4xx.
        ClientError = "client_error",
        /// Answered by the application with 5xx.
        ServerError = "server_error",
        /// Not a request that can be served: answered by the decoder with 4xx or 5xx.
        Malformed = "malformed",
        /// Turned away by admission.
        Refused = "refused",
        /// Past a deadline.
        Timeout = "timeout",
        /// The client went away before its answer was complete.
        Cancelled = "cancelled",
        /// The handler panicked.
        Panicked = "panicked",
    }
}

labelled! {
    /// Why a connection was closed.
    CloseReason {
        /// The client closed it between requests.
        PeerClosed = "peer_closed",
        /// After an answer that said so.
        Finished = "finished",
        /// The client sent nothing for too long between requests.
        IdleTimeout = "idle_timeout",
        /// A head took too long.
        HeadTimeout = "head_timeout",
        /// Content took too long.
        BodyTimeout = "body_timeout",
        /// The client did not read its answer.
        WriteTimeout = "write_timeout",
        /// The handler took too long.
        HandlerTimeout = "handler_timeout",
        /// The client reset it.
        Reset = "reset",
        /// After a request that could not be read.
        Malformed = "malformed",
        /// After a refusal.
        Refused = "refused",
        /// To make room for another.
        Evicted = "evicted",
        /// A handler failed in the middle of an answer.
        Broken = "broken",
        /// The server ended.
        Drained = "drained",
        /// A cap on connections was reached when it arrived.
        OverCap = "over_cap",
    }
}
