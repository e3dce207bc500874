//! Reading objects out of an image.

use std::sync::{Arc, OnceLock, RwLock};

use rustc_hash::{FxHashMap, FxHashSet};
use v8mini_format::{Memory, MemoryExt};

use super::dispatch::DispatchTables;
use super::oddball::ReadOnlyOddballs;
use super::{Address, MapInfo, ObjectError, Tagged};
use crate::image::{Image, PageIndex};
use crate::layout::{Field, Layout, Place, Subject, Value};

/// So many maps are believed in any image…
const MAPS_ANYWHERE: u64 = 1 << 16;
/// …and one more for so many bytes of its memory. A map alone takes 72, and has a descriptor array and instances besides; in
/// a heap made to hurt, maps may overlap and each cost more memory here than there.
const BYTES_PER_MAP: u64 = 256;
/// So many addresses are remembered at which there is no map.
const NO_MAPS_REMEMBERED: usize = 1 << 16;

/// An image seen as V8 objects: its memory, its layout, and the maps met so far.
///
/// A word is believed to be a map only if its own map is a *meta-map*, an object whose map is itself and whose type is
/// `MAP_TYPE`. Up to V8 11 there is one per isolate or process, from 12 on one more per native context.
pub struct Objects {
    image: Image,
    layout: Layout,
    pages: PageIndex,
    meta_maps: RwLock<FxHashSet<Address>>,
    maps: RwLock<Maps>,
    /// The class name that a prototype object gives, of those asked for so far.
    prototype_names: RwLock<FxHashMap<Address, Option<Arc<str>>>>,
    /// Where the lines of scripts begin, of those asked for so far.
    pub(super) line_starts: RwLock<FxHashMap<Address, Option<Arc<[u32]>>>>,
    /// The oddballs, once they were asked for; `None` inside if they have no place of their own.
    pub(super) oddballs: OnceLock<Option<ReadOnlyOddballs>>,
    /// The code of functions that is in a table outside of the heap, once it was asked for.
    pub(super) dispatch_tables: OnceLock<DispatchTables>,
}

/// What is known of addresses that were taken for maps.
#[derive(Debug)]
struct Maps {
    known: FxHashMap<Address, Arc<MapInfo>>,
    rejected: FxHashSet<Address>,
    /// Most maps that are believed.
    max: usize,
}

impl Maps {
    fn get(&self, address: Address) -> Option<Option<Arc<MapInfo>>> {
        match self.known.get(&address) {
            Some(map) => Some(Some(Arc::clone(map))),
            None => self.rejected.contains(&address).then_some(None),
        }
    }

    fn insert(&mut self, address: Address, map: Option<MapInfo>) -> Option<Arc<MapInfo>> {
        let full = self.known.len() >= self.max && !self.known.contains_key(&address);
        let Some(map) = map.filter(|_| !full) else {
            if self.rejected.len() < NO_MAPS_REMEMBERED {
                self.rejected.insert(address);
            }
            return None;
        };
        let map = self.known.entry(address).or_insert_with(|| Arc::new(map));
        Some(Arc::clone(map))
    }
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects")
            .field("meta_maps", &self.meta_maps)
            .finish_non_exhaustive()
    }
}

impl Objects {
    /// Sees an image through a layout.
    pub fn new(image: Image, layout: Layout) -> Self {
        let pages = PageIndex::new(&image.metadata.pages, &image.metadata.regions);
        let ranges = image.memory.ranges();
        let bytes = ranges
            .iter()
            .fold(0, |sum: u64, range| sum.saturating_add(range.len));
        let max = MAPS_ANYWHERE.saturating_add(bytes / BYTES_PER_MAP);
        Self {
            image,
            layout,
            pages,
            meta_maps: RwLock::default(),
            maps: RwLock::new(Maps {
                known: FxHashMap::default(),
                rejected: FxHashSet::default(),
                max: usize::try_from(max).unwrap_or(usize::MAX),
            }),
            prototype_names: RwLock::default(),
            line_starts: RwLock::default(),
            oddballs: OnceLock::new(),
            dispatch_tables: OnceLock::new(),
        }
    }

    /// The class name that a prototype object gives, found out by `read` when it is asked for the first time: thousands of maps
    /// may have the same prototype, and looking through its properties takes long.
    pub(super) fn prototype_name(
        &self,
        prototype: Address,
        read: impl FnOnce() -> Option<String>,
    ) -> Option<Arc<str>> {
        let names = self.prototype_names.read();
        if let Some(known) = names.unwrap_or_else(|e| e.into_inner()).get(&prototype) {
            return known.clone();
        }
        let name = read().map(Arc::from);
        let names = self.prototype_names.write();
        names
            .unwrap_or_else(|e| e.into_inner())
            .insert(prototype, name.clone());
        name
    }

