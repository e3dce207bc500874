//! How often a function has run, as far as V8 remembers it.

use crate::v8::{Address, FunctionData, Objects, Tier};

/// Of the closures of one function, so many are looked at.
const LOOKED_AT: u64 = 1;

/// How often a function has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runs {
    /// It has no code: it was never called, or not for so many collections that V8 threw the code away.
    NotLately,
    /// Once, with a loop in it or not; or so little that V8 has not begun to count.
    Once,
    /// More often, or that is not known.
    Often,
}

/// The closures of a function, and what V8 counted of their calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Closures {
    count: u64,
    calls: u64,
    is_lazy: bool,
}

impl Closures {
    /// None yet, of the function that this `SharedFunctionInfo` is.
    pub(super) fn of(objects: &Objects, shared: Address) -> Self {
        Self {
            is_lazy: matches!(
                objects.function_data(shared),
                Ok(FunctionData::Uncompiled(_))
            ),
            ..Self::default()
        }
    }

    /// One more.
    pub(super) fn add(&mut self, objects: &Objects, closure: Address) {
        self.count += 1;
        if self.count <= LOOKED_AT {
            // What was optimized ran often, and some versions begin to count anew then.
            let code = objects.function_code(closure);
            self.calls = match code.and_then(|code| objects.code_tier(code)) {
                Some(Tier::Maglev | Tier::Turbofan) => u64::MAX,
                _ => objects.invocations(closure).unwrap_or(u64::MAX),
            };
        }
    }

    /// How often the function has run, which may go on where it stopped if it `is_in_pieces`.
    pub(super) fn runs(&self, is_in_pieces: bool) -> Runs {
        // Each closure counts for itself, and those that are no more cannot be asked.
        if self.is_lazy {
            Runs::NotLately
        } else if self.count <= LOOKED_AT && self.calls <= 1 && !is_in_pieces {
            Runs::Once
        } else {
            Runs::Often
        }
    }
}
