//! Stopping every thread of a process, and letting them go.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::model::Problem;

use super::error::CaptureError;
use super::procfs;
use super::ptrace::{self, ThreadEvent};

/// How long to wait for a thread to stop. Longer means that it sleeps in the kernel where no signal reaches it (state `D`).
const STOP_BUDGET: Duration = Duration::from_millis(500);
/// Scans of the thread list before giving up on a process that makes threads faster than they can be stopped.
const MAX_SCANS: usize = 1000;

/// What stopping found out.
#[derive(Debug, Default)]
pub struct StopReport {
    /// Threads that could not be stopped, in words.
    pub problems: Vec<Problem>,
}

#[derive(Debug)]
struct Tracee {
    tid: pid_t,
    event: ThreadEvent,
}

/// A process whose threads are all stopped. Dropping it lets them go.
///
/// If this program is killed instead, the kernel detaches and the threads run on: `PTRACE_SEIZE` without
/// `PTRACE_O_EXITKILL` leaves nothing behind. A process that was stopped by a job-control signal stays so.
///
/// `ptrace` belongs to the operating-system thread that attached: this value cannot leave it.
#[derive(Debug)]
pub struct Frozen {
    pid: pid_t,
    tracees: Vec<Tracee>,
    report: StopReport,
    stopped_at: Instant,
    /// Makes the value neither `Send` nor `Sync`.
    _thread_bound: std::marker::PhantomData<*const ()>,
}

impl Frozen {
    /// Stops all threads of `pid`, those included that are born meanwhile.
    ///
    /// # Errors
    /// When the process does not exist or may not be traced; nothing is stopped then.
    pub fn stop(pid: pid_t) -> Result<Self, CaptureError> {
        Self::stop_within(pid, None)
    }

    /// The same, giving up if it takes longer than `limit`.
    ///
    /// # Errors
    /// As [`Frozen::stop`], and [`CaptureError::PauseTooLong`].
    pub fn stop_within(pid: pid_t, limit: Option<Duration>) -> Result<Self, CaptureError> {
        let mut frozen = Self {
            pid,
            tracees: Vec::new(),
            report: StopReport::default(),
            stopped_at: Instant::now(),
            _thread_bound: std::marker::PhantomData,
        };
        // Seizing does not disturb a thread; only the interrupts begin the pause.
        frozen.seize_new_threads()?;
        frozen.stopped_at = Instant::now();
        let mut interrupted = 0;
        for _ in 0..MAX_SCANS {
            // The main thread last: it is the one that everybody waits for.
            for tracee in frozen.tracees.iter_mut().skip(interrupted).rev() {
                if ptrace::interrupt(tracee.tid) == Err(Errno::ESRCH) {
                    tracee.event = ThreadEvent::Exited;
                }
            }
            frozen.wait_from(interrupted, limit.unwrap_or(STOP_BUDGET).min(STOP_BUDGET));
            if let Some(limit) = limit.filter(|limit| frozen.stopped_at.elapsed() > *limit) {
                return Err(CaptureError::PauseTooLong { pid, limit });
            }
            interrupted = frozen.tracees.len();
            // A thread that ran until now may have made another; once a scan finds none, nobody is left to make one.
            if !frozen.seize_new_threads()? {
                return frozen.check();
            }
        }
        frozen.problem(
            "thread",
            "new threads keep appearing; the last ones were left running".to_owned(),
        );
        frozen.check()
    }

    /// Whether something is left to capture.
    fn check(self) -> Result<Self, CaptureError> {
        if self.threads().next().is_some() {
            Ok(self)
        } else {
            Err(CaptureError::Exited { pid: self.pid })
        }
    }

    /// When the pause began.
    pub fn stopped_at(&self) -> Instant {
        self.stopped_at
    }

