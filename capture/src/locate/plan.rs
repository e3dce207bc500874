//! Which memory a capture consists of.

use std::collections::BTreeSet;

use v8mini_format::memory::{Memory, MemoryRange};
use v8mini_format::model::{GcState, Isolate, Page, Region, Space, Thread};

use super::handles::{Holders, find_handles_again};
use super::header::HEADER_BYTES;
use super::isolate::{IsolateClues, isolate_block, pair_isolates};
use super::local_heap::LocalAllocators;
use super::scan::Pages;

/// Ranges of memory to store: collected in any order, then cut to what is readable.
#[derive(Debug, Clone, Default)]
pub struct ReadPlan {
    wanted: Vec<MemoryRange>,
}

/// Bytes of an off-page header that are stored (V8 12.9 and later); the objects are larger, the rest is of no use offline.
const METADATA_BYTES: u64 = 0x100;
/// A `Space` and what surrounds it: the owner of new-space pages is a `SemiSpace` inside `NewSpace`, whose allocation area comes first.
const SPACE_BEFORE: u64 = 0x400;
const SPACE_AFTER: u64 = 0x600;
/// Below the stack pointer, the x86-64 ABI lets leaf functions keep data (the red zone).
const RED_ZONE: u64 = 128;
/// Above a thread's pointer lies its `struct pthread` (glibc: 0x900 bytes; musl less), and then nothing of the stack.
const THREAD_CONTROL_BLOCK: u64 = 0x1000;

impl ReadPlan {
    /// Plans what every image of a heap consists of, from wherever it is taken: the pages, the isolates with their handles,
    /// and of each thread the live stack and the words that say which isolate it has entered.
    ///
    /// For `main_stack_bottom`, see [`ReadPlan::add_stack`]. `with_from_space` asks for the unused semispace, which holds no objects.
    pub fn of_heap(
        memory: &dyn Memory,
        pages: &Pages,
        threads: &[Thread],
        main_stack_bottom: Option<u64>,
        clues: IsolateClues<'_>,
        with_from_space: bool,
    ) -> Self {
        let mut plan = Self::default();
        let isolates = pair_isolates(memory, pages, threads, clues);
        for isolate in &isolates {
            plan.add_isolate(memory, isolate);
            plan.add_ranges(LocalAllocators::find(memory, isolate.heap).ranges());
        }
        // The unused semispace may be left out only if it is sure that nothing is being copied between the two.
        let idle = isolates
            .iter()
            .all(|isolate| isolate.gc_state == GcState::Idle);
        plan.add_pages(&pages.pages, with_from_space || !idle);
        for thread in threads {
            plan.add_stack(thread, main_stack_bottom);
            plan.add_ranges(clues.ranges(thread));
        }
        plan
    }

    /// Adds an isolate, and the memory of its handles and of the table of functions' code.
    pub fn add_isolate(&mut self, memory: &dyn Memory, isolate: &Isolate) {
        let block = isolate_block(memory, isolate.address, isolate.heap);
        self.add_isolate_again(memory, isolate, block, &Holders::default());
    }

    /// The same, knowing its [`isolate_block`] and the [`Handles::holders`](super::Handles::holders) of an earlier search.
    pub fn add_isolate_again(
        &mut self,
        memory: &dyn Memory,
        isolate: &Isolate,
        block: MemoryRange,
        holders: &Holders,
    ) {
        // The allocator's word in front tells an isolate from other things without symbols.
        self.add(block.start.saturating_sub(8), block.end());
        let handles = find_handles_again(memory, isolate.address, block, holders);
        self.add_ranges(handles.memory);
        self.add_ranges(handles.dispatch_table.unwrap_or_default().memory);
    }

    /// Adds a range.
    pub fn add(&mut self, start: u64, end: u64) {
        if let Some(len) = end.checked_sub(start).filter(|&len| len > 0) {
            self.wanted.push(MemoryRange { start, len });
        }
    }

    /// Adds ranges.
    pub fn add_ranges(&mut self, ranges: impl IntoIterator<Item = MemoryRange>) {
        self.wanted.extend(ranges);
    }

    /// Adds what reading the pages' objects takes: the pages, their off-page metadata, and the spaces that own them.
    ///
    /// The unused semispace holds no objects outside a garbage collection; `with_from_space` asks for it nevertheless.
    pub fn add_pages(&mut self, pages: &[Page], with_from_space: bool) {
        self.add_metadata(pages);
        for page in pages {
            if page.space == Space::NewFrom && !with_from_space {
                // The header alone: the page is part of the heap, its contents are not.
                let header_end = page.address.saturating_add(HEADER_BYTES as u64);
                self.add(page.address, header_end.max(page.area_start));
            } else {
                self.add(page.address, page.area_end);
            }
        }
    }

