//! What the kernel put at the bottom of the main thread's stack: the command line, and above it the environment.
//!
//! From low to high addresses: `argc`, the addresses of the arguments, 0, those of the environment, 0, the auxiliary vector,
//! and then the strings themselves. The auxiliary vector is also a note, so it can be found again, and from it `argc`.

use v8mini_format::memory::{Memory, MemoryExt};

use super::notes::Notes;

/// `AT_RANDOM`: address of 16 random bytes between the auxiliary vector and the strings.
const AT_RANDOM: u64 = 25;
/// Between the auxiliary vector and the random bytes lie the platform's name and padding.
const VECTOR_TO_RANDOM: u64 = 16 << 10;
/// Arguments and environment variables that are stepped over.
const MAX_POINTERS: u64 = 1 << 17;
/// Arguments that are kept.
const MAX_ARGUMENTS: usize = 4096;
/// Bytes of the command line that are kept.
const MAX_ARGUMENT_BYTES: usize = 64 << 10;

/// The bottom of the main thread's stack.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StackBottom {
    /// Address of `argc`, which is `start_stack` in `/proc/PID/stat`: the program's frames are below.
    pub(super) address: u64,
    /// The command line as it is in memory now; a program that sets its title overwrites it.
    pub(super) arguments: Vec<String>,
}

/// Finds the bottom of the main stack, if the core has it.
pub(super) fn find(memory: &dyn Memory, notes: &Notes) -> Option<StackBottom> {
    let random = notes.auxiliary(AT_RANDOM)?;
    let &[(first_key, first_value), (second_key, second_value), ..] = notes.auxiliary.as_slice()
    else {
        return None;
    };
    let word = |address: u64| memory.read_u64(address).ok();
    let vector = (1..VECTOR_TO_RANDOM / 8)
        .filter_map(|n| (random & !7).checked_sub(n * 8))
        .find(|&at| {
            word(at) == Some(first_key)
                && word(at.saturating_add(8)) == Some(first_value)
                && word(at.saturating_add(16)) == Some(second_key)
                && word(at.saturating_add(24)) == Some(second_value)
        })?;
    // Down over the environment: it ends with 0 in front of the vector, and the arguments end with 0 in front of it.
    let mut at = vector.checked_sub(8).filter(|&at| word(at) == Some(0))?;
    let environment = (0..MAX_POINTERS).find_map(|_| {
        at = at.checked_sub(8)?;
        (word(at)? == 0).then_some(at)
    })?;
    // Down over the arguments to the word that is their number. No address is as small.
    let (address, count) = (0..MAX_POINTERS).find_map(|count| {
        let at = environment.checked_sub((count + 1) * 8)?;
        (word(at)? == count).then_some((at, count))
    })?;
    let mut arguments = Vec::new();
    let mut room = MAX_ARGUMENT_BYTES;
    for n in 1..=count {
        let text = word(address + n * 8).and_then(|at| c_string(memory, at, room));
        let Some(text) = text.filter(|_| arguments.len() < MAX_ARGUMENTS) else {
            break;
        };
        room = room.saturating_sub(text.len());
        arguments.push(text);
    }
    Some(StackBottom { address, arguments })
}

/// The string at `address`, or `None` if it is not all there or longer than `max` bytes.
fn c_string(memory: &dyn Memory, address: u64, max: usize) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < max {
        // Aligned words never reach into a mapping that is not there.
        let at = address.checked_add(bytes.len() as u64)?;
        let word: [u8; 8] = memory.read_array(at & !7).ok()?;
        let part = word.get((at & 7) as usize..)?;
        match part.iter().position(|&byte| byte == 0) {
            Some(end) => {
                bytes.extend(part.iter().take(end));
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            None => bytes.extend(part),
        }
    }
    None
}
