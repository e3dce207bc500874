//! The addresses that stacks may return to.

use v8mini_format::memory::MemoryExt;
use v8mini_format::model::Region;

use super::StoppedProcess;
use crate::symbols::path_of;

/// Bytes of one stack that are looked at, from the stack pointer on. The main thread's limit is 8 MB as a rule.
const MAX_STACK_BYTES: u64 = 64 << 20;
/// Different addresses that are looked up. Real stacks have some hundreds.
const MAX_CANDIDATES: usize = 1 << 16;
/// Stacks are read in pieces of so many bytes.
const PIECE: u64 = 64 << 10;
/// Below the stack pointer, the x86-64 ABI lets leaf functions keep data.
const RED_ZONE: u64 = 128;
/// Bits of an address in user space on AArch64.
const AARCH64_ADDRESS: u64 = (1 << 48) - 1;

/// Addresses in the code of files, sorted, each once.
#[derive(Debug, Default)]
pub(super) struct Candidates(Vec<u64>);

impl Candidates {
    /// Every instruction pointer, and every word of a stack, that points into code of a file.
    pub(super) fn of(process: StoppedProcess<'_>) -> Self {
        let mut code: Vec<&Region> = process
            .regions
            .iter()
            .filter(|region| region.permissions.execute && !region.name.is_empty())
            .collect();
        code.sort_by_key(|region| region.start);
        let mut found = Self::default();
        for thread in process.threads {
            // Only AArch64 calls it so. There the bits above those of an address may hold a signature.
            let mask = match thread.register("pc") {
                Some(_) => AARCH64_ADDRESS,
                None => u64::MAX,
            };
            for name in ["rip", "pc", "x30"] {
                if let Some(address) = thread.register(name) {
                    found.consider(process.regions, &code, address & mask);
                }
            }
            let Some(stack_pointer) = thread.register("rsp").or_else(|| thread.register("sp"))
            else {
                continue;
            };
            let mut at = stack_pointer.saturating_sub(RED_ZONE) & !7;
            let end = thread.stack_end.min(at.saturating_add(MAX_STACK_BYTES));
            while at < end && found.0.len() < 4 * MAX_CANDIDATES {
                let len = PIECE.min(end - at);
                let Some(bytes) = readable(process, at, len) else {
                    break;
                };
                let (words, _) = bytes.as_chunks::<8>();
                for word in words {
                    found.consider(process.regions, &code, u64::from_le_bytes(*word) & mask);
                }
                at += bytes.len() as u64;
            }
            found.sort();
        }
        found.0.truncate(MAX_CANDIDATES);
        found
    }

    fn consider(&mut self, regions: &[Region], code: &[&Region], address: u64) {
        let after = code.partition_point(|region| region.start <= address);
        let inside = after.checked_sub(1).and_then(|index| code.get(index));
        if let Some(region) = inside.filter(|region| address <= region.end) {
            self.0.push(canonical_in(regions, region, address));
        }
    }

    fn sort(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// Those from `start` to `end`, both included: a call may be the last instruction of a function.
    pub(super) fn within(&self, start: u64, end: u64) -> &[u64] {
        let first = self.0.partition_point(|address| *address < start);
        let last = self.0.partition_point(|address| *address <= end);
        self.0.get(first..last).unwrap_or_default()
    }
}

/// As many of `len` bytes at `at` as can be read, in whole words.
fn readable(process: StoppedProcess<'_>, at: u64, len: u64) -> Option<Vec<u8>> {
    let mut len = len;
    loop {
        match process.memory.read_vec(at, len as usize) {
            Ok(bytes) => return Some(bytes),
            Err(_) if len >= 16 => len = (len / 2) & !7,
            Err(_) => return None,
        }
    }
}

/// The address under which a module's symbols know an instruction.
///
/// V8 from 11 on maps the builtins of the binary a second time, close to the code that it compiles ("short builtin calls"):
/// an address there stands for the same place of the file where the module itself is mapped.
pub fn canonical_address(regions: &[Region], address: u64) -> u64 {
    regions
        .iter()
        .find(|region| (region.start..region.end).contains(&address))
        .map_or(address, |region| canonical_in(regions, region, address))
}

fn canonical_in(regions: &[Region], region: &Region, address: u64) -> u64 {
    if !region.is_file() {
        return address;
    }
    let path = path_of(region);
    let offset = region
        .file_offset
        .wrapping_add(address.wrapping_sub(region.start));
    // The first mapping of a file is the module.
    regions
        .iter()
        .filter(|other| other.permissions.execute && path_of(other) == path)
        .find(|other| {
            offset
                .checked_sub(other.file_offset)
                .is_some_and(|within| within <= other.end.saturating_sub(other.start))
        })
        .map_or(address, |other| {
            other
                .start
                .wrapping_add(offset.wrapping_sub(other.file_offset))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::model::Permissions;

    #[test]
    fn second_mapping_of_code_stands_for_the_first() {
        let region = |start, end, file_offset, name: &str| Region {
            start,
            end,
            file_offset,
            permissions: Permissions {
                read: true,
                execute: true,
                ..Permissions::default()
            },
            name: name.to_owned(),
        };
        let regions = [
            region(0x40_0000, 0x60_0000, 0x1000, "/bin/node"),
            region(0x7000_0000, 0x7000_2000, 0x2000, "/bin/node"),
            region(0x7000_2000, 0x7000_3000, 0, ""),
        ];
        assert_eq!(canonical_address(&regions, 0x7000_0010), 0x40_1010);
        assert_eq!(canonical_address(&regions, 0x40_0010), 0x40_0010);
        assert_eq!(canonical_address(&regions, 0x7000_2010), 0x7000_2010);
        assert_eq!(canonical_address(&regions, 5), 5);
    }
}
