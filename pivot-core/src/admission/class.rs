//! The six classes of traffic.

/// How important a request is. Earlier variants go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Health checks and metrics; only from trusted sources.
    System,
    /// What must not fail.
    Critical,
    /// What people wait for and pay for.
    High,
    /// Everything that nobody classified.
    #[default]
    Normal,
    /// What can be done later.
    Low,
    /// What nobody waits for.
    Batch,
}

impl Class {
    /// Every class, the most important first.
    pub const ALL: [Self; 6] =
        [Self::System, Self::Critical, Self::High, Self::Normal, Self::Low, Self::Batch];
    /// How many classes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its place in [`Class::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Batch => "batch",
        }
    }

    /// The class with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str().eq_ignore_ascii_case(name))
    }
}
