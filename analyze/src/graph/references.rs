//! The fast level: all words of an object that refer to other objects, without their names.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::layout::{Field, SlotKind, Slots};
use crate::v8::{Address, Kind, Objects, Representation, Tagged};

/// Large objects are read in parts of this many bytes: a multiple of 16, for the pairs of tables.
pub(super) const PART: u64 = 1 << 20;

/// How an object refers to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strength {
    /// The target lives as long as the object does.
    Strong,
    /// The target may be collected.
    Weak,
    /// The target, a value in the table of a `WeakMap`, lives as long as both the table and this key.
    Ephemeron {
        /// The key.
        key: Address,
    },
    /// The target is an operand of machine code, which V8 holds weakly where a deoptimization can do without it: which these are
    /// depends on the target, so the caller decides by [`is_weak_in_code`].
    Embedded,
}

/// A word of an object that refers to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Where the word lies, in bytes from the object's start: 0 is the map. In machine code it need not be aligned.
    pub offset: u64,
    /// What it refers to. Whether an object begins there is for the caller to check.
    pub target: Address,
    /// How.
    pub strength: Strength,
}

/// Where the objects of every instance type keep references: the layout's word on it, by type.
///
/// This is the one place that knows; the named edges, the graph and whatever else follows references build on it.
#[derive(Debug)]
pub struct References {
    /// Index into `slots`, by instance type.
    by_type: FxHashMap<u16, usize>,
    /// The first is what holds for all types that are not listed.
    slots: Vec<Slots>,
    /// Where functions have the number by which a table outside of the heap leads to their code.
    dispatch: Option<u64>,
}

impl References {
    /// Asks the layout about each instance type that has a name or is a string's.
    pub fn new(objects: &Objects) -> Self {
        let types = &objects.layout().types;
        let mut references = Self {
            by_type: FxHashMap::default(),
            slots: vec![Slots::default(), Slots::NONE],
            dispatch: (objects.layout().place(Field::FunctionDispatchEntry).ok())
                .map(|place| place.offset),
        };
        let strings = (0..=u16::MAX).take_while(|number| objects.is_string_type(*number));
        for number in types.iter().map(|(number, _)| number).chain(strings) {
            let known = match objects.representation(number) {
                Some(Representation::Cons | Representation::Sliced | Representation::Thin) => {
                    Some(0)
                }
                Some(_) => Some(1),
                None => None,
            };
            let index = known.unwrap_or_else(|| match types.slots_of(number) {
                Some(slots) => references.index_of(slots),
                None => 0,
            });
            if index != 0 {
                references.by_type.insert(number, index);
            }
        }
        references
    }

    fn index_of(&mut self, slots: &Slots) -> usize {
        let known = self.slots.iter().position(|known| known == slots);
        known.unwrap_or_else(|| {
            self.slots.push(slots.clone());
            self.slots.len() - 1
        })
    }

    /// The words of a type's objects that may be references.
    pub fn slots(&self, instance_type: u16) -> &Slots {
        const EVERYWHERE: &Slots = &Slots::NONE;
        let index = self.by_type.get(&instance_type).copied().unwrap_or(0);
        self.slots.get(index).unwrap_or(EVERYWHERE)
    }

    /// What an object refers to by way of a table outside of the heap: a function to its code (V8 13.6 and later).
    pub fn dispatched(
        &self,
        objects: &Objects,
        object: Address,
        instance_type: u16,
    ) -> Option<Reference> {
        let offset = self.dispatch?;
        if !objects.is_function_type(instance_type) {
            return None;
        }
        let target = objects.function_code(object)?;
        Some(Reference {
            offset,
            target,
            strength: Strength::Strong,
        })
    }
}

/// The parts in which an object of so many bytes is read, by their offsets: each begins where [`for_each_reference`] wants it to.
pub(super) fn parts(size: u64) -> impl Iterator<Item = Range<u64>> {
    let first = size.min(PART + 8);
    let others = std::iter::successors(Some(first), |start| start.checked_add(PART));
    let others = others.take_while(move |start| *start < size);
    std::iter::once(0..first)
        .chain(others.map(move |start| start..start.saturating_add(PART).min(size)))
        .filter(|part| !part.is_empty())
}

/// Where the tables of weak collections have pairs of keys and values.
pub(super) fn weak_pairs() -> Slots {
    Slots::parse("ephemeron 40..").unwrap_or_default()
}

/// Calls `visit` with the references in a part of an object: `bytes`, which begins `start` bytes after the object and which
/// ends with the object if not before. The map's word is not among them.
///
/// A part must begin at a multiple of 16 plus 8, or at 0: so no pair of a table is torn.
pub fn for_each_reference(
    slots: &Slots,
    size: u64,
    start: u64,
    bytes: &[u8],
    mut visit: impl FnMut(Reference),
) {
    let end = start.saturating_add(bytes.len() as u64);
    for (kind, range) in slots.runs(size) {
        let (from, to) = (range.start.max(start), range.end.min(end));
        let piece = to
            .checked_sub(from)
            .and_then(|len| {
                let first = usize::try_from(from.checked_sub(start)?).ok()?;
                bytes.get(first..first.checked_add(usize::try_from(len).ok()?)?)
            })
            .unwrap_or_default();
        match kind {
            SlotKind::Tagged => each_word(piece, from, |offset, word| {
                visit_word(offset, word, word.is_weak(), &mut visit);
            }),
            SlotKind::Weak => each_word(piece, from, |offset, word| {
                visit_word(offset, word, true, &mut visit);
            }),
            SlotKind::Ephemeron => each_pair(piece, from, &mut visit),
            SlotKind::Code => each_unaligned(piece, from, &mut visit),
        }
    }
}