    /// The stopped threads.
    pub fn threads(&self) -> impl Iterator<Item = pid_t> + '_ {
        self.tracees
            .iter()
            .filter(|t| !matches!(t.event, ThreadEvent::None | ThreadEvent::Exited))
            .map(|t| t.tid)
    }

    /// The threads that were simply interrupted, and are not on their way to handle a signal or the like.
    pub(super) fn interrupted(&self) -> impl DoubleEndedIterator<Item = pid_t> + '_ {
        let interrupted = |t: &&Tracee| t.event == ThreadEvent::Interrupted;
        self.tracees.iter().filter(interrupted).map(|t| t.tid)
    }

    /// Whether the process was stopped by a job-control signal already, or is being stopped.
    pub(super) fn is_in_group_stop(&self) -> bool {
        self.tracees
            .iter()
            .any(|t| t.event == ThreadEvent::GroupStop)
    }

    /// Lets all threads go; returns how long they were stopped and what could not be stopped.
    pub fn thaw(mut self) -> (Duration, StopReport) {
        self.detach_all();
        (self.stopped_at.elapsed(), std::mem::take(&mut self.report))
    }

    /// Attaches to threads that are not attached yet; whether there were any.
    fn seize_new_threads(&mut self) -> Result<bool, CaptureError> {
        let tids =
            procfs::threads(self.pid).map_err(|error| CaptureError::proc(self.pid, &error))?;
        let mut any = false;
        for tid in tids {
            if self.tracees.iter().any(|tracee| tracee.tid == tid) {
                continue;
            }
            match ptrace::seize(tid) {
                Ok(()) => {
                    any = true;
                    self.tracees.push(Tracee {
                        tid,
                        event: ThreadEvent::None,
                    });
                }
                // It ended between the listing and now; or it is a zombie leader, which answers EPERM.
                Err(Errno::ESRCH) => {}
                Err(errno) if self.tracees.is_empty() => {
                    return Err(CaptureError::not_permitted(self.pid, errno));
                }
                Err(errno) => {
                    let ended = procfs::Stat::read(self.pid, Some(tid))
                        .map_or(true, |stat| matches!(stat.state, 'Z' | 'X'));
                    if !ended {
                        self.problem(
                            "thread",
                            format!("thread {tid} could not be attached to: {errno}"),
                        );
                        self.tracees.push(Tracee {
                            tid,
                            event: ThreadEvent::Exited,
                        });
                    }
                }
            }
        }
        Ok(any)
    }

    /// Waits until every tracee from `first` on has stopped or ended.
    fn wait_from(&mut self, first: usize, budget: Duration) {
        let deadline = Instant::now() + budget;
        let mut spins = 0_u32;
        loop {
            let mut running = false;
            for tracee in self.tracees.iter_mut().skip(first) {
                if tracee.event == ThreadEvent::None {
                    tracee.event = ptrace::poll(tracee.tid).unwrap_or(ThreadEvent::Exited);
                    running |= tracee.event == ThreadEvent::None;
                }
            }
            if !running {
                return;
            }
            if Instant::now() > deadline {
                break;
            }
            // Threads stop within microseconds, unless there are fewer processors than threads.
            spins += 1;
            if spins < 64 {
                std::hint::spin_loop();
            } else {
                std::thread::sleep(Duration::from_micros(20));
            }
        }
        let stuck: Vec<pid_t> = self
            .tracees
            .iter()
            .filter(|t| t.event == ThreadEvent::None)
            .map(|t| t.tid)
            .collect();
        for tid in stuck {
            let state = procfs::Stat::read(self.pid, Some(tid)).map_or('?', |stat| stat.state);
            self.problem(
                "thread",
                format!(
                    "thread {tid} did not stop within {} ms (state {state}): its registers are missing",
                    budget.as_millis()
                ),
            );
        }
    }

    fn problem(&mut self, stage: &str, message: String) {
        self.report.problems.push(Problem {
            stage: stage.to_owned(),
            message,
            address: 0,
            bytes: 0,
        });
    }

    fn detach_all(&mut self) {
        for tracee in self.tracees.drain(..).rev() {
            // A signal that was about to be handled is handed over. A thread that never stopped cannot be detached;
            // the kernel does it when this thread ends, which is why stopping is done on a thread of its own.
            let signal = if let ThreadEvent::Signal(signal) = tracee.event {
                signal
            } else {
                0
            };
            if !matches!(tracee.event, ThreadEvent::None | ThreadEvent::Exited) {
                // ESRCH: killed while it was stopped; there is nobody to let go.
                let _gone = ptrace::detach(tracee.tid, signal);
            }
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.detach_all();
    }
}
