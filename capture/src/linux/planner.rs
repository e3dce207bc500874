//! What a capture of a heap consists of: pages, isolates, stacks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::libc::pid_t;
use v8mini_format::memory::{Memory, MemoryExt, MemoryRange, ReadError};
use v8mini_format::model::{GcState, Page, Permissions, Region, Space, Thread};

use super::live::Target;
use super::maps;
use super::procfs;
use super::range_set::RangeSet;
use super::remote_memory::RemoteMemory;
use super::snapshot::{AtStop, FrozenView, NewPage, Planner, Watch};
use crate::locate::{
    Holders, LocalAllocators, Pages, ReadPlan, checked_stack_bottom, find_handles, gc_state,
    isolate_block, likely_isolate, pair_isolates,
};

/// Addresses that are watched for new pages, at most: a process with more has many gigabytes that are not V8's.
const MAX_VACANT: usize = 1 << 16;
/// A thread that has run for longer has made its isolate. What leads to handles in one that is being made changes from
/// moment to moment, even where the isolate points to it already: it is looked for again in the stop (V8 12.4).
const STARTED: Duration = Duration::from_secs(2);
/// Everything that a process can have.
const EVERYWHERE: MemoryRange = MemoryRange {
    start: 0,
    len: 1 << 48,
};

/// Plans a capture of a heap.
pub(super) struct HeapPlanner<'a> {
    target: &'a Target,
    /// One page of each heap: enough to find the isolates in the stop.
    heaps: Pages,
    /// What leads to the handles of each isolate.
    known: BTreeMap<u64, Known>,
    /// The threads that had run for [`STARTED`] then.
    started: BTreeSet<u32>,
    /// What is watched of the table of functions' code: it may have megabytes, and changes little.
    dispatch_table: RangeSet,
    /// What tells where the heaps' compilers place objects.
    local_allocators: Vec<MemoryRange>,
    /// Whether the unused semispace is wanted.
    full: bool,
    /// Contents of buffers that are wanted.
    buffers: Vec<MemoryRange>,
}

/// Where handles of an isolate were.
#[derive(Debug, Default)]
struct Known {
    /// What led to them.
    holders: Holders,
    /// The pages that it and they were in.
    pages: BTreeSet<u64>,
}

impl<'a> HeapPlanner<'a> {
    /// A planner for what was found out about a process.
    pub(super) fn new(target: &'a Target) -> Self {
        Self {
            target,
            heaps: one_of_each_heap(&target.pages),
            known: BTreeMap::new(),
            started: BTreeSet::new(),
            dispatch_table: RangeSet::default(),
            local_allocators: Vec::new(),
            full: false,
            buffers: Vec::new(),
        }
    }

    /// Looks for the isolates' handles and allocators while the process runs, so that the stop need not look long. Returns where
    /// the table of functions' code is.
    fn find_holders(&mut self, live: FrozenView<'_>) -> RangeSet {
        self.started = threads_older_than(self.target.pid, STARTED);
        self.known.clear();
        self.local_allocators.clear();
        let mut dispatch_table = Vec::new();
        for &heap in &self.heaps.heaps() {
            let allocators = LocalAllocators::find(live.memory, heap);
            self.local_allocators.extend(allocators.ranges());
            let Some(isolate) = likely_isolate(live.memory, heap) else {
                continue;
            };
            let block = isolate_block(live.memory, isolate, heap);
            let memory =
                Prefetched::around(&self.target.memory, live.regions, block, &BTreeSet::new());
            let handles = find_handles(&memory, isolate, block);
            dispatch_table.extend(handles.dispatch_table.unwrap_or_default().memory);
            let pages = (handles.memory.iter())
                .flat_map(|range| (page_of(range.start)..range.end()).step_by(PAGE_LEN))
                .collect();
            let holders = handles.holders;
            self.known.insert(isolate, Known { holders, pages });
        }
        RangeSet::new(dispatch_table)
    }

    /// Wants the heap as it is, with the unused semispace.
    #[must_use]
    pub(super) fn with_from_space(self, full: bool) -> Self {
        Self { full, ..self }
    }

