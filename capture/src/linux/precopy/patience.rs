//! How long it is worth waiting for a moment at which little is left to be copied.

use std::time::{Duration, Instant};

/// The part of the time after which it is put up with that it is no longer less from look to look.
const HASTE: f64 = 0.35;

/// A time in which one waits, and the least that was left so far.
#[derive(Debug)]
pub(super) struct Patience {
    began: Instant,
    time: Duration,
    least: u64,
}

/// What a look at what is left has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// What is left is about as much as the least so far, and will not become much less.
    pub(super) is_least: bool,
    /// The time is over.
    pub(super) is_late: bool,
}

impl Patience {
    /// Begins to wait.
    pub(super) fn new(time: Duration) -> Self {
        Self {
            began: Instant::now(),
            time,
            least: u64::MAX,
        }
    }

    /// The part of the time that has passed; more than 1 when it is over.
    pub(super) fn waited(&self) -> f64 {
        self.began.elapsed().as_secs_f64() / self.time.as_secs_f64()
    }

    /// Looks at what is left now, in bytes.
    ///
    /// A collection keeps the program from writing, until it writes all at once, and a stop in one is in vain: it may take as long again.
    pub(super) fn look(&mut self, left: u64, is_collecting: bool) -> Look {
        self.look_after(self.waited(), left, is_collecting)
    }

    fn look_after(&mut self, waited: f64, left: u64, is_collecting: bool) -> Look {
        if is_collecting {
            return Look {
                is_least: false,
                is_late: waited > 2.0,
            };
        }
        let is_least = waited > HASTE && left <= tolerated(self.least, waited);
        self.least = self.least.min(left);
        Look {
            is_least,
            is_late: waited > 1.0,
        }
    }
}

/// What is put up with after a part of the time, where `least` was the least so far: an eighth more at first, all that again in the end.
fn tolerated(least: u64, waited: f64) -> u64 {
    let share = (waited - HASTE) / (1.0 - HASTE);
    least.saturating_add((least as f64 * share.clamp(0.125, 1.0)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_asked_for_the_longer_it_takes() {
        let mut patience = Patience::new(Duration::from_secs(1));
        let mut look = |waited, left, is_collecting| {
            let Look { is_least, is_late } = patience.look_after(waited, left, is_collecting);
            (is_least, is_late)
        };
        assert_eq!(look(0.1, 1000, false), (false, false));
        // It may still become less.
        assert_eq!(look(0.3, 1000, false), (false, false));
        assert_eq!(look(0.4, 1200, false), (false, false));
        assert_eq!(look(0.4, 1100, false), (true, false));
        assert_eq!(look(0.9, 1800, false), (true, false));
        assert_eq!(look(0.9, 2000, false), (false, false));
        assert_eq!(look(1.1, 9000, false), (false, true));
        // What is left during a collection does not count.
        assert_eq!(look(1.1, 1, true), (false, false));
        assert_eq!(look(1.1, 2000, false), (true, true));
        assert_eq!(look(2.1, 1, true), (false, true));
    }
}
