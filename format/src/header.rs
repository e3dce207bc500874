//! The first 128 bytes of a file: signature, version, features, and what identifies the capture.

use std::fmt;

use crate::chunk::{FRAME_HEADER_LEN, FRAME_MAGIC};
use crate::error::OpenError;
use crate::layout::fixed_layout;
use crate::wire::cut_at_char;

/// Signature behind the first frame header. As in PNG: a byte that no text has, a name, and line
/// ends that a transfer in text mode would change.
pub(crate) const SIGNATURE: [u8; 8] = [0x8E, b'V', b'8', b'M', b'\r', b'\n', 0x1A, b'\n'];

/// Size of the file header in bytes.
pub(crate) const FILE_HEADER_LEN: u64 = RawFileHeader::LEN as u64;

/// Version that this crate writes.
pub const FORMAT_VERSION: FormatVersion = FormatVersion { major: 1, minor: 1 };

fixed_layout! {
    /// The file header on disk.
    struct RawFileHeader [128] {
        0 frame_magic: u32,
        4 frame_size: u32,
        8 signature: [u8; 8],
        16 version_major: u16,
        18 version_minor: u16,
        20 os_page_size: u32,
        24 incompatible_features: u64,
        32 read_only_compatible_features: u64,
        40 compatible_features: u64,
        48 capture_id: [u8; 16],
        64 captured_at_ns: i64,
        72 monotonic_ns: u64,
        80 machine: u16,
        82 pointer_size: u8,
        83 redaction: u8,
        84 unused: u32,
        88 writer: [u8; 32],
        120 unused2: u32,
        124 header_crc: u32,
    }
}

/// Version of the file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatVersion {
    /// A reader refuses a major version that it does not know.
    pub major: u16,
    /// A reader reads any minor version.
    pub minor: u16,
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Feature words of a file, one bit per feature. Version 1.0 defines none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// A reader that does not know one of these must refuse the file.
    pub incompatible: u64,
    /// A program that does not know one of these may read the file but must not change it.
    pub read_only_compatible: u64,
    /// A program that does not know one of these need not care.
    pub compatible: u64,
}

/// What the first 128 bytes of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHeader {
    /// Version of the format that the file was written in.
    pub version: FormatVersion,
    /// Feature words.
    pub features: Features,
    /// UUID of the capture, random (version 4).
    pub capture_id: [u8; 16],
    /// Wall-clock time of the stop, nanoseconds since the Unix epoch; 0 if unknown.
    pub captured_at_ns: i64,
    /// Monotonic time of the stop in nanoseconds since boot of the captured machine; 0 if unknown.
    pub monotonic_ns: u64,
    /// Architecture as `e_machine` of ELF; 0 if unknown.
    pub machine: u16,
    /// Size of a pointer of the captured process in bytes.
    pub pointer_size: u8,
    /// Redaction level: 0 if no byte of memory was replaced.
    pub redaction: u8,
    /// Size of an operating-system page in bytes; 0 if unknown.
    pub os_page_size: u32,
    /// Name and version of the program that wrote the file, cut at 32 bytes.
    pub writer: String,
}

impl FileHeader {
    /// The eight bytes that every chunk of this capture carries.
    pub(crate) fn capture_tag(&self) -> [u8; 8] {
        let mut tag = [0; 8];
        tag.copy_from_slice(&self.capture_id[..8]);
        tag
    }

    /// The UUID in its usual spelling.
    pub fn capture_uuid(&self) -> String {
        let mut text = String::with_capacity(36);
        for (i, byte) in self.capture_id.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    pub(crate) fn to_bytes(&self) -> [u8; RawFileHeader::LEN] {
        let mut writer = [0; 32];
        let name = cut_at_char(&self.writer, writer.len()).as_bytes();
        writer[..name.len()].copy_from_slice(name);
        let mut raw = RawFileHeader {
            frame_magic: FRAME_MAGIC,
            frame_size: RawFileHeader::LEN as u32 - FRAME_HEADER_LEN as u32,
            signature: SIGNATURE,
            version_major: self.version.major,
            version_minor: self.version.minor,
            os_page_size: self.os_page_size,
            incompatible_features: self.features.incompatible,
            read_only_compatible_features: self.features.read_only_compatible,
            compatible_features: self.features.compatible,
            capture_id: self.capture_id,
            captured_at_ns: self.captured_at_ns,
            monotonic_ns: self.monotonic_ns,
            machine: self.machine,
            pointer_size: self.pointer_size,
            redaction: self.redaction,
            unused: 0,
            writer,
            unused2: 0,
            header_crc: 0,
        };
        raw.header_crc = header_crc(&raw.to_bytes());
        raw.to_bytes()
    }

    /// Reads and checks the first 128 bytes of a file.
    pub(crate) fn from_bytes(bytes: &[u8; RawFileHeader::LEN]) -> Result<Self, OpenError> {
        let raw = RawFileHeader::from_bytes(bytes);
        if raw.frame_magic != FRAME_MAGIC || raw.signature != SIGNATURE {
            return Err(OpenError::not_a_capture(bytes));
        }
        let expected = header_crc(bytes);
        if raw.header_crc != expected {
            return Err(OpenError::HeaderDamaged {
                expected,
                found: raw.header_crc,
            });
        }
        let version = FormatVersion {
            major: raw.version_major,
            minor: raw.version_minor,
        };
        if version.major != FORMAT_VERSION.major {
            return Err(OpenError::UnsupportedVersion { found: version });
        }
        if raw.incompatible_features != 0 {
            return Err(OpenError::UnsupportedFeatures {
                bits: raw.incompatible_features,
            });
        }
        let writer = raw
            .writer
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        Ok(Self {
            version,
            features: Features {
                incompatible: raw.incompatible_features,
                read_only_compatible: raw.read_only_compatible_features,
                compatible: raw.compatible_features,
            },
            capture_id: raw.capture_id,
            captured_at_ns: raw.captured_at_ns,
            monotonic_ns: raw.monotonic_ns,
            machine: raw.machine,
            pointer_size: raw.pointer_size,
            redaction: raw.redaction,
            os_page_size: raw.os_page_size,
            writer: String::from_utf8_lossy(writer).into_owned(),
        })
    }
}

/// CRC-32 of a file header without its last four bytes, which hold it.
fn header_crc(bytes: &[u8; RawFileHeader::LEN]) -> u32 {
    crc32fast::hash(&bytes[..RawFileHeader::LEN - 4])
}
