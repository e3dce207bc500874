//! Opening a file as an image.

use std::path::Path;

use v8mini_format::{CaptureFile, Integrity};

use super::Image;

/// Opens a capture. Returns the image and whether the file is whole.
///
/// # Errors
/// If the file cannot be read or is no capture. A damaged or cut one opens.
pub fn open(path: &Path) -> Result<(Image, Integrity), v8mini_format::OpenError> {
    let file = CaptureFile::open(path)?;
    let metadata = file.metadata().clone();
    let integrity = file.integrity().clone();
    Ok((
        Image {
            memory: Box::new(file),
            metadata,
        },
        integrity,
    ))
}
