//! Packing a segment.

mod blocks;
mod builder;
mod cells;
mod choose;
mod classify;
mod columns;
mod groups;
mod pool;
mod repeats;
mod streams;
mod targets;
mod window;
mod words;

use super::head::{Segment, SegmentHead, SegmentTables};

pub use blocks::Blocks;
pub use builder::SegmentBuilder;
use classify::Codes;
use columns::Packer;
use groups::Grouping;
use streams::Streams;
pub use window::TextWindow;

/// How hard to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// zstd level of characters and other bytes.
    pub text_level: i32,
    /// zstd level of everything else.
    pub level: i32,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            text_level: 6,
            level: 5,
        }
    }
}

/// An item on its way into a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawItem {
    /// Where it begins, in words of the segment's memory.
    pub(super) at: u32,
    /// Its size in words.
    pub(super) size: u32,
    /// Number of its class.
    pub(super) class: u32,
}

impl SegmentBuilder {
    /// Packs the segment. `blocks` is where references may lead to.
    ///
    /// # Errors
    /// If zstd fails.
    pub fn finish(self, blocks: &Blocks, options: PackOptions) -> std::io::Result<Segment> {
        self.draft(blocks).finish(options)
    }

    /// Packs the segment, up to what is left to do about its text, and to compressing it.
    pub fn draft(mut self, blocks: &Blocks) -> SegmentDraft {
        self.fill();
        let mut grouping = Grouping::new(&self.classes, &self.items);
        let codes = Codes::new(
            &self.memory,
            &self.ranges,
            &self.items,
            &mut grouping,
            blocks,
        );
        let mut streams = Streams::default();
        let constant_count = Packer {
            memory: &self.memory,
            items: &self.items,
            classes: &self.classes,
            grouping: &grouping,
            codes: &codes,
            streams: &mut streams,
            estimator: Default::default(),
            cells: Default::default(),
            scratch: Default::default(),
        }
        .pack();
        let tables = SegmentTables {
            head: SegmentHead {
                memory_len: self.len(),
                range_count: self.ranges.len() as u32,
                frame_count: 0,
                group_count: grouping.groups.len() as u32,
                item_count: self.items.len() as u32,
                far_count: codes.far.len() as u32,
                constant_count,
                source_count: 0,
                tables_crc: 0,
            },
            ranges: self.ranges,
            sources: Vec::new(),
        };
        SegmentDraft { tables, streams }
    }
}

/// A segment before it is compressed.
#[derive(Debug)]
pub struct SegmentDraft {
    tables: SegmentTables,
    streams: Streams,
}

impl SegmentDraft {
    fn addr(&self) -> u64 {
        let first = self.tables.ranges.first();
        first.map_or(0, |range| range.start)
    }

    /// Compresses it.
    ///
    /// # Errors
    /// If zstd fails.
    pub fn finish(self, options: PackOptions) -> std::io::Result<Segment> {
        let frames = self.streams.compress(options)?;
        let addr = self.addr();
        let mut tables = self.tables;
        tables.head.frame_count = frames.count;
        tables.head.source_count = tables.sources.len() as u32;
        let mut payload = tables.to_bytes();
        payload.extend(frames.table);
        payload.extend(frames.bytes);
        Ok(Segment {
            addr,
            version: if tables.sources.is_empty() { 1 } else { 2 },
            memory_len: tables.head.memory_len,
            payload,
        })
    }
}

/// A word of the memory.
#[inline]
pub(super) fn word(memory: &[u8], at: u32) -> u64 {
    let at = at as usize * 8;
    let word = memory.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u64::from_le_bytes(*word))
}
