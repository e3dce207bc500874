//! Texts cut short, for files to be shared: most of what is left of a heap is text.

use v8mini_capture::content::{Edit, Edits, Fill};
use v8mini_format::MemoryRange;

use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::layout::{Field, Place};
use crate::v8::{Objects, Representation};

/// What characters are replaced by.
const FILLER: u8 = b'.';

/// What replaces the characters behind the first `limit` of all strings in the heap. Lengths stay, names do (whatever is internalized), and strings that
/// are made of others or lie outside of the heap.
///
/// Nothing if the layout does not say where strings have their characters.
pub fn cut_strings(objects: &Objects, limit: u64) -> Edits {
    let layout = objects.layout();
    let (Ok(length), Ok(chars)) = (
        layout.place(Field::StringLength),
        layout.number(Field::SeqStringChars),
    ) else {
        return Edits::default();
    };
    let make = || Cut {
        objects,
        length,
        chars,
        limit,
        edits: Vec::new(),
    };
    let (parts, _) = walk(objects, PageSelection::default(), make);
    parts.into_iter().flat_map(|part| part.edits).collect()
}

struct Cut<'a> {
    objects: &'a Objects,
    length: Place,
    chars: u64,
    limit: u64,
    edits: Vec<Edit>,
}

impl Visitor for Cut<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let Some(string) = self.objects.string_type(object.map.instance_type) else {
            return;
        };
        // Names of properties and classes, and what V8's own objects are understood by.
        if string.internalized {
            return;
        }
        let (width, fill) = match string.representation {
            Representation::SeqOneByte => (1, Fill::byte(FILLER)),
            Representation::SeqTwoByte => (2, Fill::unit(u16::from(FILLER))),
            _ => return,
        };
        let length = self.length.load(object.bytes).unwrap_or(0);
        let room = object.size.saturating_sub(self.chars) / width;
        let Some(rest) = length
            .min(room)
            .checked_sub(self.limit)
            .filter(|rest| *rest > 0)
        else {
            return;
        };
        self.edits.push(Edit {
            range: MemoryRange {
                start: object.address.0 + self.chars + self.limit * width,
                len: rest * width,
            },
            fill,
        });
    }
}
