//! Columns of numbers, packed: what a cache consists of.
//!
//! A column is cut into blocks, each packed by itself, so that all cores take part. In a block, the lowest bytes of all numbers
//! come first, then the second lowest, and so on: most of the higher ones are zero or repeat, which compresses well and fast.

use rayon::prelude::*;

/// Numbers in a block.
const BLOCK: usize = 1 << 20;
/// Fastest, which is what counts here.
const LEVEL: i32 = 1;
/// Most bytes of any kind.
const MAX_BLOB: usize = 16 << 20;
/// Longest text.
const MAX_TEXT: usize = 1 << 16;

/// How the numbers of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    Plain,
    /// As differences to the number before: for what rises, or stays close to what was before.
    Delta,
    /// As differences to their own place in the column: for numbers of neighbours.
    Nearby,
}

impl Coding {
    const fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Delta => 1,
            Self::Nearby => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Plain,
            1 => Self::Delta,
            2 => Self::Nearby,
            _ => return None,
        })
    }
}

/// A type of number that a column may consist of.
pub(crate) trait Number: Copy + Send + Sync + Default {
    /// Bytes of one.
    const BYTES: usize;
    /// As a wider number.
    fn to_u64(self) -> u64;
    /// The lowest bits of a wider number.
    fn from_u64(number: u64) -> Self;
    /// The difference to `base`, small whether it is above or below.
    fn minus(self, base: Self) -> Self;
    /// What [`Self::minus`] was made of.
    fn plus(self, base: Self) -> Self;
}

macro_rules! number {
    ($unsigned:ty, $signed:ty, $bits:literal) => {
        impl Number for $unsigned {
            const BYTES: usize = $bits / 8;
            fn to_u64(self) -> u64 {
                u64::from(self)
            }
            fn from_u64(number: u64) -> Self {
                number as Self
            }
            fn minus(self, base: Self) -> Self {
                let difference = self.wrapping_sub(base) as $signed;
                ((difference << 1) ^ (difference >> ($bits - 1))) as Self
            }
            fn plus(self, base: Self) -> Self {
                ((self >> 1) ^ (self & 1).wrapping_neg()).wrapping_add(base)
            }
        }
    };
}
number!(u32, i32, 32);
number!(u64, i64, 64);

/// Writes columns one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A single number.
    pub(crate) fn number(&mut self, number: u64) {
        self.bytes.extend(number.to_le_bytes());
    }

    /// A text; what is too long is cut.
    pub(crate) fn text(&mut self, text: &str) {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        self.number(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    /// Bytes of any kind.
    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        let packed = zstd::bulk::compress(bytes, LEVEL).unwrap_or_default();
        self.number(bytes.len() as u64);
        self.number(packed.len() as u64);
        self.bytes.extend(packed);
    }

    /// A column of 32-bit numbers.
    pub(crate) fn narrow(&mut self, numbers: &[u32], coding: Coding) {
        self.column(numbers, coding);
    }

    /// A column of 64-bit numbers.
    pub(crate) fn wide(&mut self, numbers: &[u64], coding: Coding) {
        self.column(numbers, coding);
    }

    /// A column of numbers of any width.
    pub(crate) fn column<T: Number>(&mut self, numbers: &[T], coding: Coding) {
        self.bytes.push(coding.code());
        self.number(numbers.len() as u64);
        let packed: Vec<Vec<u8>> = numbers
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(number, block)| pack(block, number * BLOCK, coding))
            .collect();
        for block in packed {
            self.number(block.len() as u64);
            self.bytes.extend(block);
        }
    }

    /// All that was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The bytes of a block, the lowest of all numbers first, compressed.
fn pack<T: Number>(block: &[T], first: usize, coding: Coding) -> Vec<u8> {
    let mut bytes = vec![0; block.len() * T::BYTES];
    let mut before = T::default();
    let mut at = first as u64;
    let coded: Vec<T> = block
        .iter()
        .map(|number| {
            let base = match coding {
                Coding::Plain => return *number,
                Coding::Delta => std::mem::replace(&mut before, *number),
                Coding::Nearby => T::from_u64(at),
            };
            at += 1;
            number.minus(base)
        })
        .collect();
    for (plane, bytes) in bytes.chunks_mut(block.len().max(1)).enumerate() {
        for (byte, number) in bytes.iter_mut().zip(&coded) {
            *byte = (number.to_u64() >> (plane * 8)) as u8;
        }
    }
    // Compressing into memory does not fail; if it did, the empty block would not be read back.
    zstd::bulk::compress(&bytes, LEVEL).unwrap_or_default()
}

