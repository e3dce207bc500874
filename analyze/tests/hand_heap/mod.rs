//! A small V8 heap, laid out by hand as V8 12.4 (Node.js 22) does: it shares no code and no table with the crate, so that
//! an error in a table cannot hide behind itself.

mod constants;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use v8mini_analyze::image::Image;
use v8mini_analyze::layout::Layout;
use v8mini_analyze::v8::{Address, Objects};
use v8mini_format::model::{Page, Space, V8Version};
use v8mini_format::{Memory, MemoryRange, Metadata, ReadError};

use constants::CONSTANTS;

/// Where the only page lies.
const PAGE: u64 = 0x2a5c_0000_0000;
/// Objects begin here on a page of V8 12.4.
const AREA: u64 = 0x1140;
/// Characters outside of the heap.
pub(crate) const OFF_HEAP: u64 = 0x7f00_0000_0000;

const VERSION: V8Version = V8Version {
    major: 12,
    minor: 4,
    build: 254,
    patch: 21,
};

const MAP_TYPE: u16 = 264;
const FIXED_ARRAY_TYPE: u16 = 174;
const FIXED_DOUBLE_ARRAY_TYPE: u16 = 188;
const DESCRIPTOR_ARRAY_TYPE: u16 = 241;
const PROPERTY_ARRAY_TYPE: u16 = 269;
const ORDERED_HASH_MAP_TYPE: u16 = 180;
const NAME_DICTIONARY_TYPE: u16 = 178;
const ACCESSOR_PAIR_TYPE: u16 = 140;
const SYMBOL_TYPE: u16 = 128;
const HEAP_NUMBER_TYPE: u16 = 130;
const BIGINT_TYPE: u16 = 129;
const ODDBALL_TYPE: u16 = 131;
const SHARED_FUNCTION_INFO_TYPE: u16 = 274;
const JS_OBJECT_TYPE: u16 = 1057;
const JS_ARRAY_TYPE: u16 = 2115;
const JS_MAP_TYPE: u16 = 2110;
const JS_DATE_TYPE: u16 = 2120;
const JS_FUNCTION_TYPE: u16 = 2066;
const SEQ_TWO_BYTE_STRING_TYPE: u16 = 32;
const CONS_ONE_BYTE_STRING_TYPE: u16 = 41;
const EXTERNAL_ONE_BYTE_STRING_TYPE: u16 = 42;
const SLICED_ONE_BYTE_STRING_TYPE: u16 = 43;
const THIN_ONE_BYTE_STRING_TYPE: u16 = 45;
const SEQ_ONE_BYTE_STRING_TYPE: u16 = 40;

/// A property as [`HandHeap::object`] takes it: key, details, value.
pub(crate) type Property = (u64, u32, u64);

/// Details of a field: data, in the object or its property array, all attributes on.
pub(crate) const fn field(index: u32) -> u32 {
    index << 19
}

/// A Smi as V8 stores it.
pub(crate) const fn smi(value: i32) -> u64 {
    (value as i64 as u64) << 32
}

/// The bytes of the page, from the start of its object area, and the maps that are there from the start.
#[derive(Debug, Clone)]
pub(crate) struct HandHeap {
    bytes: Vec<u8>,
    off_heap: Vec<u8>,
    maps: BTreeMap<(u16, u8), u64>,
    meta_map: u64,
    pub(crate) undefined: u64,
    pub(crate) null: u64,
    pub(crate) hole: u64,
    pub(crate) empty: u64,
}

impl HandHeap {
    pub(crate) fn new() -> Self {
        let mut heap = Self {
            bytes: Vec::new(),
            off_heap: Vec::new(),
            maps: BTreeMap::new(),
            meta_map: 0,
            undefined: 0,
            null: 0,
            hole: 0,
            empty: 0,
        };
        heap.meta_map = heap.here();
        heap.push(&[0; 10]);
        heap.set(heap.meta_map, 0, heap.meta_map);
        heap.set_map(heap.meta_map, MAP_TYPE, 10, 0, 0, 0);
        heap.undefined = heap.oddball("undefined", 4);
        heap.null = heap.oddball("null", 3);
        heap.hole = heap.oddball("hole", 2);
        heap.empty = heap.fixed_array(&[]);
        heap
    }

