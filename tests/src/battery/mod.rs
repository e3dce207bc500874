//! What every supported Node.js release must show: known populations counted exactly, known values read exactly. The
//! tests run it on some releases, `cargo xtask matrix` on any.

pub mod isolates;
pub mod population;
pub mod row;
pub mod specimens;

use std::fmt;

pub use row::{ABILITIES, Row, run};

/// How many facts were checked, and which of them came out wrong.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// How many facts were compared with the truth.
    pub checked: usize,
    /// What differs: subject, expected, found.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Notes that a fact was checked; `wrong` says how it differs from the truth, if it does.
    pub fn note(&mut self, wrong: Option<String>) {
        self.checked += 1;
        self.wrong.extend(wrong);
    }

    /// Whether something was checked and all of it was right.
    pub fn is_right(&self) -> bool {
        self.checked > 0 && self.wrong.is_empty()
    }

    /// Fails unless something was checked and all of it was right.
    ///
    /// # Errors
    /// With every difference.
    pub fn into_result(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.checked > 0, "nothing was checked");
        anyhow::ensure!(self.wrong.is_empty(), "{self}:\n{}", self.wrong.join("\n"));
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {}",
            self.checked.saturating_sub(self.wrong.len()),
            self.checked
        )
    }
}
