//! What is wrong with a file, in words.

use std::fmt;

use crate::chunk::ChunkKind;
use crate::limits::DAMAGE_REPORTS_MAX;
use crate::memory::MemoryRange;

/// Whether a file is whole, and if not, what is missing.
///
/// Opening reads all metadata but no memory: damage inside memory chunks shows when they are read,
/// or in [`crate::CaptureFile::verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Integrity {
    /// Whether the file ends with a valid end record that agrees with the chunks before it.
    pub complete: bool,
    /// Offset at which the file was cut; `None` if it has its end record.
    pub truncated_at: Option<u64>,
    /// What is damaged, in the order of the file. At most [`DAMAGE_REPORTS_MAX`] are described.
    pub damage: Vec<Damage>,
    /// How much more damage there is than [`Self::damage`] describes.
    pub damage_omitted: u64,
    /// If the file was cut: the parts of V8 pages that are not stored in it. Some may not have been
    /// captured at all.
    pub missing: Vec<MemoryRange>,
    /// Ancillary chunks of later versions that were skipped: kind, version and offset. At most
    /// [`DAMAGE_REPORTS_MAX`].
    pub skipped: Vec<(ChunkKind, u16, u64)>,
}

impl Integrity {
    /// Whether nothing is known to be wrong.
    pub fn is_intact(&self) -> bool {
        self.complete && self.damage.is_empty()
    }

    pub(crate) fn report(&mut self, damage: Damage) {
        if self.damage.len() < DAMAGE_REPORTS_MAX {
            self.damage.push(damage);
        } else {
            self.damage_omitted += 1;
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_intact() {
            return f.write_str("complete");
        }
        let mut parts = Vec::new();
        if let Some(offset) = self.truncated_at {
            let missing: u64 = self.missing.iter().map(|range| range.len).sum();
            parts.push(format!(
                "there is no end record: the file was cut at offset {offset}, or its end is damaged; \
                 {missing} bytes of V8 pages are not in it, nor are the statistics"
            ));
        } else if !self.complete {
            parts.push("the end record does not agree with the file".to_owned());
        }
        parts.extend(self.damage.iter().map(Damage::to_string));
        if self.damage_omitted > 0 {
            parts.push(format!("and damage in {} more places", self.damage_omitted));
        }
        f.write_str(&parts.join("; "))
    }
}

/// One damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes of the file it makes unreadable.
    pub len: u64,
    /// What was there, if it is known.
    pub kind: Option<ChunkKind>,
    /// The memory that was there, if it is known.
    pub addresses: Option<MemoryRange>,
    /// What is wrong: expected and found.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.kind.map_or("file", ChunkKind::describe);
        write!(
            f,
            "the {what} at offset {} ({} bytes",
            self.offset, self.len
        )?;
        if let Some(range) = self.addresses {
            write!(f, ", memory {:#x} to {:#x}", range.start, range.end())?;
        }
        write!(f, ") is damaged: {}", self.reason)
    }
}
