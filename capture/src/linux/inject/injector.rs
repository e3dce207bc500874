//! Choosing a thread, and having it make system calls.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::pid_t;
use v8mini_format::memory::Memory;
use v8mini_format::model::Region;

use super::call::Call;
use super::chain::Chain;
use super::frame::FRAME_BYTES;
use super::gadgets::Gadgets;
use super::idle::{self, IdleThread, trace_error};
use super::steps::Steps;
use super::{Outcome, Returned, Why, seccomp};
use crate::linux::freeze::Frozen;
use crate::linux::maps;
use crate::linux::ptrace::{self, ThreadEvent};

/// How long to look for an idle thread: during a collection all workers are busy.
const PATIENCE: Duration = Duration::from_millis(200);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(2);
/// How long to wait for one thread to stop.
const STOP_LIMIT: Duration = Duration::from_millis(100);
/// Bytes of a chain besides its frames: vector registers (11 KiB with AMX), alignment, red zone.
const CHAIN_OVERHEAD: u64 = 16 << 10;

/// Makes system calls in another process.
#[derive(Debug, Clone, Copy)]
pub struct Injector {
    pid: pid_t,
    gadgets: Gadgets,
}

impl Injector {
    /// Finds what is needed in the code of a process. Nothing is stopped.
    ///
    /// # Errors
    /// When its code has no instructions to borrow.
    pub fn find(pid: pid_t, memory: &dyn Memory, regions: &[Region]) -> Result<Self, Why> {
        Ok(Self {
            pid,
            gadgets: Gadgets::find(memory, regions)?,
        })
    }

    /// Has an idle thread make calls, while all others run; it takes about 0.1 ms. `on_return` is told each result while the
    /// thread is stopped behind that call: what it does then happens before the next call.
    ///
    /// # Errors
    /// When no thread can be used, or a seccomp filter would do anything but let the calls pass.
    pub fn run(
        &self,
        calls: &[Call],
        limit: Duration,
        on_return: &mut (dyn FnMut(usize, Returned) + Send),
    ) -> Result<Vec<Returned>, Why> {
        // On an operating-system thread of its own: its end detaches from a thread that cannot be let go otherwise.
        let outcome = std::thread::scope(|scope| {
            match scope
                .spawn(|| self.run_attached(calls, limit, on_return))
                .join()
            {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        Ok(outcome?.returned)
    }

    fn run_attached(
        &self,
        calls: &[Call],
        limit: Duration,
        on_return: &mut (dyn FnMut(usize, Returned) + Send),
    ) -> Result<Outcome, Why> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let candidates = idle::candidates(self.pid)?;
            for tid in &candidates {
                let Some(attached) = Attached::stop(*tid)? else {
                    continue;
                };
                let regions = self.regions()?;
                if let Some(thread) = self.idle_thread(*tid, &regions, calls)? {
                    let outcome = self.run_on(&thread, calls, limit, on_return);
                    attached.let_go();
                    return outcome;
                }
                attached.let_go();
            }
            if Instant::now() > deadline {
                return Err(Why::NoIdleThread {
                    threads: candidates.len(),
                });
            }
            std::thread::sleep(PAUSE_BETWEEN_LOOKS);
        }
    }

    /// The same with an idle thread of a process of which all threads are stopped, and stay so. Calls that clone are allowed. Nothing is
    /// done unless a seccomp filter would let `later` pass, too.
    ///
    /// # Errors
    /// As [`Self::run`]; besides, when the process is stopped by a job-control signal.
    pub fn run_frozen(
        &self,
        frozen: &Frozen,
        regions: &[Region],
        calls: &[Call],
        later: &[Call],
        limit: Duration,
    ) -> Result<Outcome, Why> {
        if frozen.is_in_group_stop() {
            return Err(Why::Stopped);
        }
        let mut ranked: Vec<_> = frozen
            .interrupted()
            .filter_map(|tid| Some((idle::rank(self.pid, tid)?, tid)))
            .collect();
        ranked.sort_unstable();
        for (_, tid) in ranked {
            if let Some(thread) = self.idle_thread(tid, regions, calls)? {
                seccomp::check(self.pid, tid, later, &self.gadgets)?;
                return self.run_on(&thread, calls, limit, &mut |_, _| {});
            }
        }
        Err(Why::NoIdleThread {
            threads: frozen.threads().count(),
        })
    }

    fn idle_thread(
        &self,
        tid: pid_t,
        regions: &[Region],
        calls: &[Call],
    ) -> Result<Option<IdleThread>, Why> {
        let frames = (calls.len() as u64).saturating_add(2);
        let bytes = frames
            .saturating_mul(FRAME_BYTES)
            .saturating_add(CHAIN_OVERHEAD);
        IdleThread::of(self.pid, tid, regions, bytes)
    }

    fn run_on(
        &self,
        thread: &IdleThread,
        calls: &[Call],
        limit: Duration,
        on_return: &mut (dyn FnMut(usize, Returned) + Send),
    ) -> Result<Outcome, Why> {
        let (pid, tid) = (self.pid, thread.tid);
        seccomp::check(pid, tid, calls, &self.gadgets)?;
        let chain = Chain::new(thread, &self.gadgets, calls)
            .ok_or_else(|| trace_error("addressing the stack of", tid, Errno::EOVERFLOW))?;
        let steps = Steps {
            pid,
            tid,
            chain: &chain,
            calls,
            gadgets: &self.gadgets,
            limit,
        };
        steps.run(on_return)
    }

    fn regions(&self) -> Result<Vec<Region>, Why> {
        maps::read_regions(self.pid).map_err(|_| Why::Exited { tid: self.pid })
    }
}

/// One thread that is attached and stopped. Dropping it lets it go.
struct Attached {
    tid: pid_t,
}

impl Attached {
    /// Stops a thread: `None` if it is gone, or was on its way to handle a signal, which it then does.
    fn stop(tid: pid_t) -> Result<Option<Self>, Why> {
        match ptrace::seize(tid) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(None),
            Err(errno) => return Err(trace_error("attaching to", tid, errno)),
        }
        // Seized, it is let go by the end of this operating-system thread, if by nothing else.
        if ptrace::interrupt(tid).is_err() {
            return Ok(None);
        }
        let attached = Self { tid };
        match ptrace::wait(tid, Instant::now() + STOP_LIMIT) {
            Ok(ThreadEvent::Interrupted) => Ok(Some(attached)),
            Ok(ThreadEvent::GroupStop) => Err(Why::Stopped),
            Ok(ThreadEvent::Signal(signal)) => {
                let _gone = ptrace::detach(tid, signal);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn let_go(self) {
        drop(self);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // ESRCH: it is gone, or runs, or was let go before.
        let _gone = ptrace::detach(self.tid, 0);
    }
}
