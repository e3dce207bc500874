//! Strategies by name, and which of them are tried.

use std::fmt;
use std::str::FromStr;

/// How a snapshot is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// The best of the others that works.
    #[default]
    Auto,
    /// The process is copied while it runs, with a log of its page faults, and stopped only for the last pages.
    Log,
    /// The same without the log: the stop scans for written pages.
    Precopy,
    /// The process makes a copy-on-write clone of itself, which is then read at leisure.
    Fork,
    /// The process is stopped while its heap is copied.
    Stop,
}

impl Mode {
    /// All modes by their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("auto", Self::Auto),
        ("log", Self::Log),
        ("precopy", Self::Precopy),
        ("fork", Self::Fork),
        ("stop", Self::Stop),
    ];

    /// Its name on the command line and in a capture.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, mode)| *mode == self)
            .map_or("auto", |(name, _)| name)
    }

    /// The modes to try, one after the other. The last works everywhere.
    pub(super) fn candidates(self) -> &'static [Self] {
        match self {
            Self::Auto | Self::Log => &[Self::Log, Self::Precopy, Self::Fork, Self::Stop],
            Self::Precopy => &[Self::Precopy, Self::Fork, Self::Stop],
            Self::Fork => &[Self::Fork, Self::Stop],
            Self::Stop => &[Self::Stop],
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, mode)| *mode).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// A mode that was tried, or would have been, and why the capture was not taken by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// The mode.
    pub mode: &'static str,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood() {
        for (name, mode) in Mode::ALL {
            assert_eq!(name.parse(), Ok(mode));
            assert_eq!(mode.to_string(), name);
            assert_eq!(mode.candidates().last(), Some(&Mode::Stop));
        }
        let message = "freeze".parse::<Mode>().unwrap_err();
        assert!(
            message.contains("auto, ") && message.contains("stop"),
            "{message}"
        );
    }
}
