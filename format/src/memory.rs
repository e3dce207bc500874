//! The one way in which every program here reads memory.
//!
//! [`Memory`] is implemented by the capture file, the ELF core, the live process and the synthetic heap of the tests, so
//! that the code that interprets V8 cannot tell them apart.

use thiserror::Error;

/// Where a contiguous run of readable memory lies. `start..start + len`, in virtual addresses of the captured process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryRange {
    /// First address.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl MemoryRange {
    /// The address after the last one; saturates at the top of the address space.
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Whether `addr` lies in the range.
    pub const fn contains(&self, addr: u64) -> bool {
        addr >= self.start && addr - self.start < self.len
    }
}

/// Why memory could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No byte is known for (a part of) the range.
    #[error("no memory is stored for {len} bytes at {addr:#x}")]
    Unmapped {
        /// First address of the read.
        addr: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// The bytes are there, but what stores them is damaged.
    #[error("the memory at {addr:#x} cannot be read: {reason}")]
    Damaged {
        /// First address of the read.
        addr: u64,
        /// What is wrong, with the place in the file.
        reason: String,
    },
}

/// An address space that can be read at any virtual address.
pub trait Memory: Send + Sync {
    /// Fills `buf` with the bytes at `addr`: all of them, or an error and `buf` in an unspecified state.
    ///
    /// # Errors
    /// [`ReadError::Unmapped`] if any byte is not there, [`ReadError::Damaged`] if its storage is broken.
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError>;

    /// What can be read: sorted by address, disjoint, neighbours merged.
    fn ranges(&self) -> Vec<MemoryRange>;
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(addr, buf)
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        (**self).ranges()
    }
}

impl<M: Memory + ?Sized> Memory for Box<M> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(addr, buf)
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        (**self).ranges()
    }
}

impl<M: Memory + ?Sized> Memory for std::sync::Arc<M> {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        (**self).read_at(addr, buf)
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        (**self).ranges()
    }
}

/// Typed little-endian reads over any [`Memory`].
pub trait MemoryExt: Memory {
    /// `N` bytes at `addr`.
    ///
    /// # Errors
    /// As [`Memory::read_at`].
    fn read_array<const N: usize>(&self, addr: u64) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.read_at(addr, &mut bytes)?;
        Ok(bytes)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`Memory::read_at`].
    fn read_u8(&self, addr: u64) -> Result<u8, ReadError> {
        self.read_array::<1>(addr).map(|[byte]| byte)
    }

    /// A little-endian 16-bit word.
    ///
    /// # Errors
    /// As [`Memory::read_at`].
    fn read_u16(&self, addr: u64) -> Result<u16, ReadError> {
        self.read_array(addr).map(u16::from_le_bytes)
    }

    /// A little-endian 32-bit word.
    ///
    /// # Errors
    /// As [`Memory::read_at`].
    fn read_u32(&self, addr: u64) -> Result<u32, ReadError> {
        self.read_array(addr).map(u32::from_le_bytes)
    }

    /// A little-endian 64-bit word.
    ///
    /// # Errors
    /// As [`Memory::read_at`].
    fn read_u64(&self, addr: u64) -> Result<u64, ReadError> {
        self.read_array(addr).map(u64::from_le_bytes)
    }

    /// `len` bytes. The caller bounds `len` first: it is allocated before anything is read.
    ///
    /// # Errors
    /// As [`Memory::read_at`].
    fn read_vec(&self, addr: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; len];
        self.read_at(addr, &mut bytes)?;
        Ok(bytes)
    }
}

impl<M: Memory + ?Sized> MemoryExt for M {}
