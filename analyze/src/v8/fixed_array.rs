//! `FixedArray` and what is laid out like it: a length, then tagged words.

use v8mini_format::MemoryExt;

use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// Words are read in pieces of this many.
const PIECE: u64 = 8 << 10;

/// A `FixedArray` whose length is checked against its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedArray {
    /// The object.
    pub address: Address,
    /// Number of words.
    pub length: u64,
    /// Address of the first word.
    pub data: u64,
}

impl FixedArray {
    /// The array at `address`, whatever its instance type is: hash tables, contexts and others share the layout.
    ///
    /// # Errors
    /// [`ObjectError::Implausible`] if the length does not fit the page, or as [`Objects::field`].
    pub fn read(objects: &Objects, address: Address) -> Result<Self, ObjectError> {
        let length = objects.field(address, Field::FixedArrayLength)?;
        let header = objects.layout().number(Field::FixedArrayData)?;
        let size = length
            .checked_mul(8)
            .and_then(|bytes| bytes.checked_add(header))
            .ok_or(ObjectError::Implausible {
                address,
                what: "length",
                value: length,
                why: "no array is that long",
            })?;
        objects.check_extent(address, "size", size)?;
        Ok(Self {
            address,
            length,
            // The extent was checked: it does not wrap.
            data: address.0.wrapping_add(header),
        })
    }

    /// The word at `index`.
    ///
    /// # Errors
    /// [`ObjectError::Implausible`] if there are fewer words, [`ObjectError::Memory`] if it is not in the image.
    pub fn get(&self, objects: &Objects, index: u64) -> Result<Tagged, ObjectError> {
        if index >= self.length {
            return Err(ObjectError::Implausible {
                address: self.address,
                what: "index",
                value: index,
                why: "the array is shorter",
            });
        }
        let word = objects
            .memory()
            .read_u64(self.data.wrapping_add(index * 8))?;
        Ok(Tagged(word))
    }

    /// Calls `visit` with the index and the words of each group of `group` words from `start` on, until it returns
    /// `false`. A group that the array ends in is left out.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if a word is not in the image: the groups before it have been visited.
    pub fn for_each_group(
        &self,
        objects: &Objects,
        start: u64,
        group: u64,
        mut visit: impl FnMut(u64, &[u64]) -> bool,
    ) -> Result<(), ObjectError> {
        let groups = self.length.saturating_sub(start) / group.max(1);
        let per_piece = (PIECE / group.max(1)).max(1);
        let mut next = 0;
        while next < groups {
            let count = (groups - next).min(per_piece);
            let at = self.data.wrapping_add((start + next * group) * 8);
            let bytes = objects
                .memory()
                .read_vec(at, (count * group * 8) as usize)?;
            let (words, _) = bytes.as_chunks::<8>();
            let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
            for words in words.chunks_exact(group.max(1) as usize) {
                if !visit(next, words) {
                    return Ok(());
                }
                next += 1;
            }
        }
        Ok(())
    }
}