/// What [`pack`] was given, into `block`; whether it could be read.
fn unpack<T: Number>(packed: &[u8], block: &mut [T], first: usize, coding: Coding) -> bool {
    let len = block.len() * T::BYTES;
    let Ok(bytes) = zstd::bulk::decompress(packed, len) else {
        return false;
    };
    if bytes.len() != len {
        return false;
    }
    for (plane, bytes) in bytes.chunks(block.len().max(1)).enumerate() {
        for (byte, number) in bytes.iter().zip(block.iter_mut()) {
            *number = T::from_u64(number.to_u64() | u64::from(*byte) << (plane * 8));
        }
    }
    match coding {
        Coding::Plain => {}
        Coding::Delta => {
            let mut before = T::default();
            for number in block {
                *number = number.plus(before);
                before = *number;
            }
        }
        Coding::Nearby => {
            for (number, at) in block.iter_mut().zip(first as u64..) {
                *number = number.plus(T::from_u64(at));
            }
        }
    }
    true
}

/// Reads what a [`Writer`] wrote, in the same order.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of all that was written.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    /// A single number.
    pub(crate) fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.bytes(8)?.first_chunk()?))
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// A text.
    pub(crate) fn text(&mut self) -> Option<String> {
        let len = self.len()?;
        String::from_utf8(self.bytes(len)?.to_vec()).ok()
    }

    /// Bytes of any kind.
    pub(crate) fn blob(&mut self) -> Option<Vec<u8>> {
        let (len, packed) = (self.len()?, self.len()?);
        let packed = self.bytes(packed)?;
        let len = Some(len).filter(|len| *len <= MAX_BLOB)?;
        let bytes = zstd::bulk::decompress(packed, len).ok()?;
        (bytes.len() == len).then_some(bytes)
    }

    /// A column of 32-bit numbers.
    pub(crate) fn narrow(&mut self) -> Option<Vec<u32>> {
        self.column()
    }

    /// A column of 64-bit numbers.
    pub(crate) fn wide(&mut self) -> Option<Vec<u64>> {
        self.column()
    }

    /// A column of numbers of the width that it was written with.
    pub(crate) fn column<T: Number>(&mut self) -> Option<Vec<T>> {
        let coding = Coding::from_code(*self.bytes(1)?.first()?)?;
        let count = self.len()?;
        let mut packed = Vec::new();
        for _ in 0..count.div_ceil(BLOCK) {
            let len = self.len()?;
            packed.push(self.bytes(len)?);
        }
        // Only now, when the blocks are known to be there, is room made for what they hold.
        let mut numbers = vec![T::default(); count];
        let is_read = numbers
            .par_chunks_mut(BLOCK)
            .zip(packed)
            .enumerate()
            .all(|(number, (block, packed))| unpack(packed, block, number * BLOCK, coding));
        is_read.then_some(numbers)
    }

    /// Whether everything was read.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODINGS: [Coding; 3] = [Coding::Plain, Coding::Delta, Coding::Nearby];

    proptest! {
        #[test]
        fn what_is_written_is_read(
            narrow in prop::collection::vec(any::<u32>(), 0..100),
            wide in prop::collection::vec(any::<u64>(), 0..100),
            text in ".{0,20}",
            coding in prop::sample::select(&CODINGS),
        ) {
            let mut writer = Writer::default();
            writer.narrow(&narrow, coding);
            writer.text(&text);
            writer.blob(text.as_bytes());
            writer.wide(&wide, coding);
            writer.number(7);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.narrow(), Some(narrow));
            prop_assert_eq!(reader.text(), Some(text.clone()));
            prop_assert_eq!(reader.blob(), Some(text.into_bytes()));
            prop_assert_eq!(reader.wide(), Some(wide));
            prop_assert_eq!(reader.number(), Some(7));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            let _ = (reader.narrow(), reader.wide(), reader.text(), reader.number());
        }
    }

    #[test]
    fn columns_of_several_blocks() {
        let numbers: Vec<u32> = (0..BLOCK as u32 * 2 + 3).map(|n| n ^ (n % 5)).collect();
        for coding in CODINGS {
            let mut writer = Writer::default();
            writer.narrow(&numbers, coding);
            let bytes = writer.finish();
            assert_eq!(Reader::new(&bytes).narrow().as_ref(), Some(&numbers));
            assert!(coding == Coding::Plain || bytes.len() < numbers.len());
        }
    }
}
