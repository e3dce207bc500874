//! Copying while the process runs, and stopping it only for what has changed since.
//!
//! All memory that the image may consist of is write-protected, asynchronously, and copied. What is written meanwhile is copied again, in
//! rounds, until little is left; then the process is stopped, the rest is copied, and it goes on. The modes differ in how the
//! written pages are known in the stop:
//!
//! - `log`: page faults were logged all the time, so nothing is searched. The stop takes as long as stopping the threads and
//!   copying the pages of the last round. Any doubt about the log falls back to the scan, in the same stop.
//! - `precopy`: a scan of the page tables, about 2 to 5 ms per gigabyte.

mod copier;
mod finish;
mod halt;
mod haste;
mod image;
mod live;
mod overlay;
mod patience;
mod settle;
mod spill;
mod stage;
mod steps;
mod still;
mod throttle;
mod tools;
mod watched;

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::model::Region;

use self::copier::CopyError;
use self::halt::{Halt, Halted};
use self::live::Session;
use self::tools::Tools;
use super::collection::{stopped_again, wait_after};
use super::error::CaptureError;
use super::inject::Injector;
use super::live::Target;
use super::manners::on_a_thread;
use super::mode::Mode;
use super::options::Options;
use super::snapshot::{Planner, Snapshot, Snapshotter};

/// How often the process is stopped in vain because more was written than there was room for.
const MAX_SMALL_STOPS: u32 = 3;

/// Copies while the process runs, then stops it for the rest.
pub(super) struct Precopy<'a> {
    pid: pid_t,
    page_size: u64,
    mode: Mode,
    regions: &'a [Region],
    tools: Option<Tools>,
    options: &'a Options,
    /// Told the bytes copied, and about how many there are.
    progress: &'a mut (dyn FnMut(u64, u64) + Send),
}

impl<'a> Precopy<'a> {
    /// Prepares to watch a process, in the mode [`Mode::Log`] or [`Mode::Precopy`].
    ///
    /// # Errors
    /// [`CaptureError::Unavailable`] where the kernel, permissions or the process do not allow it.
    pub(super) fn new(
        target: &'a Target,
        mode: Mode,
        injector: Injector,
        options: &'a Options,
        progress: &'a mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Self, CaptureError> {
        let Target { pid, page_size, .. } = *target;
        let tools =
            Tools::acquire(pid, page_size, injector, mode == Mode::Log).map_err(|reason| {
                CaptureError::Unavailable {
                    pid,
                    mode: mode.name(),
                    reason,
                }
            })?;
        Ok(Self {
            pid,
            page_size,
            mode,
            regions: &target.regions,
            tools: Some(tools),
            options,
            progress,
        })
    }
}

impl Snapshotter for Precopy<'_> {
    fn mode(&self) -> &'static str {
        self.mode.name()
    }

    fn snapshot(&mut self, planner: &mut dyn Planner) -> Result<Snapshot, CaptureError> {
        let pid = self.pid;
        let Some(tools) = self.tools.take() else {
            return Err(CaptureError::Exited { pid });
        };
        let mut session = Session::new(pid, self.page_size, self.regions, tools, self.options)
            .map_err(|error| self.error(error))?;
        let progress = &mut *self.progress;
        on_a_thread(|| session.first_copy(planner, progress)).map_err(|error| self.error(error))?;
        let (mut small, mut collecting) = (0, 0);
        let halted = loop {
            on_a_thread(|| session.rounds(planner)).map_err(|error| self.error(error))?;
            let halt = Halt {
                limits: self.options,
                mode: self.mode,
                may_be_collecting: collecting >= self.options.retries,
                may_grow: small >= MAX_SMALL_STOPS,
            };
            match on_a_thread(|| halt.run(&mut session, planner))? {
                Halted::Done(done) => break *done,
                Halted::TooSmall => small += 1,
                Halted::Collecting => {
                    collecting += 1;
                    wait_after(collecting);
                }
            }
        };
        if collecting > 0 {
            session.notes.push(stopped_again(collecting));
        }
        on_a_thread(|| session.finish(planner, halted)).map_err(|error| self.error(error))
    }
}

impl Precopy<'_> {
    fn error(&self, error: SessionError) -> CaptureError {
        error.of(self.pid, self.mode)
    }
}

/// Why a capture ends early.
#[derive(Debug)]
enum SessionError {
    Exited,
    Proc(std::io::Error),
    Store(std::io::Error),
    /// The kernel refuses to watch the process.
    Refused(String),
    /// The process cannot be stopped.
    Stop(CaptureError),
}

impl SessionError {
    /// A scan that also protects has failed. What it has protected, nobody knows.
    fn scan(errno: Errno) -> Self {
        match errno {
            Errno::ESRCH => Self::Exited,
            errno => Self::Proc(errno.into()),
        }
    }

    /// The error of a capture of `pid` in `mode`.
    fn of(self, pid: pid_t, mode: Mode) -> CaptureError {
        match self {
            Self::Exited => CaptureError::Exited { pid },
            Self::Proc(error) => CaptureError::proc(pid, &error),
            Self::Store(source) => CaptureError::Store { pid, source },
            Self::Stop(error) => error,
            Self::Refused(reason) => CaptureError::Unavailable {
                pid,
                mode: mode.name(),
                reason,
            },
        }
    }
}

impl From<CopyError> for SessionError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Exited => Self::Exited,
            CopyError::Store(source) => Self::Store(source),
        }
    }
}