    /// Adds the pages' off-page metadata, and the spaces that own them.
    pub fn add_metadata(&mut self, pages: &[Page]) {
        let mut owners = BTreeSet::new();
        for page in pages {
            owners.insert(page.owner);
            if page.metadata_address != 0 {
                self.add(
                    page.metadata_address,
                    page.metadata_address.saturating_add(METADATA_BYTES),
                );
            }
        }
        owners.remove(&0);
        for owner in owners {
            self.add(
                owner.saturating_sub(SPACE_BEFORE),
                owner.saturating_add(SPACE_AFTER),
            );
        }
    }

    /// Adds the live part of a thread's stack.
    ///
    /// `main_stack_bottom` is where the main thread's stack began: above it lie the arguments and the environment of
    /// the process, which are never stored.
    pub fn add_stack(&mut self, thread: &Thread, main_stack_bottom: Option<u64>) {
        let Some(stack_pointer) = thread.register("rsp").or_else(|| thread.register("sp")) else {
            return;
        };
        let mut end = thread.stack_end;
        // A thread's own stack ends at its control block; mappings behind it may be joined to it by the kernel.
        let control_block = thread
            .register("fs_base")
            .filter(|base| (stack_pointer..end).contains(base));
        if let Some(bottom) =
            main_stack_bottom.filter(|bottom| (stack_pointer..=end).contains(bottom))
        {
            end = bottom;
        } else if let Some(base) = control_block {
            end = end.min(base.saturating_add(THREAD_CONTROL_BLOCK));
        } else if main_stack_bottom.is_none() {
            // This may be the main thread's stack, with the environment at its end.
            return;
        }
        self.add(stack_pointer.saturating_sub(RED_ZONE), end);
    }

    /// The ranges within `readable` (sorted, disjoint): sorted, disjoint, neighbours merged.
    pub fn finish(mut self, readable: &[MemoryRange]) -> Vec<MemoryRange> {
        self.wanted.sort_unstable();
        let mut plan: Vec<MemoryRange> = Vec::new();
        let mut done = 0;
        for wanted in &self.wanted {
            let start = wanted.start.max(done);
            let first = readable.partition_point(|range| range.end() <= start);
            for range in readable
                .iter()
                .skip(first)
                .take_while(|range| range.start < wanted.end())
            {
                let start = start.max(range.start);
                let end = wanted.end().min(range.end());
                let Some(len) = end.checked_sub(start).filter(|&len| len > 0) else {
                    continue;
                };
                match plan.last_mut() {
                    Some(last) if last.end() == start => last.len += len,
                    _ => plan.push(MemoryRange { start, len }),
                }
            }
            done = done.max(wanted.end());
        }
        plan
    }
}

/// Where the main thread's stack began, if that lies in a mapping: the kernel says 0 to those who may not know.
pub fn checked_stack_bottom(regions: &[Region], bottom: u64) -> Option<u64> {
    // It may be the end of a mapping.
    let below = Region::at(regions, bottom).or_else(|| Region::at(regions, bottom.checked_sub(1)?));
    below.map(|_| bottom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::model::Register;

    fn range(start: u64, len: u64) -> MemoryRange {
        MemoryRange { start, len }
    }

    #[test]
    fn ranges_are_merged_and_cut() {
        let mut plan = ReadPlan::default();
        plan.add(0x3000, 0x5000);
        plan.add(0x1000, 0x2800);
        plan.add(0x2000, 0x3000);
        plan.add(0x4000, 0x4100);
        plan.add(0x9000, 0x9000);
        plan.add(0x8000, 0x7000);
        let readable = [
            range(0x1800, 0x1000),
            range(0x2a00, 0x1600),
            range(0x4800, 0x8000),
        ];
        assert_eq!(
            plan.finish(&readable),
            [
                range(0x1800, 0x1000),
                range(0x2a00, 0x1600),
                range(0x4800, 0x800)
            ]
        );
    }

    fn thread(sp: u64, fs_base: u64, stack_end: u64) -> Thread {
        let register = |name: &str, value| Register {
            name: name.into(),
            value,
        };
        Thread {
            registers: vec![register("rsp", sp), register("fs_base", fs_base)],
            stack_end,
            ..Thread::default()
        }
    }

    fn stack(thread: &Thread, bottom: Option<u64>) -> Vec<MemoryRange> {
        let mut plan = ReadPlan::default();
        plan.add_stack(thread, bottom);
        plan.finish(&[range(0, 1 << 40)])
    }

    #[test]
    fn main_stack_stops_below_the_environment() {
        let main = thread(0x7000_0000, 0x1234_0000, 0x7002_1000);
        assert_eq!(
            stack(&main, Some(0x7001_0010)),
            [range(0x7000_0000 - 128, 0x1_0010 + 128)]
        );
    }

    #[test]
    fn other_stacks_stop_at_the_control_block() {
        let worker = thread(0x8000_0000, 0x8000_8000, 0x9000_0000);
        assert_eq!(
            stack(&worker, Some(0x7001_0010)),
            [range(0x8000_0000 - 128, 0x9000 + 128)]
        );
    }
}
