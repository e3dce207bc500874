//! What a capture of a heap consists of: pages, isolates, stacks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::libc::pid_t;
use v8mini_format::memory::{Memory, MemoryRange};
use v8mini_format::model::{GcState, Page, Region, Space, Thread};

use super::live::Target;
use super::prefetched::{PAGE_LEN, Prefetched, page_of};
use super::procfs;
use super::range_set::RangeSet;
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
