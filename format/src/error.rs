//! Errors of writing and opening a file. Damage that leaves a file usable is no error: see
//! [`crate::Integrity`].

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::chunk::ChunkKind;
use crate::header::{FORMAT_VERSION, FormatVersion, SIGNATURE};

/// Why a file could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The output refused bytes: disk full, closed pipe, …
    #[error("writing the capture failed at offset {offset}")]
    Io {
        /// Offset in the file.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// The compressor failed.
    #[error("compressing the {what} failed")]
    Compress {
        /// What was compressed.
        what: &'static str,
        /// What zstd said.
        source: io::Error,
    },
    /// An item of metadata could not be encoded.
    #[error("the {} cannot be encoded: {reason}", kind.describe())]
    Encode {
        /// Kind of the record.
        kind: ChunkKind,
        /// What the encoder said.
        reason: String,
    },
    /// The operating system gave no random bytes for the capture's UUID.
    #[error("the operating system gave no random bytes for the capture's UUID: {0}")]
    Random(String),
    /// A single item of metadata is too large for a record.
    #[error("an item of the {} takes {len} bytes; a record holds at most {max}", kind.describe())]
    RecordTooLarge {
        /// Kind of the record.
        kind: ChunkKind,
        /// Its length in bytes.
        len: u64,
        /// [`crate::limits::RECORD_MAX`].
        max: u64,
    },
    /// All metadata together is too large for a reader.
    #[error(
        "the metadata takes {bytes} bytes in a reader's memory, the format allows {max}: capture \
         fewer symbols or regions"
    )]
    TooMuchMetadata {
        /// What it takes.
        bytes: u64,
        /// [`crate::limits::METADATA_MAX`].
        max: u64,
    },
    /// A memory range ends behind the last address.
    #[error("{len} bytes of memory at {addr:#x} would end behind the last address")]
    AddressOverflow {
        /// First address.
        addr: u64,
        /// Length in bytes.
        len: u64,
    },
    /// More chunks than a file may hold.
    #[error("the capture needs more than {max} chunks; store longer ranges of memory at a time")]
    TooManyChunks {
        /// [`crate::limits::CHUNKS_MAX`].
        max: u64,
    },
}

/// Why a file could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system did not open the file.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused to read.
    #[error("reading the capture failed at offset {offset}")]
    Io {
        /// Offset in the file.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("this is no v8mini capture: {found}")]
    NotACapture {
        /// What it looks like instead.
        found: String,
    },
    /// The file ends inside its header.
    #[error(
        "the file is {len} bytes long, less than the header of a capture ({expected} bytes): \
         nothing in it can be read"
    )]
    TooShort {
        /// Its length in bytes.
        len: u64,
        /// Size of the header in bytes.
        expected: u64,
    },
    /// The header's checksum does not match.
    #[error(
        "the file header (bytes 0 to 127) is damaged: its CRC-32 is {expected:#010x}, the file says \
         {found:#010x}; take another copy of the capture"
    )]
    HeaderDamaged {
        /// CRC computed from the bytes.
        expected: u32,
        /// CRC stored in the file.
        found: u32,
    },
    /// A major version of the future, or of before 1.0.
    #[error(
        "the capture is in format {found}, this program reads {}.x: use a version of v8mini that \
         knows it",
        FORMAT_VERSION.major
    )]
    UnsupportedVersion {
        /// Version of the file.
        found: FormatVersion,
    },
    /// A feature without which the file would be misread.
    #[error(
        "the capture uses features that this program does not know (incompatible feature bits \
         {bits:#x}): use a newer version of v8mini"
    )]
    UnsupportedFeatures {
        /// The unknown bits.
        bits: u64,
    },
    /// A critical chunk that this version does not know.
    #[error(
        "the capture holds a critical chunk that this program does not know, kind {kind} version \
         {kind_version} at offset {offset}: use a newer version of v8mini"
    )]
    UnknownCritical {
        /// The kind.
        kind: ChunkKind,
        /// Its version.
        kind_version: u16,
        /// Where it is in the file.
        offset: u64,
    },
    /// A limit of the specification is exceeded: the file is hostile or written by a faulty
    /// program.
    #[error("the capture is not valid: {what} exceeds the limit of {limit}")]
    LimitExceeded {
        /// What exceeds it.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl OpenError {
    /// Says what a file that does not begin like a capture looks like.
    pub(crate) fn not_a_capture(start: &[u8]) -> Self {
        let found = match start {
            [0x7F, b'E', b'L', b'F', ..] => "it is an ELF file".to_owned(),
            [b'{', ..] => "it looks like JSON, such as a .heapsnapshot".to_owned(),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => "it is a zstd file, but not of this format".to_owned(),
            [0x1F, 0x8B, ..] => "it is a gzip file: unpack it first".to_owned(),
            [_, _, _, _, _, _, _, _, signature @ ..]
                if signature.get(1..4) == SIGNATURE.get(1..4) =>
            {
                "its signature was changed, as a transfer in text mode does: transfer it in \
                 binary mode"
                    .to_owned()
            }
            _ => {
                let head = start.get(..16).unwrap_or(start);
                format!("it begins with the bytes {head:02x?}")
            }
        };
        Self::NotACapture { found }
    }
}
