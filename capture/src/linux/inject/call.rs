//! What a thread of the target is asked to do: system calls, by number and arguments.

use nix::errno::Errno;
use nix::libc::c_long;

/// Largest number that a system call returns as an error (`MAX_ERRNO` of `include/linux/err.h`).
const MAX_ERRNO: i32 = 4095;

/// One system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its number, such as `libc::SYS_close`.
    pub(super) number: c_long,
    pub(super) arguments: [Argument; 6],
}

/// An argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// This value.
    Value(u64),
    /// What an earlier call of the same list returned, counted from 0; -1 if that call failed, or if the capturing program
    /// dies before it has passed the result on.
    ResultOf(usize),
    /// For `clone` without `CLONE_VM`: a stack from which the child can do nothing but exit.
    ChildStack,
}

impl From<u64> for Argument {
    fn from(value: u64) -> Self {
        Self::Value(value)
    }
}

impl Call {
    /// A call with up to six arguments; the others are 0.
    pub fn new<const N: usize>(number: c_long, arguments: [Argument; N]) -> Self {
        let mut all = [Argument::Value(0); 6];
        for (place, argument) in all.iter_mut().zip(arguments) {
            *place = argument;
        }
        Self {
            number,
            arguments: all,
        }
    }

    /// The arguments, with this for results that are not known yet and for the child's stack.
    pub(super) fn values(&self, result: u64, child_stack: u64) -> [u64; 6] {
        self.arguments.map(|argument| match argument {
            Argument::Value(value) => value,
            Argument::ResultOf(_) => result,
            Argument::ChildStack => child_stack,
        })
    }
}

/// What the register of a result means.
pub(super) fn result(register: u64) -> Result<u64, Errno> {
    match i32::try_from(register.cast_signed().wrapping_neg()) {
        Ok(number @ 1..=MAX_ERRNO) => Err(Errno::from_raw(number)),
        _ => Ok(register),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_from_addresses() {
        assert_eq!(result(17), Ok(17));
        assert_eq!(result(0xffff_ffff_ff60_0000), Ok(0xffff_ffff_ff60_0000));
        assert_eq!(result((-11_i64).cast_unsigned()), Err(Errno::EAGAIN));
        assert_eq!(
            result((-4096_i64).cast_unsigned()),
            Ok((-4096_i64).cast_unsigned())
        );
    }

    #[test]
    fn arguments_take_their_places() {
        let call = Call::new(
            nix::libc::SYS_close,
            [Argument::ResultOf(0), 7.into(), Argument::ChildStack],
        );
        assert_eq!(call.values(5, 0x1000), [5, 7, 0x1000, 0, 0, 0]);
    }
}
