//! What the words of objects are, by their maps.

use v8mini_format::pack::{Class, Tail};

use crate::layout::{Encoding, Field, Place, SlotKind};
use crate::v8::{Address, MapInfo, Objects, Representation};

/// Knows kinds of objects by the layout.
pub(super) struct Classes<'a> {
    objects: &'a Objects,
    heap_numbers: Vec<u16>,
    double_array: Option<u16>,
    free_space: Option<u16>,
    text: Option<TextShape>,
}

/// Where strings have their length and their characters.
#[derive(Debug, Clone, Copy)]
struct TextShape {
    /// The word whose upper half is the length.
    count_word: u8,
    /// Words in front of the characters.
    lead: u8,
}

/// A size by which it is told whether the references of a kind of object go on to its end.
const LARGE: u64 = 1 << 20;

impl<'a> Classes<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        let types = &objects.layout().types;
        let heap_numbers = ["HEAP_NUMBER_TYPE", "MUTABLE_HEAP_NUMBER_TYPE"];
        Self {
            objects,
            heap_numbers: heap_numbers
                .iter()
                .filter_map(|name| types.number(name))
                .collect(),
            double_array: types.number("FIXED_DOUBLE_ARRAY_TYPE"),
            free_space: types.number("FREE_SPACE_TYPE"),
            text: TextShape::of(objects),
        }
    }

    /// The class of the objects of a map.
    pub(super) fn of(&self, map: Address) -> Class {
        let plain = Class {
            head: map.tagged().0,
            lead: 1,
            ..Class::default()
        };
        match self.objects.map(map) {
            Some(map) => Class {
                head: plain.head,
                is_gap: false,
                ..self.shape(&map)
            },
            None => plain,
        }
    }

    fn shape(&self, map: &MapInfo) -> Class {
        let class = |lead, tail| Class {
            lead,
            tail,
            ..Class::default()
        };
        let number = map.instance_type;
        if self.heap_numbers.contains(&number) {
            return class(1, Tail::Numbers);
        }
        if map.instance_size != 0 {
            return class(1, Tail::None);
        }
        if let Some(string) = self.objects.string_type(number)
            && let Some(TextShape { count_word, lead }) = self.text
        {
            return match string.representation {
                Representation::SeqOneByte => class(lead, Tail::Text8(count_word)),
                Representation::SeqTwoByte => class(lead, Tail::Text16(count_word)),
                _ => class(2, Tail::Values),
            };
        }
        if Some(number) == self.double_array {
            return class(2, Tail::Numbers);
        }
        if Some(number) == self.free_space {
            // Its size, and the link to the next entry.
            return class(3, Tail::Bytes);
        }
        // Where references end before the object does, bytes follow.
        let slots = self.objects.layout().types.slots_of(number);
        let is_code = |kind: SlotKind| kind == SlotKind::Code;
        if slots.is_some_and(|slots| slots.runs(LARGE).any(|(kind, _)| is_code(kind))) {
            return class(2, Tail::Bytes);
        }
        let end = slots.map(|slots| slots.runs(LARGE).map(|(_, run)| run.end).max());
        match end {
            None => class(2, Tail::Values),
            Some(Some(end)) if end + 64 >= LARGE => class(2, Tail::Values),
            Some(end) => {
                let lead = (end.unwrap_or(0) / 8).clamp(2, 32);
                class(lead as u8, Tail::Bytes)
            }
        }
    }
}

impl TextShape {
    fn of(objects: &Objects) -> Option<Self> {
        let layout = objects.layout();
        let Place {
            encoding,
            offset,
            bits: None,
        } = layout.place(Field::StringLength).ok()?
        else {
            return None;
        };
        // Where its upper half is.
        let upper = match encoding {
            Encoding::Smi => offset + 4,
            Encoding::U32 | Encoding::I32 => offset,
            _ => return None,
        };
        let chars = layout.number(Field::SeqStringChars).ok()?;
        let fits = upper % 8 == 4 && chars % 8 == 0 && chars <= 64 && upper < chars;
        fits.then_some(Self {
            count_word: (upper / 8) as u8,
            lead: (chars / 8) as u8,
        })
    }
}
