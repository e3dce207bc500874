//! Copying no faster than the program can bear.

use std::time::{Duration, Instant};

use crate::linux::manners::used;

/// Longest sleep at a time: what is slept off must not pile up.
const MAX_SLEEP: Duration = Duration::from_millis(50);

/// Holds this program's use of the processors below a bound.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Processors that may be used on average; 1 is one of them.
    processors: f64,
    began: Instant,
    used_before: Duration,
}

impl Throttle {
    /// Begins to measure. `percent` of one processor may be used: 100 is a whole one, 0 means no bound.
    pub(super) fn new(percent: u32) -> Self {
        Self {
            processors: f64::from(percent) / 100.0,
            began: Instant::now(),
            used_before: used(),
        }
    }

    /// Sleeps if more than its share was used since the beginning.
    pub(super) fn pace(&self) {
        if self.processors <= 0.0 {
            return;
        }
        let used = used().saturating_sub(self.used_before);
        let due = used.div_f64(self.processors);
        let ahead = due.saturating_sub(self.began.elapsed());
        if ahead > Duration::from_millis(1) {
            std::thread::sleep(ahead.min(MAX_SLEEP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_processor_takes_its_time() {
        let throttle = Throttle::new(10);
        let began = Instant::now();
        let busy = used();
        while used() - busy < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        for _ in 0..10 {
            throttle.pace();
        }
        // Other tests use the processor, too, and make it longer.
        assert!(
            began.elapsed() > Duration::from_millis(150),
            "{:?}",
            began.elapsed()
        );
        let unbounded = Instant::now();
        Throttle::new(0).pace();
        assert!(unbounded.elapsed() < Duration::from_millis(50));
    }
}
