//! Tagged words and untagged addresses: two types, so that nobody adds the tag twice or forgets to take it off.

use std::fmt;

/// The untagged address of an object: where its first word, the map, lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl Address {
    /// The tagged pointer to the object, as V8 and `%DebugPrint` show it.
    pub const fn tagged(self) -> Tagged {
        Tagged(self.0 | 1)
    }
}

impl fmt::Display for Address {
    /// As V8 prints it, tagged: `0x…1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0 | 1)
    }
}

/// A word as V8 stores it in objects: a Smi (bit 0 clear), a pointer to an object (bits 0 and 1 are `01`), or a weak one
/// (`11`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tagged(pub u64);

impl Tagged {
    /// What is left of a weak reference when its object is gone (`kClearedWeakHeapObjectLower32`).
    const CLEARED: u32 = 3;

    /// The small integer, if it is one. Without pointer compression, as in every Node release, it has 32 bits.
    pub const fn smi(self) -> Option<i32> {
        if self.0 & 1 == 0 {
            Some((self.0 as i64 >> 32) as i32)
        } else {
            None
        }
    }

    /// The object that it points at, strongly or weakly; `None` for a Smi and for a cleared weak reference.
    pub const fn object(self) -> Option<Address> {
        if self.0 & 1 == 0 || self.is_cleared() {
            None
        } else {
            Some(Address(self.0 & !3))
        }
    }

    /// The object that it points at strongly.
    pub const fn strong(self) -> Option<Address> {
        if self.0 & 3 == 1 {
            Some(Address(self.0 & !3))
        } else {
            None
        }
    }

    /// Whether it is a weak reference, cleared or not.
    pub const fn is_weak(self) -> bool {
        self.0 & 3 == 3
    }

    /// Whether it is a weak reference whose object was collected.
    pub const fn is_cleared(self) -> bool {
        self.0 as u32 == Self::CLEARED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        assert_eq!(Tagged((-5_i64 as u64) << 32).smi(), Some(-5));
        assert_eq!(Tagged(0x1001).smi(), None);
        assert_eq!(Tagged(0x1001).strong(), Some(Address(0x1000)));
        assert_eq!(Tagged(0x1003).strong(), None);
        assert_eq!(Tagged(0x1003).object(), Some(Address(0x1000)));
        assert!(Tagged(3).is_cleared() && Tagged(3).object().is_none());
        assert!(Tagged(0x7fff_0000_0003).is_cleared());
        assert_eq!(Address(0x1000).to_string(), "0x1001");
    }
}
