//! The part of a core's memory that a capture would hold.

use std::sync::OnceLock;

use v8mini_format::memory::{Memory, MemoryRange, ReadError};
use v8mini_format::model::Region;

use super::memory::CoreMemory;
use crate::content::{BufferShape, Buffers};
use crate::locate::{ExternalStringShape, Pages, ReadPlan, find_external_strings};

/// The memory of a core, limited to what the capture converted from it holds.
///
/// A core has more: buffers, other libraries' heaps. A command that looked there unasked would say of a core what it could not say
/// of its capture. Where the contents of external strings lie takes a pass over the heap to find out, so this waits
/// until something outside the heap is read.
#[derive(Debug)]
pub struct PlannedMemory {
    all: CoreMemory,
    /// Pages, isolates, stacks.
    planned: CoreMemory,
    /// Those and the contents of external strings.
    complete: OnceLock<CoreMemory>,
    regions: Vec<Region>,
    /// `None` if all of the memory is meant.
    pages: Option<Pages>,
    /// `None` if the binary's constants are not known; the strings are not found then.
    shape: Option<ExternalStringShape>,
    /// `None` if contents of buffers are not wanted.
    buffers: Option<BufferShape>,
}

impl PlannedMemory {
    /// `planned` is the part of `all` that the read plan names.
    pub(super) fn new(
        all: CoreMemory,
        planned: CoreMemory,
        regions: Vec<Region>,
        pages: Pages,
        shape: Option<ExternalStringShape>,
        buffers: Option<BufferShape>,
    ) -> Self {
        Self {
            all,
            planned,
            complete: OnceLock::new(),
            regions,
            pages: Some(pages),
            shape,
            buffers,
        }
    }

    /// All of a core's memory.
    pub(super) fn whole(all: CoreMemory) -> Self {
        Self {
            planned: all.clone(),
            all,
            complete: OnceLock::new(),
            regions: Vec::new(),
            pages: None,
            shape: None,
            buffers: None,
        }
    }

    /// What can be read, without copying: pieces in order of their addresses, neighbours not merged.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> + '_ {
        self.complete().pieces()
    }

    fn complete(&self) -> &CoreMemory {
        self.complete.get_or_init(|| {
            let Self {
                planned,
                regions,
                pages,
                ..
            } = self;
            let Some(pages) = pages else {
                return planned.clone();
            };
            let strings = self
                .shape
                .as_ref()
                .map(|shape| find_external_strings(planned, &self.all, regions, pages, shape));
            let buffers = self
                .buffers
                .as_ref()
                .map(|shape| Buffers::find(planned, regions, &pages.pages, shape).ranges);
            let mut plan = ReadPlan::default();
            for range in [strings, buffers, Some(planned.ranges())]
                .into_iter()
                .flatten()
                .flatten()
            {
                plan.add(range.start, range.end());
            }
            self.all.restrict(&plan.finish(&self.all.ranges()))
        })
    }
}

impl Memory for PlannedMemory {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        match self.planned.read_at(addr, buf) {
            Err(ReadError::Unmapped { .. }) => self.complete().read_at(addr, buf),
            result => result,
        }
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.complete().ranges()
    }
}