fn each_word(piece: &[u8], from: u64, mut visit: impl FnMut(u64, Tagged)) {
    let (words, _) = piece.as_chunks::<8>();
    for (word, offset) in words.iter().zip((from..).step_by(8)) {
        let word = u64::from_le_bytes(*word);
        if word & 1 != 0 {
            visit(offset, Tagged(word));
        }
    }
}

fn visit_word(offset: u64, word: Tagged, weak: bool, visit: &mut impl FnMut(Reference)) {
    if let Some(target) = word.object() {
        visit(Reference {
            offset,
            target,
            strength: if weak {
                Strength::Weak
            } else {
                Strength::Strong
            },
        });
    }
}

fn each_pair(piece: &[u8], from: u64, visit: &mut impl FnMut(Reference)) {
    let (pairs, _) = piece.as_chunks::<16>();
    for (pair, offset) in pairs.iter().zip((from..).step_by(16)) {
        let pair = u128::from_le_bytes(*pair);
        let (key, value) = (Tagged(pair as u64), Tagged((pair >> 64) as u64));
        visit_word(offset, key, true, visit);
        if let (Some(key), Some(target)) = (key.object(), value.object()) {
            visit(Reference {
                offset: offset.saturating_add(8),
                target,
                strength: Strength::Ephemeron { key },
            });
        }
    }
}

/// References in machine code are operands of instructions, at any byte.
fn each_unaligned(piece: &[u8], from: u64, visit: &mut impl FnMut(Reference)) {
    for (window, offset) in piece.windows(8).zip(from..) {
        let word = window.first_chunk().copied().map_or(0, u64::from_le_bytes);
        if let Some(target) = Tagged(word).strong() {
            visit(Reference {
                offset,
                target,
                strength: Strength::Embedded,
            });
        }
    }
}

/// Whether optimized code holds objects of this type weakly (`Code::IsWeakObjectInOptimizedCode`): maps and whatever may live
/// as long as a program's objects do.
pub fn is_weak_in_code(objects: &Objects, instance_type: u16) -> bool {
    objects.is_receiver_type(instance_type)
        || objects.kind(instance_type) == Kind::Function
        || ["MAP_TYPE", "PROPERTY_CELL_TYPE", "CELL_TYPE"]
            .iter()
            .any(|name| objects.is_type(instance_type, name))
        || objects
            .layout()
            .types
            .name_of(instance_type)
            .is_some_and(|name| name.ends_with("_CONTEXT_TYPE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(slots: &str, words: &[u64]) -> Vec<Reference> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut found = Vec::new();
        let slots = Slots::parse(slots).unwrap();
        for_each_reference(&slots, bytes.len() as u64, 0, &bytes, |r| found.push(r));
        found
    }

    fn reference(offset: u64, target: u64, strength: Strength) -> Reference {
        Reference {
            offset,
            target: Address(target),
            strength,
        }
    }

    #[test]
    fn tags_and_runs_tell_how() {
        let words = [0x101, 0x201, 0x300_0000_0000, 0x403, 0x501];
        assert_eq!(
            references("8..32, weak 32..", &words),
            [
                reference(8, 0x200, Strength::Strong),
                reference(24, 0x400, Strength::Weak),
                reference(32, 0x500, Strength::Weak),
            ]
        );
        // A cleared weak reference refers to nothing.
        assert_eq!(references("8..", &[0x101, 3, 0x7fff_0000_0003]), []);
    }

    #[test]
    fn values_of_tables_depend_on_their_keys() {
        let key = Address(0x200);
        assert_eq!(
            references(
                "ephemeron 8..",
                &[0x101, 0x201, 0x301, 0x401, 0x7_0000_0000]
            ),
            [
                reference(8, 0x200, Strength::Weak),
                reference(16, 0x300, Strength::Ephemeron { key }),
                reference(24, 0x400, Strength::Weak),
            ]
        );
    }

    #[test]
    fn operands_of_code_are_found_at_any_byte() {
        let mut bytes = vec![0; 48];
        bytes[8..16].copy_from_slice(&0x101_u64.to_le_bytes());
        bytes[19..27].copy_from_slice(&0x1234_5671_u64.to_le_bytes());
        bytes[32..40].copy_from_slice(&0x1234_5681_u64.to_le_bytes());
        let mut found = Vec::new();
        let slots = Slots::parse("8..16, code 16..").unwrap();
        for_each_reference(&slots, 48, 0, &bytes, |r| found.push(r));
        // They are operands wherever they happen to lie.
        for (offset, target, strength) in [
            (8, 0x100, Strength::Strong),
            (19, 0x1234_5670, Strength::Embedded),
            (32, 0x1234_5680, Strength::Embedded),
        ] {
            assert!(found.contains(&reference(offset, target, strength)));
        }
    }

    #[test]
    fn an_object_can_be_read_in_parts() {
        let words: Vec<u64> = (0..64).map(|n| 0x1000 * n + 1).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        for slots in ["8..", "ephemeron 40..", "8..24, weak 24..-8"] {
            let slots = Slots::parse(slots).unwrap();
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            for_each_reference(&slots, 512, 0, &bytes, |r| whole.push(r));
            for (start, end) in [(0, 120), (120, 232), (232, 512)] {
                for_each_reference(&slots, 512, start as u64, &bytes[start..end], |r| {
                    parts.push(r);
                });
            }
            assert_eq!(whole, parts);
        }
    }

    #[test]
    fn parts_are_whole_and_tear_no_pair() {
        assert_eq!(parts(0).count(), 0);
        for size in [8, PART, PART + 8, PART + 16, 3 * PART + 24] {
            let mut end = 0;
            for part in parts(size) {
                assert_eq!(part.start, end);
                assert!(part.start == 0 || part.start % 16 == 8);
                end = part.end;
            }
            assert_eq!(end, size);
        }
    }
}
