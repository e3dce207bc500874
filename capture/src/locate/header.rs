//! The shapes of V8's page header, one row each.
//!
//! V8 calls the head of a heap page `MemoryChunk` (with `Page` and `LargePage` on top; from 12.4 `MemoryChunk` and
//! `MemoryChunkMetadata`). It has been rearranged seven times between 4.5 and 14.6, and no symbol describes it. Every shape
//! identifies itself: by words that point back at the page, and by bounds that only make sense together.

use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::{Page, V8Version};

/// Bytes of a header that are read, in the page and off it alike.
pub(crate) const HEADER_BYTES: usize = 0x68;
/// Objects never start later than this in a page: guard pages and mark bits of old code pages included (4.5: 0x6000).
const MAX_AREA_OFFSET: u64 = 0x8000;
/// No page is as large as this; V8 limits heaps far below.
const MAX_PAGE_BYTES: u64 = 1 << 40;
/// Page sizes are multiples of the smallest operating-system page.
const SIZE_GRANULE: u64 = 0x1000;
/// User addresses of x86-64 and arm64 lie below.
const MAX_ADDRESS: u64 = 1 << 48;

/// One shape of the header. Offsets are in bytes from where the header's fields lie: the page itself, or off-page memory.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderKind {
    /// Short name of the shape.
    pub name: &'static str,
    /// First V8 (major, minor) with this shape.
    pub first: (u32, u32),
    /// Last V8 (major, minor) with this shape.
    pub last: (u32, u32),
    /// Pages are aligned to this, in bytes: the smallest alignment of the versions in the range.
    pub alignment: u64,
    /// `flags_`, always in the page itself.
    flags: usize,
    /// A word of the page that holds the page's own address plus a constant: (offset, constant).
    self_pointer: Option<(usize, u64)>,
    /// Where the rest of the header is, if not in the page.
    off_page: Option<OffPage>,
    size: usize,
    area_start: usize,
    area_end: usize,
    heap: usize,
    /// `owner_`: more than one offset where the range of versions does not agree; the image decides.
    owner: &'static [usize],
    allocated_bytes: Option<usize>,
    high_water_mark: Option<usize>,
    /// Whether `LinearAllocationArea` begins with `start_` in these versions, before `top_` and `limit_`.
    pub(crate) area_has_start: bool,
}

/// Header fields in memory outside the page.
#[derive(Debug, PartialEq, Eq)]
struct OffPage {
    /// The word of the page that points there.
    pointer: usize,
    /// The word there that points back at the page; 0 for read-only pages.
    page_address: usize,
}

/// All shapes.
///
/// Sources: `src/heap/spaces.h` (4.5 to 7.9), `src/heap/memory-chunk-layout.h` (8.1 to 12.4), `src/heap/memory-chunk-metadata.h` and
/// `memory-chunk.h` (12.9 to 14.6); each verified on live processes of the first and the last Node release in the range.
pub const HEADER_KINDS: [HeaderKind; 7] = [
    // The owner carries the tag 3 up to V8 6.x.
    HeaderKind {
        name: "A",
        first: (4, 5),
        last: (7, 0),
        alignment: 512 << 10,
        flags: 0x08,
        self_pointer: None,
        off_page: None,
        size: 0x00,
        area_start: 0x10,
        area_end: 0x18,
        heap: 0x38,
        owner: &[0x30],
        allocated_bytes: None,
        high_water_mark: None,
        area_has_start: false,
    },
    HeaderKind {
        name: "B0",
        first: (7, 1),
        last: (7, 7),
        alignment: 256 << 10,
        flags: 0x08,
        self_pointer: Some((0x38, 1)),
        off_page: None,
        size: 0x00,
        area_start: 0x48,
        area_end: 0x50,
        heap: 0x30,
        owner: &[0x40],
        allocated_bytes: None,
        high_water_mark: None,
        area_has_start: false,
    },
    // 7.8 has the owner at 0x50, 7.9 after a longer reservation.
    HeaderKind {
        name: "B",
        first: (7, 8),
        last: (8, 0),
        alignment: 256 << 10,
        flags: 0x08,
        self_pointer: Some((0x20, 1)),
        off_page: None,
        size: 0x00,
        area_start: 0x28,
        area_end: 0x30,
        heap: 0x18,
        owner: &[0x50, 0x58, 0x60],
        allocated_bytes: None,
        high_water_mark: None,
        area_has_start: false,
    },
    HeaderKind {
        name: "B2",
        first: (8, 1),
        last: (8, 5),
        alignment: 256 << 10,
        flags: 0x08,
        self_pointer: None,
        off_page: None,
        size: 0x00,
        area_start: 0x20,
        area_end: 0x28,
        heap: 0x18,
        owner: &[0x58, 0x50],
        allocated_bytes: None,
        high_water_mark: None,
        area_has_start: false,
    },
    HeaderKind {
        name: "C",
        first: (8, 6),
        last: (12, 1),
        alignment: 256 << 10,
        flags: 0x08,
        self_pointer: None,
        off_page: None,
        size: 0x00,
        area_start: 0x18,
        area_end: 0x20,
        heap: 0x10,
        owner: &[0x40],
        allocated_bytes: Some(0x28),
        high_water_mark: Some(0x38),
        area_has_start: true,
    },
    HeaderKind {
        name: "D",
        first: (12, 2),
        last: (12, 5),
        alignment: 256 << 10,
        flags: 0x00,
        self_pointer: Some((0x08, 0)),
        off_page: None,
        size: 0x10,
        area_start: 0x20,
        area_end: 0x28,
        heap: 0x18,
        owner: &[0x48],
        allocated_bytes: Some(0x30),
        high_water_mark: Some(0x40),
        area_has_start: true,
    },
    // Metadata is allocated with `malloc`; on the read-only page of 12.9 it still follows the two words of the page.
    HeaderKind {
        name: "E",
        first: (12, 6),
        last: (u32::MAX, u32::MAX),
        alignment: 256 << 10,
        flags: 0x00,
        self_pointer: None,
        off_page: Some(OffPage {
            pointer: 0x08,
            page_address: 0x08,
        }),
        size: 0x30,
        area_start: 0x48,
        area_end: 0x38,
        heap: 0x40,
        owner: &[0x50],
        allocated_bytes: Some(0x18),
        high_water_mark: Some(0x28),
        area_has_start: true,
    },
];