    /// The tagged address of the next object.
    fn here(&self) -> u64 {
        PAGE + AREA + self.bytes.len() as u64 + 1
    }

    /// Number of words in use.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / 8
    }

    fn push(&mut self, words: &[u64]) -> u64 {
        let at = self.here();
        for word in words {
            self.bytes.extend(word.to_le_bytes());
        }
        at
    }

    /// Overwrites the word at `offset` of the object at `tagged`.
    pub(crate) fn set(&mut self, tagged: u64, offset: usize, word: u64) {
        let at = (tagged - 1 - PAGE - AREA) as usize + offset;
        self.bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    /// Overwrites the word with this number.
    pub(crate) fn set_word(&mut self, index: usize, word: u64) {
        self.bytes[index * 8..index * 8 + 8].copy_from_slice(&word.to_le_bytes());
    }

    fn set_map(&mut self, map: u64, instance_type: u16, words: u8, start: u8, kind: u8, bits: u32) {
        self.set(
            map,
            8,
            u64::from(words) | u64::from(start) << 8
            | u64::from(instance_type) << 32
            // bit_field2: new_target_is_base, then the elements kind from bit 2 on.
            | u64::from(kind << 2 | 1) << 56,
        );
        self.set(map, 16, u64::from(bits));
    }

    /// A map, one for each instance type and elements kind.
    fn map(&mut self, instance_type: u16, kind: u8) -> u64 {
        if let Some(map) = self.maps.get(&(instance_type, kind)) {
            return *map;
        }
        let map = self.new_map(instance_type, kind, 0, 0, self.null, 0);
        self.maps.insert((instance_type, kind), map);
        map
    }

    fn new_map(
        &mut self,
        instance_type: u16,
        kind: u8,
        words: u8,
        bits: u32,
        prototype: u64,
        descriptors: u64,
    ) -> u64 {
        let (meta_map, null) = (self.meta_map, self.null);
        let map = self.push(&[meta_map, 0, 0, prototype, null, descriptors, 0, 0, 0, 0]);
        self.set_map(map, instance_type, words, 3, kind, bits);
        map
    }

    fn oddball(&mut self, text: &str, kind: i32) -> u64 {
        let map = self.map(ODDBALL_TYPE, 0);
        let text = self.one_byte(text);
        self.push(&[map, 0, text, 0, 0, smi(kind)])
    }

    /// Length and characters of a sequential string, as words.
    fn chars(length: usize, bytes: &[u8]) -> Vec<u64> {
        let mut words = vec![(length as u64) << 32];
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            words.push(u64::from_le_bytes(word));
        }
        words
    }

    pub(crate) fn one_byte(&mut self, text: &str) -> u64 {
        let mut words = vec![self.map(SEQ_ONE_BYTE_STRING_TYPE, 0)];
        words.extend(Self::chars(text.len(), text.as_bytes()));
        self.push(&words)
    }

    pub(crate) fn two_byte(&mut self, units: &[u16]) -> u64 {
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let mut words = vec![self.map(SEQ_TWO_BYTE_STRING_TYPE, 0)];
        words.extend(Self::chars(units.len(), &bytes));
        self.push(&words)
    }

    pub(crate) fn cons(&mut self, length: u32, first: u64, second: u64) -> u64 {
        let map = self.map(CONS_ONE_BYTE_STRING_TYPE, 0);
        self.push(&[map, u64::from(length) << 32, first, second])
    }

    pub(crate) fn sliced(&mut self, length: u32, parent: u64, offset: i32) -> u64 {
        let map = self.map(SLICED_ONE_BYTE_STRING_TYPE, 0);
        self.push(&[map, u64::from(length) << 32, parent, smi(offset)])
    }

    pub(crate) fn thin(&mut self, length: u32, actual: u64) -> u64 {
        let map = self.map(THIN_ONE_BYTE_STRING_TYPE, 0);
        self.push(&[map, u64::from(length) << 32, actual])
    }

    pub(crate) fn external(&mut self, text: &str) -> u64 {
        let data = OFF_HEAP + self.off_heap.len() as u64;
        self.off_heap.extend(text.as_bytes());
        self.external_at(text.len() as u32, data)
    }

    pub(crate) fn external_at(&mut self, length: u32, data: u64) -> u64 {
        let map = self.map(EXTERNAL_ONE_BYTE_STRING_TYPE, 0);
        self.push(&[map, u64::from(length) << 32, 0, data])
    }

    pub(crate) fn symbol(&mut self, description: &str, flags: u32) -> u64 {
        let description = self.one_byte(description);
        let map = self.map(SYMBOL_TYPE, 0);
        self.push(&[map, u64::from(flags) << 32, description])
    }

    pub(crate) fn heap_number(&mut self, bits: u64) -> u64 {
        let map = self.map(HEAP_NUMBER_TYPE, 0);
        self.push(&[map, bits])
    }

    pub(crate) fn bigint(&mut self, negative: bool, digits: &[u64]) -> u64 {
        let map = self.map(BIGINT_TYPE, 0);
        let mut words = vec![map, u64::from(negative) | (digits.len() as u64) << 1];
        words.extend(digits);
        self.push(&words)
    }

    fn array_of(&mut self, instance_type: u16, words: &[u64]) -> u64 {
        let mut all = vec![self.map(instance_type, 0), smi(words.len() as i32)];
        all.extend(words);
        self.push(&all)
    }

    pub(crate) fn fixed_array(&mut self, words: &[u64]) -> u64 {
        self.array_of(FIXED_ARRAY_TYPE, words)
    }

    pub(crate) fn array(&mut self, kind: u8, length: u64, elements: u64) -> u64 {
        let map = self.map(JS_ARRAY_TYPE, kind);
        self.push(&[map, self.empty, elements, length])
    }

    pub(crate) fn smi_array(&mut self, words: &[u64]) -> u64 {
        let elements = self.fixed_array(words);
        self.array(3, smi(words.len() as i32), elements)
    }

    pub(crate) fn double_array(&mut self, bits: &[u64]) -> u64 {
        let elements = self.array_of(FIXED_DOUBLE_ARRAY_TYPE, bits);
        self.array(5, smi(bits.len() as i32), elements)
    }

    pub(crate) fn accessor_pair(&mut self, getter: u64, setter: u64) -> u64 {
        let map = self.map(ACCESSOR_PAIR_TYPE, 0);
        self.push(&[map, getter, setter])
    }

    /// A function with a name and nothing else.
    pub(crate) fn function(&mut self, name: &str) -> u64 {
        let name = self.one_byte(name);
        let map = self.map(SHARED_FUNCTION_INFO_TYPE, 0);
        let undefined = self.undefined;
        let shared = self.push(&[map, 0, name, undefined, undefined, 0, 0, 0, 0]);
        let map = self.map(JS_FUNCTION_TYPE, 3);
        let empty = self.empty;
        self.push(&[
            map, empty, empty, 0, shared, undefined, undefined, undefined,
        ])
    }

    /// An object with two in-object fields, further ones in a property array, made by `constructor`.
    pub(crate) fn object(
        &mut self,
        constructor: u64,
        properties: &[Property],
        fields: &[u64],
    ) -> u64 {
        let mut words = vec![
            self.map(DESCRIPTOR_ARRAY_TYPE, 0),
            properties.len() as u64,
            0,
        ];
        for (key, details, value) in properties {
            words.extend([*key, smi(*details as i32), *value]);
        }
        let descriptors = self.push(&words);
        let bits = (properties.len() as u32) << 10;
        let map = self.new_map(JS_OBJECT_TYPE, 3, 5, bits, self.null, descriptors);
        self.set(map, 32, constructor);
        let outside = match fields.get(2..) {
            Some(rest) => self.array_of(PROPERTY_ARRAY_TYPE, rest),
            None => self.empty,
        };
        let field = |index: usize| fields.get(index).copied().unwrap_or(self.undefined);
        let words = [map, outside, self.empty, field(0), field(1)];
        self.push(&words)
    }

    /// An object whose properties are in a dictionary: key, value, details.
    pub(crate) fn dictionary_object(&mut self, entries: &[(u64, u64, u32)]) -> u64 {
        let undefined = self.undefined;
        let mut words = vec![
            smi(entries.len() as i32),
            0,
            smi(entries.len() as i32 + 1),
            0,
            0,
            0,
        ];
        for (key, value, details) in entries {
            words.extend([*key, *value, smi(*details as i32)]);
        }
        words.extend([undefined; 3]);
        let table = self.array_of(NAME_DICTIONARY_TYPE, &words);
        let map = self.new_map(JS_OBJECT_TYPE, 3, 3, 1 << 21, self.null, self.empty);
        self.push(&[map, table, self.empty])
    }

    /// A `Map` with one bucket: keys and values, a hole as key of a deleted entry.
    pub(crate) fn js_map(&mut self, entries: &[(u64, u64)]) -> u64 {
        let deleted = entries.iter().filter(|(key, _)| *key == self.hole).count();
        let mut words = vec![
            smi((entries.len() - deleted) as i32),
            smi(deleted as i32),
            smi(entries.len() as i32),
        ];
        words.extend(entries.iter().map(|_| smi(-1)));
        for (key, value) in entries {
            words.extend([*key, *value, smi(-1)]);
        }
        words.extend(entries.iter().flat_map(|_| [self.undefined; 3]));
        let table = self.array_of(ORDERED_HASH_MAP_TYPE, &words);
        let map = self.map(JS_MAP_TYPE, 3);
        self.push(&[map, self.empty, self.empty, table])
    }

    pub(crate) fn date(&mut self, value: u64) -> u64 {
        let map = self.map(JS_DATE_TYPE, 3);
        self.push(&[map, self.empty, self.empty, value])
    }

    /// The heap as the crate sees it.
    pub(crate) fn objects(&self) -> Objects {
        let metadata = Metadata {
            v8_version: Some(VERSION),
            pages: vec![Page {
                address: PAGE,
                size: AREA + self.bytes.len() as u64,
                area_start: PAGE + AREA,
                area_end: PAGE + AREA + self.bytes.len() as u64,
                space: Space::Old,
                ..Page::default()
            }],
            ..Metadata::default()
        };
        let memory = Box::new(HandMemory {
            pieces: vec![
                (PAGE + AREA, self.bytes.clone()),
                (OFF_HEAP, self.off_heap.clone()),
            ],
        });
        Objects::new(Image { memory, metadata }, layout())
    }
}

/// The layout of the heap. It is resolved once: the tables are text.
fn layout() -> Layout {
    static LAYOUT: OnceLock<Layout> = OnceLock::new();
    LAYOUT
        .get_or_init(|| {
            let constants = CONSTANTS
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect();
            Layout::resolve(VERSION, "x86_64", &constants).unwrap()
        })
        .clone()
}

/// The untagged address of an object.
pub(crate) fn at(tagged: u64) -> Address {
    Address(tagged - 1)
}

struct HandMemory {
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Memory for HandMemory {
    fn read_at(&self, addr: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let missing = ReadError::Unmapped {
            addr,
            len: buf.len() as u64,
        };
        for (start, bytes) in &self.pieces {
            let found = addr
                .checked_sub(*start)
                .and_then(|from| bytes.get(from as usize..)?.get(..buf.len()));
            if let Some(found) = found {
                buf.copy_from_slice(found);
                return Ok(());
            }
        }
        Err(missing)
    }

    fn ranges(&self) -> Vec<MemoryRange> {
        self.pieces
            .iter()
            .map(|(start, bytes)| MemoryRange {
                start: *start,
                len: bytes.len() as u64,
            })
            .collect()
    }
}
