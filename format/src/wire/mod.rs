//! Metadata records on disk: the one place that knows bincode.
//!
//! Each record kind has one flat struct per version, never edited once released: bincode has no
//! schema evolution, so a new field is a new version of the kind. The specification gives the bytes
//! in its own words, hence the format outlives the crate.
//!
//! A record is decoded only after its length was bounded and its checksum verified; even so every
//! length in it is untrusted (anyone can compute a CRC). bincode without a limit aborts the process
//! on a length of 2^40; with one it counts what the items take in memory and refuses. It also
//! ignores trailing bytes, so the caller's job is to compare.

mod isolate;
mod module;
mod page;
mod process;
mod region;
mod report;
mod thread;
mod unwind;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};
use thiserror::Error;

use crate::chunk::ChunkKind;
use crate::limits::{RECORD_MAX, STRING_MAX};

pub(crate) use isolate::IsolateV1;
pub(crate) use module::{ConstantV1, ModuleV1, SymbolV1};
pub(crate) use page::PageV1;
pub(crate) use process::ProcessV1;
pub(crate) use region::{MemoryUseV1, RegionV1};
pub(crate) use report::{ProblemV1, SignalV1, StatisticsV1};
pub(crate) use thread::ThreadV1;
pub(crate) use unwind::UnwindRowV1;

type Config = Configuration<LittleEndian, Fixint, Limit<{ RECORD_MAX as usize }>>;

/// Little-endian, fixed width, bounded: decided once for all versions of all records.
const CONFIG: Config = bincode::config::standard()
    .with_fixed_int_encoding()
    .with_limit();

/// Why the payload of a record could not be decoded.
#[derive(Debug, Error)]
pub(crate) enum DecodeError {
    #[error("it is not a valid record: {0}")]
    Invalid(#[from] bincode::error::DecodeError),
    #[error("the record ends after {consumed} of {len} bytes")]
    Trailing { consumed: usize, len: usize },
    #[error("its length of {len} bytes is no multiple of {item}")]
    NotMultiple { len: usize, item: usize },
}

/// An item of a metadata chunk.
pub(crate) trait Record: Sized {
    /// Kind of the chunks that hold it.
    const KIND: ChunkKind;
    /// Version of the kind.
    const VERSION: u16 = 1;

    /// Appends the item.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), bincode::error::EncodeError>;

    /// The payload of a chunk with `count` items, given their bytes.
    fn seal(count: usize, items: &[u8]) -> Vec<u8> {
        let mut payload = (count as u64).to_le_bytes().to_vec();
        payload.extend_from_slice(items);
        payload
    }

    /// The items of a payload.
    fn decode_all(payload: &[u8]) -> Result<Vec<Self>, DecodeError>;

    /// Bytes that the item takes in memory.
    fn weight(&self) -> u64;
}

/// Makes a bincode struct a [`Record`]; the expression gives the bytes that it owns on the heap.
macro_rules! bincode_record {
    ($name:ident, $kind:expr, |$item:ident| $owned:expr) => {
        impl $crate::wire::Record for $name {
            const KIND: $crate::chunk::ChunkKind = $kind;

            fn encode(&self, out: &mut Vec<u8>) -> Result<(), bincode::error::EncodeError> {
                $crate::wire::encode(self, out)
            }

            fn decode_all(payload: &[u8]) -> Result<Vec<Self>, $crate::wire::DecodeError> {
                $crate::wire::decode(payload)
            }

            fn weight(&self) -> u64 {
                let $item = self;
                size_of::<Self>() as u64 + $owned as u64
            }
        }
    };
}
pub(crate) use bincode_record;

/// Appends a value in bincode.
fn encode<T: Encode>(value: &T, out: &mut Vec<u8>) -> Result<(), bincode::error::EncodeError> {
    bincode::encode_into_std_write(value, out, CONFIG).map(|_| ())
}

/// Decodes exactly one value from all of `payload`.
fn decode<T: Decode<()>>(payload: &[u8]) -> Result<T, DecodeError> {
    let (value, consumed) = bincode::decode_from_slice(payload, CONFIG)?;
    if consumed != payload.len() {
        return Err(DecodeError::Trailing {
            consumed,
            len: payload.len(),
        });
    }
    Ok(value)
}

/// A string as it goes into a record: longer than [`STRING_MAX`] is cut and ends in `…`.
pub(crate) fn clip(text: &str) -> String {
    const ELLIPSIS: &str = "…";
    let max = STRING_MAX as usize;
    if text.len() <= max {
        return text.to_owned();
    }
    let mut clipped = cut_at_char(text, max - ELLIPSIS.len()).to_owned();
    clipped.push_str(ELLIPSIS);
    clipped
}

/// The longest start of `text` that is at most `max` bytes and ends at a character.
pub(crate) fn cut_at_char(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_two_to_the_forty_is_refused_not_allocated() {
        let bomb = (1_u64 << 40).to_le_bytes();
        assert!(matches!(
            decode::<String>(&bomb),
            Err(DecodeError::Invalid(_))
        ));
        assert!(matches!(
            decode::<Vec<u64>>(&bomb),
            Err(DecodeError::Invalid(_))
        ));
        assert!(matches!(
            decode::<Vec<ModuleV1>>(&bomb),
            Err(DecodeError::Invalid(_))
        ));
        assert!(matches!(
            decode::<Vec<ThreadV1>>(&u64::MAX.to_le_bytes()),
            Err(DecodeError::Invalid(_))
        ));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = Vec::new();
        encode(&7_u64, &mut bytes).unwrap();
        assert_eq!(decode::<u64>(&bytes).unwrap(), 7);
        bytes.push(0);
        assert!(matches!(
            decode::<u64>(&bytes),
            Err(DecodeError::Trailing {
                consumed: 8,
                len: 9
            })
        ));
    }

    #[test]
    fn invalid_utf8_and_booleans_are_refused() {
        let mut text = 2_u64.to_le_bytes().to_vec();
        text.extend([0xFF, 0xFE]);
        assert!(decode::<String>(&text).is_err());
        assert!(decode::<bool>(&[2]).is_err());
    }

    #[test]
    fn long_strings_are_cut_at_a_character() {
        let long = "é".repeat(STRING_MAX as usize);
        let clipped = clip(&long);
        assert!(clipped.len() <= STRING_MAX as usize && clipped.ends_with("é…"));
        assert_eq!(clip("short"), "short");
    }
}