    /// Wants the contents of buffers, too; sorted and disjoint.
    pub(super) fn want_buffers(&mut self, buffers: Vec<MemoryRange>) {
        self.buffers = buffers;
    }

    /// The contents of buffers that are wanted.
    pub(super) fn buffers(&self) -> &[MemoryRange] {
        &self.buffers
    }

    /// The threads whose stacks may be stored: not knowing where the main thread's stack begins, it is left out, because the
    /// environment lies above.
    fn threads<'t>(&self, frozen: FrozenView<'t>) -> (Option<u64>, &'t [Thread]) {
        let bottom = checked_stack_bottom(frozen.regions, self.target.stat.start_stack);
        let threads = match bottom {
            Some(_) => frozen.threads,
            None => frozen.threads.get(1..).unwrap_or_default(),
        };
        (bottom, threads)
    }
}

impl Planner for HeapPlanner<'_> {
    fn plan(&mut self, frozen: FrozenView<'_>) -> Vec<MemoryRange> {
        let clues = self.target.clues();
        let version = clues.symbols.and_then(|symbols| symbols.v8_version);
        let pages = (self.target.pages).again(frozen.memory, frozen.regions, version);
        let (bottom, threads) = self.threads(frozen);
        let mut plan = ReadPlan::of_heap(frozen.memory, &pages, threads, bottom, clues, self.full);
        plan.add_ranges(self.buffers.iter().copied());
        plan.finish(&frozen.memory.ranges())
    }

    fn watch(&mut self, live: FrozenView<'_>) -> Watch {
        let version = (self.target.clues().symbols).and_then(|symbols| symbols.v8_version);
        let pages = (self.target.pages).again(live.memory, live.regions, version);
        self.heaps = one_of_each_heap(&pages);
        self.dispatch_table = self.find_holders(live);
        let is_young = |page: &Page| matches!(page.space, Space::New | Space::NewFrom);
        let (young, old): (Vec<Page>, Vec<Page>) = pages.pages.iter().copied().partition(is_young);
        let mut plan = ReadPlan::default();
        plan.add_pages(&old, true);
        plan.add_metadata(&young);
        plan.add_ranges(self.dispatch_table.ranges().iter().copied());
        plan.add_ranges(self.buffers.iter().copied());
        let alignment = pages.kind.alignment;
        // What is not in use yet of either may be written to.
        let extents = old.iter().map(extent).chain(self.buffers.clone());
        let extents: Vec<MemoryRange> = extents.collect();
        let all = RangeSet::new(plan.clone().finish(&[EVERYWHERE]));
        let ranges = plan.finish(&live.memory.ranges());
        let beyond = all
            .without(&RangeSet::new(ranges.clone()))
            .without(&RangeSet::new(extents.clone()));
        Watch {
            ranges,
            beyond: beyond.ranges().to_vec(),
            // Both semispaces: they may have changed places when the process is stopped.
            young: young.iter().map(extent).collect(),
            vacant: vacant(live.regions, &pages, alignment),
            pages: extents,
            alignment,
        }
    }

    fn prepare(&mut self, live: FrozenView<'_>) {
        self.find_holders(live);
    }

    fn at_stop(&mut self, frozen: FrozenView<'_>) -> AtStop {
        let clues = self.target.clues();
        let isolates = pair_isolates(frozen.memory, &self.heaps, frozen.threads, clues);
        let mut plan = ReadPlan::default();
        let nothing = Known::default();
        for isolate in &isolates {
            let block = isolate_block(frozen.memory, isolate.address, isolate.heap);
            let has_started = self.started.contains(&isolate.tid);
            let known = self.known.get(&isolate.address).filter(|_| has_started);
            let known = known.unwrap_or(&nothing);
            let memory =
                Prefetched::around(&self.target.memory, frozen.regions, block, &known.pages);
            plan.add_isolate_again(&memory, isolate, block, &known.holders);
            if !has_started {
                plan.add_ranges(LocalAllocators::find(frozen.memory, isolate.heap).ranges());
            }
        }
        plan.add_ranges(self.local_allocators.iter().copied());
        let (bottom, threads) = self.threads(frozen);
        for thread in threads {
            plan.add_stack(thread, bottom);
            plan.add_ranges(clues.ranges(thread));
        }
        let ranges = RangeSet::new(plan.finish(&[EVERYWHERE]));
        AtStop {
            ranges: ranges.without(&self.dispatch_table).ranges().to_vec(),
            collecting: isolates
                .iter()
                .any(|isolate| isolate.gc_state == GcState::Collecting),
        }
    }

    fn is_collecting(&self) -> bool {
        let (memory, clues) = (&self.target.memory, self.target.clues());
        let mut heaps = self.heaps.heaps().into_iter();
        heaps.any(|heap| gc_state(memory, heap, clues) == GcState::Collecting)
    }

    fn new_page(&mut self, memory: &dyn Memory, base: u64) -> NewPage {
        let Pages {
            kind,
            owner_variant,
            ..
        } = self.target.pages;
        let Some(page) = kind.parse(memory, base, owner_variant) else {
            return NewPage::None;
        };
        if page.heap != 0 && !self.heaps.heaps().contains(&page.heap) {
            return NewPage::NewHeap;
        }
        let mut plan = ReadPlan::default();
        plan.add_pages(&[page], true);
        NewPage::Ranges(plan.finish(&[EVERYWHERE]))
    }
}

