//! Changes to memory on its way to the file.

use std::borrow::Cow;

use v8mini_format::memory::MemoryRange;

/// What a range is filled with: four bytes, again and again from its start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fill([u8; 4]);

impl Fill {
    /// Zero bytes.
    pub const ZERO: Self = Self([0; 4]);

    /// A byte.
    pub const fn byte(byte: u8) -> Self {
        Self([byte; 4])
    }

    /// A code unit of two bytes.
    pub const fn unit(unit: u16) -> Self {
        let [low, high] = unit.to_le_bytes();
        Self([low, high, low, high])
    }

    /// A 32-bit integer.
    pub const fn integer(integer: u32) -> Self {
        Self(integer.to_le_bytes())
    }

    /// Fills `bytes`, which begin at a distance from the start of the range.
    fn write(self, distance: u64, bytes: &mut [u8]) {
        if let [byte, rest @ ..] = self.0
            && rest == [byte; 3]
        {
            return bytes.fill(byte);
        }
        let pattern = self.0.iter().cycle().skip((distance % 4) as usize);
        for (byte, fill) in bytes.iter_mut().zip(pattern) {
            *byte = *fill;
        }
    }
}

/// A change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub range: MemoryRange,
    /// What is written there.
    pub fill: Fill,
}

/// Changes, each address at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Sorted by address, disjoint, none empty.
    edits: Vec<Edit>,
}

impl Edits {
    /// Edits in any order. Where two overlap, the one that begins first holds for both; of two that begin together, the longer.
    pub fn new(mut edits: Vec<Edit>) -> Self {
        edits.retain(|edit| edit.range.len > 0);
        edits.sort_unstable_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.len)));
        let mut disjoint: Vec<Edit> = Vec::with_capacity(edits.len());
        for edit in edits {
            match disjoint.last_mut() {
                Some(last) if edit.range.start < last.range.end() => {
                    let end = last.range.end().max(edit.range.end());
                    last.range.len = end - last.range.start;
                }
                _ => disjoint.push(edit),
            }
        }
        Self { edits: disjoint }
    }

    /// The edits in order of their addresses, disjoint.
    pub fn iter(&self) -> impl Iterator<Item = &Edit> {
        self.edits.iter()
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// How many bytes are changed.
    pub fn len_bytes(&self) -> u64 {
        self.edits.iter().map(|edit| edit.range.len).sum()
    }

    /// Makes the changes in `bytes`, which lie at `address`. Any part of memory will do: ranges are cut to it.
    pub fn apply(&self, address: u64, bytes: &mut [u8]) {
        for edit in self.touching(address, bytes.len()) {
            let start = edit.range.start.max(address);
            let end = edit
                .range
                .end()
                .min(address.saturating_add(bytes.len() as u64));
            let at = |address_of: u64| usize::try_from(address_of - address).ok();
            let (Some(from), Some(to)) = (at(start), at(end)) else {
                continue;
            };
            let Some(part) = bytes.get_mut(from..to) else {
                continue;
            };
            edit.fill.write(start - edit.range.start, part);
        }
    }

    /// Whether anything among `len` bytes at `address` is changed.
    pub fn touch(&self, address: u64, len: u64) -> bool {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.touching(address, len).next().is_some()
    }

    /// `bytes`, which lie at `address`, with the changes made; not copied if there are none.
    pub fn applied<'a>(&self, address: u64, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.touching(address, bytes.len()).next().is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut changed = bytes.to_vec();
        self.apply(address, &mut changed);
        Cow::Owned(changed)
    }

    fn touching(&self, address: u64, len: usize) -> impl Iterator<Item = &Edit> {
        let end = address.saturating_add(len as u64);
        let first = self
            .edits
            .partition_point(|edit| edit.range.end() <= address);
        self.edits
            .iter()
            .skip(first)
            .take_while(move |edit| edit.range.start < end)
    }
}

impl FromIterator<Edit> for Edits {
    fn from_iter<T: IntoIterator<Item = Edit>>(edits: T) -> Self {
        Self::new(edits.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: u64, len: u64, fill: Fill) -> Edit {
        Edit {
            range: MemoryRange { start, len },
            fill,
        }
    }

    #[test]
    fn every_cut_gives_the_same_bytes() {
        let edits = Edits::new(vec![
            edit(21, 7, Fill::unit(u16::from_le_bytes(*b"x-"))),
            edit(3, 4, Fill::byte(b'*')),
            edit(40, 0, Fill::ZERO),
            edit(12, 2, Fill::ZERO),
        ]);
        let mut whole = [b'.'; 32];
        edits.apply(0, &mut whole);
        assert_eq!(&whole, b"...****.....\0\0.......x-x-x-x....");
        assert_eq!(edits.len_bytes(), 13);
        for cut in 0..32_usize {
            for end in cut..32 {
                let mut parts = [b'.'; 32];
                edits.apply(0, &mut parts[..cut]);
                edits.apply(cut as u64, &mut parts[cut..end]);
                edits.apply(end as u64, &mut parts[end..]);
                assert_eq!(parts, whole, "cut at {cut} and {end}");
            }
        }
    }

    #[test]
    fn overlapping_edits_become_one() {
        let edits = Edits::new(vec![
            edit(8, 8, Fill::byte(2)),
            edit(0, 10, Fill::byte(1)),
            edit(0, 4, Fill::ZERO),
        ]);
        let mut bytes = [9; 18];
        edits.apply(0, &mut bytes);
        assert_eq!(
            bytes,
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9, 9]
        );
    }

    #[test]
    fn nothing_is_copied_without_need() {
        let edits = Edits::new(vec![edit(100, 8, Fill::ZERO)]);
        assert!(matches!(edits.applied(0, &[1; 100]), Cow::Borrowed(_)));
        assert!(matches!(edits.applied(93, &[1; 8]), Cow::Owned(_)));
        assert!(matches!(
            edits.applied(u64::MAX - 3, &[1; 8]),
            Cow::Borrowed(_)
        ));
    }
}
