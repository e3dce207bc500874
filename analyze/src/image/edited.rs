//! Memory with changes, for whoever writes it down again.

use v8mini_capture::content::Edits;
use v8mini_format::{Memory, MemoryRange, ReadError};

/// Memory in which some ranges are replaced.
pub(crate) struct Edited {
    /// The memory as it is.
    pub(crate) memory: Box<dyn Memory>,
    /// What is replaced.
    pub(crate) edits: Edits,
}

impl Memory for Edited {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read_at(addr, buf)?;
        self.edits.apply(addr, buf);
        Ok(())
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.memory.ranges()
    }
}
