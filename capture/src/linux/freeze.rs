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
    /// Whether it waited for something when the process was stopped.
    is_idle: bool,
    event: ThreadEvent,
    /// Whether it was asked to stop.
    is_asked: bool,
    /// Whether it did not, in time.
    is_stuck: bool,
}

impl Tracee {
    fn is_awaited(&self) -> bool {
        self.is_asked && !self.is_stuck && self.event == ThreadEvent::None
    }
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
        let began = Instant::now();
        // Threads that sleep stop when they get a processor, one after the other: the program need not wait for that.
        frozen.find_idle_threads();
        frozen.interrupt(|tracee| tracee.is_idle, limit);
        for _ in 0..MAX_SCANS {
            frozen.interrupt(|_| true, limit);
            if let Some(limit) = limit.filter(|limit| began.elapsed() > *limit) {
                return Err(CaptureError::PauseTooLong { pid, limit });
            }
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

    /// Finds the threads that wait for something, the main thread aside: what the program does goes on without them for a moment.
    fn find_idle_threads(&mut self) {
        for tracee in &mut self.tracees {
            tracee.is_idle = tracee.tid != self.pid
                && procfs::Stat::read(self.pid, Some(tracee.tid))
                    .is_ok_and(|stat| stat.state != 'R');
        }
    }

    /// Asks threads to stop that were not asked yet, and waits until they have.
    fn interrupt(&mut self, which: impl Fn(&Tracee) -> bool, limit: Option<Duration>) {
        // The main thread, which comes first, last: it is the one that everybody waits for.
        for tracee in self.tracees.iter_mut().rev() {
            if tracee.is_asked || !which(tracee) {
                continue;
            }
            tracee.is_asked = true;
            if ptrace::interrupt(tracee.tid) == Err(Errno::ESRCH) {
                tracee.event = ThreadEvent::Exited;
            }
        }
        self.wait(limit.unwrap_or(STOP_BUDGET).min(STOP_BUDGET));
    }

    /// When the pause began: when the first stopped of those threads that did not wait for something anyway.
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

    /// Lets all threads go; returns how long those were stopped that did something, and what could not be stopped.
    pub fn thaw(mut self) -> (Duration, StopReport) {
        // Those that waited are let go after them: the first that runs may take the processor from this program.
        let (idle, mut busy): (Vec<_>, Vec<_>) = std::mem::take(&mut self.tracees)
            .into_iter()
            .partition(|tracee| tracee.is_idle);
        let last = busy.pop();
        self.tracees = busy;
        self.detach_all();
        // So may the last of the others, for milliseconds, before this program can look at the clock.
        let pause = self.stopped_at.elapsed();
        self.tracees = last.into_iter().chain(idle).collect();
        self.detach_all();
        (pause, std::mem::take(&mut self.report))
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
                        is_idle: false,
                        is_asked: false,
                        is_stuck: false,
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
                            is_idle: false,
                            is_asked: true,
                            is_stuck: false,
                        });
                    }
                }
            }
        }
        Ok(any)
    }

    /// Waits until every thread that was asked to has stopped or ended.
    fn wait(&mut self, budget: Duration) {
        let deadline = Instant::now() + budget;
        let mut spins = 0_u32;
        loop {
            // A thread that waits for a processor, and would do so without us, is not stopped yet.
            if !self.has_stopped_busy() {
                self.stopped_at = Instant::now();
            }
            let mut running = false;
            for tracee in &mut self.tracees {
                if tracee.is_awaited() {
                    tracee.event = ptrace::poll(tracee.tid).unwrap_or(ThreadEvent::Exited);
                    running |= tracee.is_awaited();
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
        let mut stuck = Vec::new();
        for tracee in self.tracees.iter_mut().filter(|tracee| tracee.is_awaited()) {
            tracee.is_stuck = true;
            stuck.push(tracee.tid);
        }
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

    /// Whether a thread stands that did something.
    fn has_stopped_busy(&self) -> bool {
        let busy = |tracee: &Tracee| !tracee.is_idle && !tracee.is_stuck;
        (self.tracees.iter()).any(|tracee| busy(tracee) && tracee.event != ThreadEvent::None)
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
        // The main thread, which comes first, first: for the same reason as it stops last.
        for tracee in self.tracees.drain(..) {
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
