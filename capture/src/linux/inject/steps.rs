//! Following a thread through a chain, and reading what its calls return.

use std::fs::OpenOptions;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{c_int, pid_t, user_regs_struct};
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::Pid;

use super::call::{self, Call};
use super::chain::Chain;
use super::gadgets::Gadgets;
use super::idle::trace_error;
use super::{Outcome, Returned, Why};
use crate::linux::procfs;
use crate::linux::ptrace::{self, ThreadEvent};

/// A stopped thread on its way through a chain.
pub(super) struct Steps<'a> {
    pub(super) pid: pid_t,
    pub(super) tid: pid_t,
    pub(super) chain: &'a Chain,
    pub(super) calls: &'a [Call],
    pub(super) gadgets: &'a Gadgets,
    pub(super) limit: Duration,
}

impl Steps<'_> {
    /// Sends the thread into the chain and follows it to the end, where it is stopped again, with the registers that it had
    /// before. `on_return` is told each result while the thread is stopped behind that call.
    pub(super) fn run(
        &self,
        on_return: &mut (dyn FnMut(usize, Returned) + Send),
    ) -> Result<Outcome, Why> {
        write(self.pid, self.chain.base, &self.chain.bytes)
            .map_err(self.error("writing below the stack of"))?;
        ptrace::report_syscalls_and_clones(self.tid).map_err(self.error("tracing"))?;
        nix::sys::ptrace::setregs(Pid::from_raw(self.tid), self.chain.entry)
            .map_err(self.error("setting the registers of"))?;
        // From here on the thread finds back by itself, whatever becomes of this program.
        self.follow(on_return)
    }

    fn follow(&self, on_return: &mut (dyn FnMut(usize, Returned) + Send)) -> Result<Outcome, Why> {
        let deadline = Instant::now() + self.limit;
        let mut outcome = Outcome {
            returned: Vec::new(),
            child: None,
        };
        // Whether the thread is in a call, that is, whether the next stop is behind it.
        let mut inside = false;
        let mut signal = 0;
        loop {
            ptrace::resume_to_syscall(self.tid, signal).map_err(self.error("resuming"))?;
            signal = 0;
            match ptrace::wait(self.tid, deadline).map_err(self.error("waiting for"))? {
                ThreadEvent::Syscall => {}
                ThreadEvent::Cloned => {
                    let message = ptrace::event_message(self.tid).map_err(self.error("asking"))?;
                    outcome.child = pid_t::try_from(message).ok();
                    continue;
                }
                // It has got in before the first frame blocked all signals, or cannot be blocked.
                ThreadEvent::Signal(number) => {
                    signal = number;
                    continue;
                }
                ThreadEvent::Interrupted | ThreadEvent::GroupStop | ThreadEvent::OtherStop => {
                    continue;
                }
                ThreadEvent::Exited => return Err(Why::Exited { tid: self.tid }),
                ThreadEvent::None => {
                    return Err(Why::TimedOut {
                        tid: self.tid,
                        milliseconds: self.limit.as_millis(),
                    });
                }
            }
            let registers = self.registers()?;
            let done = outcome.returned.len();
            if done == self.calls.len() {
                if self.is_restored(&registers) {
                    return Ok(outcome);
                }
            } else if self.is_at_call(&registers, done) {
                inside = !inside;
                if !inside {
                    let returned = call::result(registers.rax);
                    self.pass_on(done, returned)?;
                    outcome.returned.push(returned);
                    on_return(done, returned);
                }
            }
        }
    }

    /// Whether the thread is stopped before or behind call `index`, and not in a signal handler's.
    fn is_at_call(&self, registers: &user_regs_struct, index: usize) -> bool {
        registers.rip == self.gadgets.syscall_end()
            && registers.rsp == self.chain.stack_pointer(index)
    }

    /// Whether the last frame has been loaded.
    fn is_restored(&self, registers: &user_regs_struct) -> bool {
        registers.rip == self.chain.exit.rip && registers.rsp == self.chain.exit.rsp
    }

    /// Puts a result into the frames of the calls that want it. An error leaves the -1 there.
    fn pass_on(&self, index: usize, returned: Returned) -> Result<(), Why> {
        let Ok(value) = returned else { return Ok(()) };
        for address in self.chain.wants_result(self.calls, index) {
            write(self.pid, address, &value.to_ne_bytes())
                .map_err(self.error("passing a result on to"))?;
        }
        Ok(())
    }

    fn registers(&self) -> Result<user_regs_struct, Why> {
        nix::sys::ptrace::getregs(Pid::from_raw(self.tid))
            .map_err(self.error("reading the registers of"))
    }

    fn error(&self, what: &'static str) -> impl Fn(Errno) -> Why {
        let tid = self.tid;
        move |errno| trace_error(what, tid, errno)
    }
}

/// Writes to the memory of a process, all or nothing.
fn write(pid: pid_t, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let remote = [RemoteIoVec {
        base,
        len: bytes.len(),
    }];
    match process_vm_writev(Pid::from_raw(pid), &[IoSlice::new(bytes)], &remote) {
        Ok(written) if written == bytes.len() => Ok(()),
        Ok(_) => Err(Errno::EFAULT),
        // Kernels and sandboxes without the call still have the file.
        Err(Errno::ENOSYS | Errno::EPERM) => OpenOptions::new()
            .write(true)
            .open(procfs::path(pid, "mem"))
            .and_then(|memory| memory.write_all_at(bytes, address))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as c_int))),
        Err(errno) => Err(errno),
    }
}
