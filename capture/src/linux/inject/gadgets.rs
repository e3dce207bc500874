//! Instructions to borrow from the code of the target: nothing is ever written to its code.

use memchr::memmem::Finder;
use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::Region;

use super::Why;

/// `syscall; ret`: makes a call, then goes on at the address that the stack pointer points at. Every C library has it, in
/// calls as plain as `getpid`.
const SYSCALL_RET: &[u8] = b"\x0f\x05\xc3";
/// Bytes of `syscall`.
const SYSCALL_BYTES: u64 = 2;
/// `mov $15, %rax; syscall`: glibc's and musl's `__restore_rt`, through which every signal handler returns. The second form
/// is what an optimising assembler makes of it.
const RESTORERS: [&[u8]; 2] = [
    b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05",
    b"\xb8\x0f\x00\x00\x00\x0f\x05",
];
/// Code is searched in steps of this size, which overlap by the longest of the patterns.
const STEP: u64 = 1 << 20;
const OVERLAP: u64 = 16;

/// Where the borrowed instructions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gadgets {
    /// Address of `syscall; ret`.
    pub(super) syscall: u64,
    /// Address of `mov $15, %rax; syscall`: returns from a signal handler.
    pub(super) sigreturn: u64,
    /// Address behind the `syscall` of the latter.
    pub(super) sigreturn_end: u64,
}

impl Gadgets {
    /// Searches the C library first, and then all other code that comes from files.
    pub(super) fn find(memory: &dyn Memory, regions: &[Region]) -> Result<Self, Why> {
        let is_code = |region: &&Region| {
            region.permissions.execute && !region.permissions.write && region.is_file()
        };
        let is_c_library = |region: &&Region| {
            let file = region.name.rsplit('/').next().unwrap_or_default();
            ["libc.", "libc-", "ld-musl", "libpthread"]
                .iter()
                .any(|name| file.starts_with(name))
        };
        let (first, rest): (Vec<&Region>, Vec<&Region>) =
            regions.iter().filter(is_code).partition(is_c_library);
        let mut search = Search::default();
        for region in first.into_iter().chain(rest) {
            search.region(memory, region);
            if let Some(found) = search.found() {
                return Ok(found);
            }
        }
        Err(Why::NoInstructions {
            what: match search.syscall {
                None => "syscall; ret",
                Some(_) => "mov $15, %rax; syscall",
            },
        })
    }

    /// Address behind the `syscall` of `syscall; ret`, where a thread is while it makes a call.
    pub(super) fn syscall_end(&self) -> u64 {
        self.syscall.wrapping_add(SYSCALL_BYTES)
    }
}

#[derive(Debug, Default)]
struct Search {
    syscall: Option<u64>,
    /// Where it begins and ends.
    sigreturn: Option<(u64, u64)>,
}

impl Search {
    fn region(&mut self, memory: &dyn Memory, region: &Region) {
        let syscall = Finder::new(SYSCALL_RET);
        let restorers = RESTORERS.map(Finder::new);
        let mut at = region.start;
        while at < region.end && self.found().is_none() {
            let len = (region.end - at).min(STEP + OVERLAP);
            let len = usize::try_from(len).unwrap_or(0);
            if let Ok(code) = memory.read_vec(at, len) {
                let address = |offset: usize| at.wrapping_add(offset as u64);
                self.syscall = self.syscall.or_else(|| syscall.find(&code).map(address));
                self.sigreturn = self.sigreturn.or_else(|| {
                    restorers.iter().find_map(|restorer| {
                        let start = address(restorer.find(&code)?);
                        Some((start, start.wrapping_add(restorer.needle().len() as u64)))
                    })
                });
            }
            at = at.saturating_add(STEP);
        }
    }

    fn found(&self) -> Option<Gadgets> {
        let (sigreturn, sigreturn_end) = self.sigreturn?;
        Some(Gadgets {
            syscall: self.syscall?,
            sigreturn,
            sigreturn_end,
        })
    }
}
