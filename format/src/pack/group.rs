//! Groups: items of one shape.

use super::cursor::{Cursor, Fault, put_number};

/// What the words of a kind of object are, beyond those at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Tail {
    /// Nothing: every object of the kind has the same size, and each of its words means the same in all of them.
    #[default]
    None,
    /// Values, as in an array.
    Values,
    /// Characters of one byte; the word with this number, from the object's start, has their count in its upper half. 0: they
    /// fill the object.
    Text8(u8),
    /// Characters of two bytes, counted likewise.
    Text16(u8),
    /// Bytes that mean anything.
    Bytes,
    /// 64-bit numbers.
    Numbers,
}

/// A kind of object, as whoever packs describes it. It decides how well objects are packed, never whether they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Class {
    /// The word that all of them begin with; 0 if they do not.
    pub head: u64,
    /// How many words there are at the start, the head included, before the tail. Not used if there is no tail.
    pub lead: u8,
    /// What follows.
    pub tail: Tail,
    /// Whether nothing refers to the beginning: a stretch of memory rather than an object.
    pub is_gap: bool,
}

impl Tail {
    const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Values => 1,
            Self::Text8(_) => 2,
            Self::Text16(_) => 3,
            Self::Bytes => 4,
            Self::Numbers => 5,
        }
    }

    /// Number of the word that has the count of characters.
    pub(crate) const fn count_word(self) -> u8 {
        match self {
            Self::Text8(word) | Self::Text16(word) => word,
            _ => 0,
        }
    }
}

/// Words that every item has in front of its tail, at most.
pub(crate) const LEAD_MAX: u32 = 64;

/// A group as the segment describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// Number of the target that the first word refers to, plus 1; 0 if the first word is like any other.
    pub(crate) head: u32,
    /// Size of each item in words; 0 if they differ.
    pub(crate) size: u32,
    /// Columns in front of the tail, the head not among them.
    pub(crate) lead: u32,
    pub(crate) tail: Tail,
    /// Whether references to the beginnings of items have numbers.
    pub(crate) is_target: bool,
}

impl Group {
    /// Words in front of the tail.
    pub(crate) const fn lead_words(&self) -> u32 {
        self.lead + (self.head > 0) as u32
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_number(out, u64::from(self.head));
        put_number(out, u64::from(self.size));
        put_number(out, u64::from(self.lead));
        out.push(self.tail.code() | u8::from(self.is_target) << 7);
        if matches!(self.tail, Tail::Text8(_) | Tail::Text16(_)) {
            out.push(self.tail.count_word());
        }
    }

    pub(crate) fn get(from: &mut Cursor<'_>) -> Result<Self, Fault> {
        let head = from.small()?;
        let size = from.small()?;
        let lead = from.small()?;
        let code = from.byte()?;
        let tail = match code & 0x7F {
            0 => Tail::None,
            1 => Tail::Values,
            2 => Tail::Text8(from.byte()?),
            3 => Tail::Text16(from.byte()?),
            4 => Tail::Bytes,
            5 => Tail::Numbers,
            other => return Err(format!("a group has a tail of the unknown kind {other}")),
        };
        let group = Self {
            head,
            size,
            lead,
            tail,
            is_target: code >> 7 != 0,
        };
        let words = u64::from(lead) + u64::from(head > 0);
        let size = u64::from(size);
        let fits = match tail {
            Tail::None => size == words && size > 0,
            _ => {
                let count_word = u64::from(tail.count_word());
                lead <= LEAD_MAX
                    && (size == 0 || size >= words)
                    && (count_word == 0 || count_word < words)
            }
        };
        if fits {
            Ok(group)
        } else {
            Err(format!(
                "a group of {size} words an item cannot have {words} in front"
            ))
        }
    }
}
