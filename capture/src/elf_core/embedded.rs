//! What a core says about its process beyond what cores can say, if `v8mini export --to core` wrote it: a capture without its memory,
//! in a note.
//!
//! A capture does not hold everything by which V8 is found in a core, such as metadata that lies in memory of its own from V8 12.9 on. So
//! a core made of it carries what was found.

use v8mini_format::model::Metadata;
use v8mini_format::{CaptureFile, OpenError, WriteError, WriteOptions, Writer};

/// Name of the note.
pub const NOTE_NAME: &str = "v8mini";
/// Type of the note.
pub const NOTE_TYPE: u32 = 1;

/// The contents of the note for a process.
///
/// # Errors
/// If the metadata is larger than a capture can hold.
pub fn note(metadata: &Metadata) -> Result<Vec<u8>, WriteError> {
    let options = WriteOptions {
        threads: 1,
        ..WriteOptions::default()
    };
    let writer = Writer::create(Vec::new(), options, metadata)?;
    let (bytes, _) = writer.finish(&[], &metadata.statistics.unwrap_or_default())?;
    Ok(bytes)
}

/// What a note says; `None` if it is damaged.
pub(super) fn read(note: Vec<u8>) -> Result<Option<Metadata>, OpenError> {
    let file = CaptureFile::from_bytes(note)?;
    Ok(file
        .integrity()
        .is_intact()
        .then(|| file.metadata().clone()))
}
