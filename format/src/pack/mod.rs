//! Packed memory: many V8 objects with the same words next to each other.
//!
//! A *segment* holds some megabytes of memory, in ranges, and is decoded with nothing but itself and texts of earlier segments. Its memory is
//! cut into *items*: objects, or stretches without objects. Items that are alike form a *group*; what a group's items have at the same place forms a
//! *column*; and columns go, in words of few bits, into *streams*, each compressed by itself. A reference is stored as the number of what it leads
//! to, in the order of addresses: what was allocated together has neighbouring numbers.
//!
//! Nothing here knows V8. Whoever packs says where objects begin and end, and what they are made of ([`Class`]); whoever
//! unpacks finds in the segment itself all that it takes. Any words whatever come back as they were: what does not look like a
//! reference or a small integer is stored as it is.
//!
//! `spec/file-format.md`, section "Packed memory", gives the bytes.

mod cache;
mod column;
mod copies;
mod cursor;
mod decode;
mod encode;
mod group;
mod head;
mod items;
mod rows;
mod scatter;
mod spool;
#[cfg(test)]
mod tests;

pub(crate) use cache::{OwnText, SegmentCache, TextCache};
pub(crate) use copies::check_text;
pub(crate) use decode::{decode, own_text};
pub use encode::{Blocks, PackOptions, SegmentBuilder, SegmentDraft, TextWindow};
pub use group::{Class, Tail};
pub use head::Segment;
#[cfg(test)]
pub(crate) use head::{FrameRecord, RangeRecord};
pub(crate) use head::{SegmentHead, SegmentTables, SourceRecord};
#[cfg(test)]
pub(crate) use items::GROUPS_MAX;
pub(crate) use spool::{SegmentSpool, Unspooled};

/// Streams of a segment, by number. Every stream is the content of its frames, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    /// Groups and columns: how to read the others.
    Structure,
    /// The group of each item.
    Sequence,
    /// Sizes of items.
    Sizes,
    /// Addresses that references lead to outside of the segment.
    Far,
    /// What each word is.
    Tags,
    /// References.
    References,
    /// Small integers, and halves of words.
    Integers,
    /// Words that are neither.
    Words,
    /// Characters.
    Text,
    /// Other bytes.
    Bytes,
    /// Text that other segments have, too.
    Copies,
}

impl Stream {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Self; 11] = [
        Self::Structure,
        Self::Sequence,
        Self::Sizes,
        Self::Far,
        Self::Tags,
        Self::References,
        Self::Integers,
        Self::Words,
        Self::Text,
        Self::Bytes,
        Self::Copies,
    ];

    /// What the specification calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Sequence => "sequence",
            Self::Sizes => "sizes",
            Self::Far => "far",
            Self::Tags => "tags",
            Self::References => "references",
            Self::Integers => "integers",
            Self::Words => "words",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Copies => "copies",
        }
    }
}

/// Tags of words in a column of values.
pub(crate) mod tag {
    /// A small integer: the lower half is 0.
    pub(crate) const INTEGER: u8 = 0;
    /// Any word.
    pub(crate) const WORD: u8 = 1;
    /// A reference: an address plus 1.
    pub(crate) const STRONG: u8 = 2;
    /// A weak reference: an address plus 3.
    pub(crate) const WEAK: u8 = 3;
    /// The first of the reference constants.
    pub(crate) const CONSTANT: u8 = 4;
}

/// Group numbers below this take one byte in the sequence.
pub(crate) const SHORT_GROUPS: usize = 208;

/// Words of a column whose integers an integer of a later column may be counted from.
pub(crate) const BASES: usize = 4;