    /// Gives the image back.
    pub fn into_image(self) -> Image {
        self.image
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The memory of the image.
    pub fn memory(&self) -> &dyn Memory {
        &*self.image.memory
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The V8 pages of the image.
    pub fn pages(&self) -> &PageIndex {
        &self.pages
    }

    /// The meta-maps met so far, sorted.
    pub fn meta_maps(&self) -> Vec<Address> {
        let known = self.meta_maps.read().unwrap_or_else(|e| e.into_inner());
        let mut meta_maps: Vec<_> = known.iter().copied().collect();
        meta_maps.sort_unstable();
        meta_maps
    }

    /// `len` bytes at the start of an object. The caller bounds `len`.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if they are not in the image.
    pub fn bytes(&self, object: Address, len: usize) -> Result<Vec<u8>, ObjectError> {
        Ok(self.image.memory.read_vec(object.0, len)?)
    }

    /// The word at `offset` bytes from the start of an object.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if it is not in the image.
    pub fn word(&self, object: Address, offset: u64) -> Result<u64, ObjectError> {
        Ok(self.image.memory.read_u64(object.0.wrapping_add(offset))?)
    }

    /// The tagged word at `offset` bytes from the start of an object.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if it is not in the image.
    pub fn tagged(&self, object: Address, offset: u64) -> Result<Tagged, ObjectError> {
        self.word(object, offset).map(Tagged)
    }

    /// The value at a place in an object; signed encodings come sign-extended.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if it is not in the image.
    pub fn load(&self, object: Address, place: Place) -> Result<u64, ObjectError> {
        let mut word = [0; 8];
        let width = place.encoding.width() as usize;
        self.image
            .memory
            .read_at(object.0.wrapping_add(place.offset), &mut word[..width])?;
        Ok(place.decode(u64::from_le_bytes(word)))
    }

    /// The value of a field of an object; signed encodings come sign-extended.
    ///
    /// # Errors
    /// [`ObjectError::Layout`] if the version's layout does not have the field, [`ObjectError::Memory`] if it cannot be
    /// read.
    pub fn field(&self, object: Address, field: Field) -> Result<u64, ObjectError> {
        self.load(object, self.layout.place(field)?)
    }

    /// The tagged word in a field of an object.
    ///
    /// # Errors
    /// As [`Self::field`].
    pub fn tagged_field(&self, object: Address, field: Field) -> Result<Tagged, ObjectError> {
        self.field(object, field).map(Tagged)
    }

    /// The value that an expression has in an object; `None` if it cannot be evaluated there. At most `limit` bytes of the
    /// object are looked at.
    ///
    /// # Errors
    /// [`ObjectError::Layout`] if the version's layout does not have the field.
    pub fn evaluate(
        &self,
        object: Address,
        field: Field,
        limit: usize,
    ) -> Result<Option<u64>, ObjectError> {
        let expr = self.layout.expr(field)?;
        let mut bytes = vec![0; limit];
        // The object may end close to the end of what is stored: then a shorter piece must do.
        while self.image.memory.read_at(object.0, &mut bytes).is_err() {
            bytes.truncate(bytes.len() / 2);
            if bytes.len() < 8 {
                return Ok(None);
            }
        }
        Ok(expr.eval(Subject {
            bytes: &bytes,
            memory: self.memory(),
        }))
    }

    /// The value of a field of an object, however the layout gives it: a number, a place in the object, or an expression
    /// over its first 256 bytes. `None` if the expression cannot be evaluated there.
    ///
    /// # Errors
    /// As [`Self::field`].
    pub fn compute(&self, object: Address, field: Field) -> Result<Option<u64>, ObjectError> {
        match self.layout.value(field) {
            Some((Value::Number(number), _)) => Ok(Some(*number)),
            Some((Value::Place(place), _)) => self.load(object, *place).map(Some),
            Some((Value::Expr(_), _)) | None => self.evaluate(object, field, 256),
        }
    }

    /// The map of an object.
    ///
    /// # Errors
    /// [`ObjectError::NotAnObject`] if the first word does not lead to a map.
    pub fn map_of(&self, object: Address) -> Result<Arc<MapInfo>, ObjectError> {
        let word = self.word(object, 0)?;
        Tagged(word)
            .strong()
            .and_then(|map| self.map(map))
            .ok_or(ObjectError::NotAnObject {
                address: object,
                word,
            })
    }

    /// What the map at `address` says, or `None` if there is no map.
    pub fn map(&self, address: Address) -> Option<Arc<MapInfo>> {
        // A poisoned lock means that a reader panicked between two whole insertions: the cache is still sound.
        if let Some(known) = self
            .maps
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .get(address)
        {
            return known;
        }
        let map = self.read_map(address);
        let mut maps = self.maps.write().unwrap_or_else(|e| e.into_inner());
        maps.insert(address, map)
    }

    fn read_map(&self, address: Address) -> Option<MapInfo> {
        // Objects lie at multiples of 8, in the object area of a page.
        self.pages
            .room_at(address.0)
            .filter(|_| address.0.is_multiple_of(8))?;
        let meta_map = self.tagged(address, 0).ok()?.strong()?;
        if !self.is_meta_map(meta_map) {
            return None;
        }
        MapInfo::read(self, address).ok()
    }

    pub(super) fn is_meta_map(&self, address: Address) -> bool {
        if self
            .meta_maps
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .contains(&address)
        {
            return true;
        }
        let is_own_map = address.0.is_multiple_of(8)
            && self.pages.room_at(address.0).is_some()
            && self.tagged(address, 0).ok() == Some(address.tagged());
        let found = is_own_map
            && self
                .field(address, Field::MapInstanceType)
                .is_ok_and(|number| {
                    Some(number) == self.layout.types.number("MAP_TYPE").map(u64::from)
                });
        if found {
            self.meta_maps
                .write()
                .unwrap_or_else(|e| e.into_inner())
                .insert(address);
        }
        found
    }

    /// The instance type of an object, or `None` if there is no object.
    pub fn instance_type(&self, object: Address) -> Option<u16> {
        self.map_of(object).ok().map(|map| map.instance_type)
    }

    /// Whether an instance type has this name in V8.
    pub fn is_type(&self, instance_type: u16, name: &str) -> bool {
        self.layout.types.number(name) == Some(instance_type)
    }

    /// V8's name of an instance type, or its number.
    pub fn type_name(&self, instance_type: u16) -> String {
        match self.layout.types.name_of(instance_type) {
            Some(name) => name.to_owned(),
            None => format!("instance type {instance_type}"),
        }
    }
}
