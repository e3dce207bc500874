//! How the words of a column are written down.

use super::cursor::{Cursor, Fault, put_number, unzigzag};
use super::{BASES, Stream};

/// What a number of a column is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From32 {
    /// 0.
    Zero,
    /// The number before it in the column.
    Last,
    /// References: the item's own number. Integers: the integer in the same item of an earlier column, that with this number
    /// counted back.
    Own(u8),
    /// As `Own`, and the difference is counted from the difference before it.
    OwnLast(u8),
    /// Integers: the size of the item in words, times this.
    Size(u8),
}

impl From32 {
    /// Whether numbers are counted from the one before.
    pub(crate) const fn is_summed(self) -> bool {
        matches!(self, Self::Last | Self::OwnLast(_))
    }
}

/// How numbers of 32 bits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code32 {
    pub(crate) from: From32,
    /// Bytes of each number, all first bytes in front of all second ones; 0: variable length.
    pub(crate) planes: u8,
}

/// How words of 64 bits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code64 {
    /// Whether each is the difference to the one before.
    pub(crate) is_delta: bool,
    /// Whether all first bytes are in front of all second ones.
    pub(crate) is_planar: bool,
}

/// What a column consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// One word, in every item.
    Constant(u64),
    /// Values: each has a tag, or all have the same.
    Values { tag: Option<u8> },
    /// Two numbers of 32 bits: the lower halves, the upper halves.
    Halves,
    /// Words.
    Words,
}

impl Column {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Constant(word) => {
                out.push(0);
                put_number(out, word);
            }
            Self::Values { tag: None } => out.push(1),
            Self::Values { tag: Some(tag) } => out.extend([2, tag]),
            Self::Halves => out.push(3),
            Self::Words => out.push(4),
        }
    }

    pub(crate) fn get(from: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(match from.byte()? {
            0 => Self::Constant(from.number()?),
            1 => Self::Values { tag: None },
            2 => Self::Values {
                tag: Some(from.byte()?),
            },
            3 => Self::Halves,
            4 => Self::Words,
            other => return Err(format!("a column is of the unknown kind {other}")),
        })
    }
}

impl Code32 {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let (kind, argument) = match self.from {
            From32::Zero => (0, None),
            From32::Last => (1, None),
            From32::Own(base) => (2, Some(base)),
            From32::OwnLast(base) => (3, Some(base)),
            From32::Size(factor) => (4, Some(factor)),
        };
        out.push(kind | self.planes << 4);
        out.extend(argument);
    }

    pub(crate) fn get(from: &mut Cursor<'_>) -> Result<Self, Fault> {
        let code = from.byte()?;
        let from = match code & 0x0F {
            0 => From32::Zero,
            1 => From32::Last,
            2 => From32::Own(base(from)?),
            3 => From32::OwnLast(base(from)?),
            4 => From32::Size(from.byte()?),
            other => return Err(format!("numbers are counted in the unknown way {other}")),
        };
        let planes = code >> 4;
        if planes > 4 {
            return Err(format!("numbers of 32 bits are written in {planes} bytes"));
        }
        Ok(Self { from, planes })
    }

    /// The next `count` numbers as they are written, before anything is added.
    pub(crate) fn read(
        self,
        count: usize,
        from: &mut Cursor<'_>,
        numbers: &mut Vec<u32>,
    ) -> Result<(), Fault> {
        numbers.clear();
        if self.planes == 0 {
            from.small_numbers(count, numbers)?;
        } else {
            let lowest = from.take(count)?;
            numbers.extend(lowest.iter().map(|byte| u32::from(*byte)));
        }
        for plane in 1..self.planes {
            let bytes = from.take(count)?;
            for (number, byte) in numbers.iter_mut().zip(bytes) {
                *number |= u32::from(*byte) << (8 * plane);
            }
        }
        if self.is_signed() {
            for number in numbers {
                *number = unzigzag(*number);
            }
        }
        Ok(())
    }

    /// Whether numbers are differences, which may be negative.
    pub(crate) const fn is_signed(self) -> bool {
        !matches!(self.from, From32::Zero)
    }
}

fn base(from: &mut Cursor<'_>) -> Result<u8, Fault> {
    let base = from.byte()?;
    if usize::from(base) < BASES {
        Ok(base)
    } else {
        Err(format!("numbers are counted from column -{base}"))
    }
}

impl Code64 {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_delta) | u8::from(self.is_planar) << 1);
    }

    pub(crate) fn get(from: &mut Cursor<'_>) -> Result<Self, Fault> {
        match from.byte()? {
            code @ 0..4 => Ok(Self {
                is_delta: code & 1 != 0,
                is_planar: code & 2 != 0,
            }),
            other => Err(format!("words are written in the unknown way {other}")),
        }
    }

    /// The next `count` words.
    pub(crate) fn read(self, count: usize, from: &mut Cursor<'_>) -> Result<Vec<u64>, Fault> {
        let bytes = from.take(count.checked_mul(8).ok_or("too many words")?)?;
        let mut words = if self.is_planar {
            let mut words = vec![0_u64; count];
            for (plane, bytes) in bytes.chunks(count.max(1)).enumerate() {
                for (word, byte) in words.iter_mut().zip(bytes) {
                    *word |= u64::from(*byte) << (8 * plane);
                }
            }
            words
        } else {
            let words = bytes.as_chunks::<8>().0.iter();
            words.map(|word| u64::from_le_bytes(*word)).collect()
        };
        if self.is_delta {
            let mut last = 0_u64;
            for word in &mut words {
                last = last.wrapping_add(*word);
                *word = last;
            }
        }
        Ok(words)
    }
}

/// The streams that columns are read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursors<'a> {
    pub(crate) structure: Cursor<'a>,
    pub(crate) tags: Cursor<'a>,
    pub(crate) references: Cursor<'a>,
    pub(crate) integers: Cursor<'a>,
    pub(crate) words: Cursor<'a>,
    pub(crate) text: Cursor<'a>,
    pub(crate) bytes: Cursor<'a>,
}

impl Cursors<'_> {
    /// The streams that were not read to their ends.
    pub(crate) fn leftover(&self) -> Option<Stream> {
        [
            (Stream::Structure, self.structure),
            (Stream::Tags, self.tags),
            (Stream::References, self.references),
            (Stream::Integers, self.integers),
            (Stream::Words, self.words),
            (Stream::Text, self.text),
            (Stream::Bytes, self.bytes),
        ]
        .into_iter()
        .find(|(_, cursor)| !cursor.is_empty())
        .map(|(stream, _)| stream)
    }
}
