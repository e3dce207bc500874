//! A chain of signal frames: system calls that a thread makes one after the other, and then is as it was.
//!
//! All of it lies below the thread's stack, where nobody has data, before the thread's registers are touched:
//!
//! ```text
//!  low   frame 0      loads call 0, returns into ...
//!        frame 1      loads call 1, returns into ...
//!        last frame   loads the thread's own registers, signal mask and vector registers
//!        child frame  loads exit_group: the only thing that a cloned child can do
//!        xstate       the vector registers
//!        128 bytes    the red zone, which belongs to the interrupted function
//!  high  the thread's stack
//! ```
//!
//! One request, `PTRACE_SETREGS`, sends the thread into frame 0. From then on it needs nobody to come back: it does so by
//! itself if the tracer is killed, at whatever instruction.

use nix::libc::{self, user_regs_struct};

use super::call::{Argument, Call};
use super::frame::{self, FRAME_BYTES, Frame};
use super::gadgets::Gadgets;
use super::idle::IdleThread;

/// Bytes below the stack pointer that the x86-64 ABI gives to the running function.
const RED_ZONE: u64 = 128;
/// The alignment that XSAVE wants.
const XSTATE_ALIGNMENT: u64 = 64;
/// Left free below the chain: a signal handler that gets in before the first frame has blocked all signals needs a stack.
pub(super) const HANDLER_ROOM: u64 = 64 << 10;

/// Stands in a frame for a result until the tracer puts it there: as a file descriptor, one that nobody has.
const NO_RESULT: u64 = u64::MAX;

/// A chain, ready to be written into the target.
#[derive(Debug)]
pub(super) struct Chain {
    /// Address of its first byte, and of frame 0.
    pub(super) base: u64,
    pub(super) bytes: Vec<u8>,
    /// What sends the thread into it.
    pub(super) entry: user_regs_struct,
    /// The registers with which it ends.
    pub(super) exit: user_regs_struct,
}

impl Chain {
    /// Builds the chain for an idle thread; `None` if addresses overflow.
    pub(super) fn new(thread: &IdleThread, gadgets: &Gadgets, calls: &[Call]) -> Option<Self> {
        let registers = &thread.registers;
        let top = registers.rsp.checked_sub(RED_ZONE)?;
        let xstate = top.checked_sub(thread.xstate.bytes.len() as u64)? / XSTATE_ALIGNMENT
            * XSTATE_ALIGNMENT;
        let child = xstate.checked_sub(FRAME_BYTES)?;
        let frames = (calls.len() as u64).checked_add(1)?;
        let base = child.checked_sub(frames.checked_mul(FRAME_BYTES)?)?;

        let mut bytes = Vec::new();
        let mut next = base;
        for call in calls {
            next = next.checked_add(FRAME_BYTES)?;
            let number = u64::try_from(call.number).ok()?;
            let arguments = call.values(NO_RESULT, child);
            let frame = Frame::call(number, arguments, gadgets.syscall, next, registers);
            bytes.extend(frame.bytes(gadgets.sigreturn));
        }
        let exit = thread.resumption();
        bytes.extend(Frame::resume(&exit, thread.signal_mask, xstate).bytes(gadgets.sigreturn));
        let exit_group = u64::try_from(libc::SYS_exit_group).ok()?;
        // It returns into itself: should it ever fail, it is tried again.
        let last = Frame::call(exit_group, [0; 6], gadgets.syscall, child, registers);
        bytes.extend(last.bytes(gadgets.sigreturn));
        bytes.extend(&thread.xstate.bytes);
        Some(Self {
            base,
            bytes,
            entry: user_regs_struct {
                rip: gadgets.sigreturn,
                // As if a handler had just returned, and so taken its return address from the stack.
                rsp: base.checked_add(8)?,
                // No system call that the kernel would want to restart.
                orig_rax: u64::MAX,
                ..*registers
            },
            exit,
        })
    }

    /// The stack pointer during call `index`: the address of the frame behind it.
    pub(super) fn stack_pointer(&self, index: usize) -> u64 {
        self.base
            .wrapping_add((index as u64).wrapping_add(1).wrapping_mul(FRAME_BYTES))
    }

    /// Where later calls want the result of call `index` as an argument.
    pub(super) fn wants_result<'a>(
        &'a self,
        calls: &'a [Call],
        index: usize,
    ) -> impl Iterator<Item = u64> + 'a {
        let arguments = calls.iter().enumerate().skip(index + 1);
        arguments.flat_map(move |(later, call)| {
            let frame = self
                .base
                .wrapping_add((later as u64).wrapping_mul(FRAME_BYTES));
            let of_index = call.arguments.iter().enumerate();
            of_index
                .filter(move |(_, argument)| **argument == Argument::ResultOf(index))
                .filter_map(move |(place, _)| {
                    Some(frame.wrapping_add(frame::argument_offset(place)?))
                })
        })
    }
}