/// The memory of a stopped process, of which what an isolate points to was read in one go, and everything else is read page by page and
/// kept: word by word, the search for its handles takes hundreds of calls.
struct Prefetched<'a> {
    memory: &'a RemoteMemory,
    regions: &'a [Region],
    block: MemoryRange,
    block_bytes: Vec<u8>,
    /// The pages that were read, in order, and their bytes.
    pages: Vec<MemoryRange>,
    bytes: Vec<u8>,
    /// Pages that were read since; none where they cannot be read.
    others: Mutex<HashMap<u64, Option<Vec<u8>>>>,
}

/// What is read at once of what pointers lead to.
const PAGE_BYTES: u64 = 4096;
const PAGE_LEN: usize = 4096;

const fn page_of(address: u64) -> u64 {
    address & !(PAGE_BYTES - 1)
}

impl<'a> Prefetched<'a> {
    /// Reads a block, and the pages where handles were found before; if none were, those that the block points to.
    fn around(
        memory: &'a RemoteMemory,
        regions: &'a [Region],
        block: MemoryRange,
        known: &BTreeSet<u64>,
    ) -> Self {
        let mut new = Self {
            memory,
            regions,
            block,
            block_bytes: vec![0; usize::try_from(block.len).unwrap_or(0)],
            pages: Vec::new(),
            bytes: Vec::new(),
            others: Mutex::default(),
        };
        if memory.read_at(block.start, &mut new.block_bytes).is_err() {
            new.block_bytes.clear();
            return new;
        }
        let mut starts: Vec<u64> = known.iter().copied().collect();
        if starts.is_empty() {
            let words = new.block_bytes.as_chunks::<8>().0.iter();
            let pointers = words
                .map(|word| u64::from_le_bytes(*word))
                .filter(|word| word.is_multiple_of(8) && !block.contains(*word));
            starts.extend(pointers.map(page_of));
            starts.sort_unstable();
            starts.dedup();
        }
        starts.retain(|start| new.is_writable(*start));
        let len = PAGE_BYTES;
        new.pages = starts
            .iter()
            .map(|&start| MemoryRange { start, len })
            .collect();
        new.bytes = vec![0; starts.len() * PAGE_LEN];
        let read = memory.read_ranges(&new.pages, &mut new.bytes).unwrap_or(0);
        // Behind a page that cannot be read, nothing was: those are read when they are asked for.
        new.pages.truncate(read / PAGE_LEN);
        new
    }

    /// The bytes from an address on, if they were read.
    fn prefetched(&self, addr: u64, len: usize) -> Option<&[u8]> {
        if self.block.contains(addr) {
            let at = usize::try_from(addr - self.block.start).ok()?;
            return self.block_bytes.get(at..at.checked_add(len)?);
        }
        let page = self
            .pages
            .binary_search_by_key(&(page_of(addr)), |page| page.start);
        let in_page = usize::try_from(addr % PAGE_BYTES).ok()?;
        let at = page.ok()? * PAGE_LEN + in_page;
        (in_page + len <= PAGE_LEN).then(|| self.bytes.get(at..at + len))?
    }
}

