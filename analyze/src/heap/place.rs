//! What lies at an address of the heap, or belongs to an object of it.

use v8mini_format::model::Page;

use super::walk::walk_pages;
use super::{HeapObject, Visitor};
use crate::v8::{Address, Kind, Objects};

/// What a walk over the heap finds out about an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The object around it: its address and size. It may be a filler or free space.
    pub object: Option<(Address, u64)>,
    /// Where no object was recognised: beginning and end of the range around it.
    pub gap: Option<(u64, u64)>,
    /// The `ArrayBuffer` in whose contents it lies, and the offset in them.
    pub buffer: Option<(Address, u64)>,
    /// The external string in whose characters it lies, and the offset in them, in bytes.
    pub string: Option<(Address, u64)>,
}

/// Looks for an address.
struct Finder<'a> {
    objects: &'a Objects,
    wanted: u64,
    found: Place,
}

impl Visitor for Finder<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let start = object.address.0;
        if self
            .wanted
            .checked_sub(start)
            .is_some_and(|offset| offset < object.size)
        {
            self.found.object = Some((object.address, object.size));
        }
        match self.objects.kind(object.map.instance_type) {
            Kind::ArrayBuffer => self.buffer(object.address),
            Kind::String => self.string(object.address, object.map.instance_type),
            _ => {}
        }
    }

    fn gap(&mut self, _page: &Page, range: std::ops::Range<u64>, _first_word: u64) {
        if range.contains(&self.wanted) {
            self.found.gap = Some((range.start, range.end));
        }
    }
}

impl Finder<'_> {
    fn buffer(&mut self, address: Address) {
        let Ok(buffer) = self.objects.read_array_buffer(address) else {
            return;
        };
        let length = buffer.max_byte_length.unwrap_or(0).max(buffer.byte_length);
        let offset = self.wanted.checked_sub(buffer.backing_store);
        if let Some(offset) = offset.filter(|offset| *offset < length) {
            self.found.buffer = Some((address, offset));
        }
    }

    fn string(&mut self, address: Address, instance_type: u16) {
        let Some(characters) = self.objects.external_characters(address, instance_type) else {
            return;
        };
        let offset = self.wanted.checked_sub(characters.start);
        if let Some(offset) = offset.filter(|_| characters.contains(&self.wanted)) {
            self.found.string = Some((address, offset));
        }
    }
}

/// Looks for an address among all objects and what they keep outside of the heap.
pub fn find_place(objects: &Objects, wanted: u64) -> Place {
    // What lies in a page lies in none of the buffers and strings that are kept outside.
    let own_page = objects.pages().page_of(wanted).map(|page| page.address);
    let is_wanted = |page: &Page| own_page.is_none_or(|own| own == page.address);
    let (finders, _) = walk_pages(objects, is_wanted, || Finder {
        objects,
        wanted,
        found: Place::default(),
    });
    let mut place = Place::default();
    for Finder { found, .. } in finders {
        place.object = place.object.or(found.object);
        place.gap = place.gap.or(found.gap);
        place.buffer = place.buffer.or(found.buffer);
        place.string = place.string.or(found.string);
    }
    place
}
