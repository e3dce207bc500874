//! Killing a program at every moment that matters.
//!
//! A program reaches into another process by system calls only. So the moments at which its death could do harm are before and behind
//! each of those calls. They need no hooks in the program: it is traced here, as it may itself trace another.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};

use anyhow::{Context, Result, bail, ensure};
use libc::{c_int, c_long, c_void, pid_t};

use crate::patience::PATIENCE;

/// The calls that change another process, or what it is given.
const REACHING: [(c_long, &str); 5] = [
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_process_vm_writev, "process_vm_writev"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_kill, "kill"),
];
/// How `PTRACE_O_TRACESYSGOOD` marks the stops at system calls.
const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was killed before or behind this call.
    Killed(&'static str),
    /// It came to its end after so many moments, with this exit code.
    Exited {
        /// Moments at which it could have been killed.
        moments: usize,
        /// Exit code.
        code: c_int,
    },
}

/// Runs a command, and kills it with `SIGKILL` at the moment with this number, counted from 0.
///
/// # Errors
/// If it cannot be started or traced, or a signal ends it.
pub fn kill_at(command: Command, moment: usize) -> Result<Ending> {
    // A tracer is a thread; it must not take the news of anybody else's children.
    let (started, news) = mpsc::channel();
    let tracer = std::thread::spawn(move || trace(command, moment, &started));
    // The sender is dropped when the thread ends.
    let pid = news.recv_timeout(PATIENCE).ok();
    let late = matches!(news.recv_timeout(PATIENCE), Err(RecvTimeoutError::Timeout));
    if let Some(pid) = pid.filter(|_| late) {
        // SAFETY: takes two integers. The number is the program's: only the thread that still waits for it could give it free.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    let ending = tracer
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    ensure!(
        !late,
        "the program did not end within {PATIENCE:?}, moment {moment}: {ending:?}"
    );
    ending
}

fn trace(mut command: Command, moment: usize, started: &Sender<pid_t>) -> Result<Ending> {
    // SAFETY: ptrace is async-signal-safe, as is required between fork and exec.
    unsafe {
        command.pre_exec(
            || match libc::ptrace(libc::PTRACE_TRACEME, 0, 0_usize, 0_usize) {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            },
        );
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let pid = pid_t::try_from(child.id())?;
    let _unheard = started.send(pid);
    let mut tracees = Tracees { pid, moments: 0 };
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the answer.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        ensure!(tid > 0, "waitpid: {}", io::Error::last_os_error());
        if libc::WIFEXITED(status) && tid == pid {
            return Ok(Ending::Exited {
                moments: tracees.moments,
                code: libc::WEXITSTATUS(status),
            });
        }
        if libc::WIFSIGNALED(status) && tid == pid {
            bail!("signal {} ended the program", libc::WTERMSIG(status));
        }
        if !libc::WIFSTOPPED(status) {
            continue;
        }
        let (name, deliver) = tracees.on_stop(tid, status);
        if let Some(name) = name
            && tracees.moments > moment
        {
            tracees.kill()?;
            return Ok(Ending::Killed(name));
        }
        request(libc::PTRACE_SYSCALL, tid, deliver);
    }
}

/// The threads of the program.
struct Tracees {
    /// Its process id.
    pid: pid_t,
    /// Moments so far.
    moments: usize,
}

impl Tracees {
    /// A stopped thread: the name of the call that matters, if it is before or behind one, and the signal to deliver to it.
    fn on_stop(&mut self, tid: pid_t, status: c_int) -> (Option<&'static str>, c_int) {
        let signal = libc::WSTOPSIG(status);
        let mut found = None;
        let mut deliver = 0;
        if signal == SYSCALL_STOP {
            // SAFETY: the kernel writes the one structure.
            let number = unsafe {
                let mut registers: libc::user_regs_struct = std::mem::zeroed();
                libc::ptrace(libc::PTRACE_GETREGS, tid, 0_usize, &raw mut registers);
                c_long::try_from(registers.orig_rax)
            };
            found = REACHING
                .iter()
                .find(|(reaching, _)| Ok(*reaching) == number)
                .map(|(_, name)| *name);
            self.moments += usize::from(found.is_some());
        } else if signal == libc::SIGTRAP || status >> 16 != 0 {
            // The exec, a new thread, or its parent's news of it.
            let options =
                libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
            request(libc::PTRACE_SETOPTIONS, tid, options);
        } else if signal != libc::SIGSTOP {
            deliver = signal;
        }
        (found, deliver)
    }

    fn kill(&self) -> Result<()> {
        // SAFETY: takes two integers.
        let killed = unsafe { libc::kill(self.pid, libc::SIGKILL) };
        ensure!(
            killed == 0,
            "it cannot be killed: {}",
            io::Error::last_os_error()
        );
        loop {
            let mut status = 0;
            // SAFETY: `status` is a valid place for the answer.
            let tid =
                unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            if tid < 0 || (tid == self.pid && libc::WIFSIGNALED(status)) {
                return Ok(());
            }
        }
    }
}

/// A thread that has ended meanwhile needs no request.
fn request(request: libc::c_uint, tid: pid_t, data: c_int) {
    let data = std::ptr::without_provenance_mut::<c_void>(usize::try_from(data).unwrap_or(0));
    // SAFETY: the requests made here take no pointers.
    let _gone = unsafe { libc::ptrace(request, tid, std::ptr::null_mut::<c_void>(), data) };
}
