//! Keeping out of the way of the program, and of everybody else, as long as there is a way besides.

use std::time::{Duration, Instant};

use nix::libc;
use nix::time::{ClockId, clock_gettime};

use super::procfs;

/// Nice value of threads that must not starve: of a processor that the program wants, they get a quarter. With 10 it is a
/// tenth, and a capture next to 15 busy programs on 2 processors took 40 seconds.
const NICE: libc::c_int = 5;
/// How long to see how far one gets.
const PERIOD: Duration = Duration::from_millis(500);
/// Who gets less than this part of a processor in such a time, starves.
const STARVING: f64 = 0.5;

/// How this program's threads share the processors with others while they copy, interpret and compress.
///
/// At first only what nobody else wants (`SCHED_IDLE`): whoever wakes up takes the processor at once. A scavenge whose helpers
/// waited for threads that were merely nice took 21 to 30 ms at worst, and 12 to 18 so (V8 12.4, two processors). Where there is
/// nothing left to take, the threads become nice instead.
#[derive(Debug)]
pub struct Manners {
    is_idle: bool,
    since: Instant,
    used: Duration,
}

impl Manners {
    /// Makes the calling thread, and those that it will start, yield to all others.
    pub fn yielding() -> Self {
        Self::nice();
        Self {
            is_idle: may_return() && set_policy(0, libc::SCHED_IDLE),
            since: Instant::now(),
            used: used(),
        }
    }

    /// Makes the calling thread, and those that it will start, nice: for work that cannot [`check`](Self::check) how it gets on.
    pub fn nice() {
        // SAFETY: setpriority takes three integers; 0 is the calling thread.
        let _stays = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    }

    /// To be called often: no longer yields to all others if that gets nowhere.
    pub fn check(&mut self) {
        let elapsed = self.since.elapsed();
        if !self.is_idle || elapsed < PERIOD {
            return;
        }
        let now = used();
        let share = now.saturating_sub(self.used).as_secs_f64() / elapsed.as_secs_f64();
        (self.since, self.used) = (Instant::now(), now);
        if share < STARVING {
            self.is_idle = false;
            let own = libc::pid_t::try_from(std::process::id()).unwrap_or(0);
            for thread in procfs::threads(own).unwrap_or_default() {
                // Those that are not idle keep their nice value.
                set_policy(thread, libc::SCHED_OTHER);
            }
        }
    }
}

/// Runs something on a thread of its own, whose priority is its own, too; and whose end detaches from whatever it traces.
pub fn on_a_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Processor time of all threads of this program.
pub(super) fn used() -> Duration {
    // The clock always exists.
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Whether a thread that has become idle may be made an ordinary one again: as root, mostly.
fn may_return() -> bool {
    let thread =
        std::thread::spawn(|| set_policy(0, libc::SCHED_IDLE) && set_policy(0, libc::SCHED_OTHER));
    thread.join().unwrap_or(false)
}

/// Sets how a thread is scheduled, 0 being the one that calls; whether that was permitted.
fn set_policy(thread: libc::pid_t, policy: libc::c_int) -> bool {
    // SAFETY: the structure is plain numbers, of which zero is what these policies want.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: reads one structure that lives until it returns.
    unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> libc::c_int {
        // SAFETY: takes an integer.
        unsafe { libc::sched_getscheduler(0) }
    }

    /// Who sleeps gets no processor either; the thread was idle before, unless that is not permitted.
    #[test]
    fn who_gets_nothing_is_no_longer_idle() {
        let run = || {
            let mut manners = Manners::yielding();
            let expected = match may_return() {
                true => libc::SCHED_IDLE,
                false => libc::SCHED_OTHER,
            };
            assert_eq!(policy(), expected);
            manners.check();
            assert_eq!(policy(), expected, "too early to tell");
            // As if nothing had been used for a long time.
            manners.since -= Duration::from_secs(3600);
            manners.check();
            assert_eq!(policy(), libc::SCHED_OTHER);
        };
        std::thread::spawn(run).join().unwrap();
    }
}