/// The tag that V8 up to 6.x sets in the owner's low bits.
const OWNER_TAG: u64 = 3;

impl HeaderKind {
    /// Whether this V8 has headers of this shape.
    pub fn covers(&self, version: V8Version) -> bool {
        (self.first..=self.last).contains(&(version.major, version.minor))
    }

    /// How many places the owner may be in: see [`HeaderKind::parse`].
    pub fn owner_variants(&self) -> usize {
        self.owner.len()
    }

    /// Reads the header of the page at `base`, if it is one. The space is left unknown.
    ///
    /// `owner_variant` chooses between the places where versions of this shape keep the owner.
    pub fn parse(&self, memory: &dyn Memory, base: u64, owner_variant: usize) -> Option<Page> {
        let head: [u8; HEADER_BYTES] = memory.read_array(base).ok()?;
        let flags = word(&head, self.flags)?;
        if flags > u64::from(u32::MAX) {
            return None;
        }
        if let Some((offset, constant)) = self.self_pointer
            && word(&head, offset)? != base.checked_add(constant)?
        {
            return None;
        }
        let (fields, metadata_address) = match &self.off_page {
            None => (head, 0),
            Some(off_page) => {
                let address = word(&head, off_page.pointer)?;
                if !is_pointer(address) {
                    return None;
                }
                let fields = memory.read_array(address).ok()?;
                let back = word(&fields, off_page.page_address)?;
                if back != base && back != 0 {
                    return None;
                }
                (fields, address)
            }
        };
        let optional = |offset: Option<usize>| offset.map_or(Some(0), |at| word(&fields, at));
        let page = Page {
            address: base,
            size: word(&fields, self.size)?,
            flags,
            area_start: word(&fields, self.area_start)?,
            area_end: word(&fields, self.area_end)?,
            heap: word(&fields, self.heap)?,
            owner: word(&fields, *self.owner.get(owner_variant)?)? & !OWNER_TAG,
            allocated_bytes: optional(self.allocated_bytes)?,
            high_water_mark: optional(self.high_water_mark)?,
            metadata_address,
            ..Page::default()
        };
        is_plausible(&page).then_some(page)
    }
}

fn is_plausible(page: &Page) -> bool {
    let Some(end) = page.address.checked_add(page.size) else {
        return false;
    };
    (SIZE_GRANULE..MAX_PAGE_BYTES).contains(&page.size)
        && page.size.is_multiple_of(SIZE_GRANULE)
        && end <= MAX_ADDRESS
        && page.address < page.area_start
        && page.area_start <= page.area_end
        && page.area_end <= end
        && page.area_start - page.address <= MAX_AREA_OFFSET
        && (page.heap == 0 || is_pointer(page.heap))
        && (page.owner == 0 || is_pointer(page.owner))
        // A shared read-only page belongs to no heap and no space; everything else to both.
        && (page.heap == 0) >= (page.owner == 0)
        && !(page.address..end).contains(&page.heap)
}

/// Whether the value can be the address of a C++ object.
pub(crate) fn is_pointer(value: u64) -> bool {
    (0x1000..MAX_ADDRESS).contains(&value) && value.is_multiple_of(8)
}

fn word(bytes: &[u8], offset: usize) -> Option<u64> {
    let bytes = bytes.get(offset..offset.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