impl Prefetched<'_> {
    /// Whether objects of C++ may be there; the isolate also points to code, which is not worth a look.
    fn is_writable(&self, address: u64) -> bool {
        Region::at(self.regions, address).is_some_and(|region| region.permissions.write)
    }

    /// The same of memory that was set aside, too: `malloc` makes it writable when it needs it, by and by.
    fn may_be_writable(&self, address: u64) -> bool {
        Region::at(self.regions, address).is_some_and(|region| {
            region.permissions.write || region.permissions == Permissions::default()
        })
    }

    /// Reads within a page, which is kept.
    fn read_in_page(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let page = page_of(addr);
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = others.entry(page).or_insert_with(|| {
            if !self.may_be_writable(page) {
                return None;
            }
            self.memory.read_vec(page, PAGE_LEN).ok()
        });
        let from = usize::try_from(addr - page).unwrap_or(0);
        let bytes = bytes
            .as_ref()
            .and_then(|bytes| bytes.get(from..from + buf.len()));
        match bytes {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => {
                let len = buf.len() as u64;
                Err(ReadError::Unmapped { addr, len })
            }
        }
    }
}

impl Memory for Prefetched<'_> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut at = addr;
        let mut rest = buf;
        while !rest.is_empty() {
            let in_page = usize::try_from(PAGE_BYTES - at % PAGE_BYTES).unwrap_or(usize::MAX);
            let (part, after) = rest.split_at_mut(in_page.min(rest.len()));
            match self.prefetched(at, part.len()) {
                Some(bytes) => part.copy_from_slice(bytes),
                None => self.read_in_page(at, part)?,
            }
            at = at.saturating_add(part.len() as u64);
            rest = after;
        }
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        maps::mapped(self.regions, |region| region.permissions.write)
    }
}

/// The part of a page that can hold anything of interest.
fn extent(page: &Page) -> MemoryRange {
    MemoryRange {
        start: page.address,
        len: page.area_end.saturating_sub(page.address),
    }
}

fn threads_older_than(pid: pid_t, age: Duration) -> BTreeSet<u32> {
    let is_older = |&tid: &pid_t| {
        let stat = procfs::Stat::read(pid, Some(tid));
        stat.is_ok_and(|stat| u128::from(procfs::uptime_ns(&stat)) > age.as_nanos())
    };
    let threads = procfs::threads(pid).unwrap_or_default();
    let older = threads.into_iter().filter(is_older);
    older.filter_map(|tid| u32::try_from(tid).ok()).collect()
}

fn one_of_each_heap(pages: &Pages) -> Pages {
    let heaps = pages.heaps();
    let of = |heap: &u64| pages.pages.iter().find(|page| page.heap == *heap).copied();
    let mut first: Vec<Page> = heaps.iter().filter_map(of).collect();
    first.sort_unstable_by_key(|page| page.address);
    Pages {
        pages: first,
        ..*pages
    }
}

/// Where a page could begin in memory that is mapped already: V8 keeps some of the pages that it gives up, and uses them again.
fn vacant(regions: &[Region], pages: &Pages, alignment: u64) -> Vec<u64> {
    let mut vacant = Vec::new();
    let anonymous = |region: &&Region| {
        let Region { permissions, .. } = region;
        permissions.read && permissions.write && !permissions.shared && region.name.is_empty()
    };
    for region in regions.iter().filter(anonymous) {
        // V8's own mappings begin where pages begin. Others, such as large ArrayBuffers, would be watched in vain.
        if !region.start.is_multiple_of(alignment) && pages.containing(region.start).is_none() {
            continue;
        }
        let mut base = region.start.next_multiple_of(alignment);
        while base < region.end && vacant.len() < MAX_VACANT {
            if pages.containing(base).is_none() {
                vacant.push(base);
            }
            base += alignment;
        }
    }
    vacant
}
