//! What is at an address: of the heap, of a stack, of V8's own structures, of any other memory of the process.

mod part;

use v8mini_format::MemoryExt;
use v8mini_format::model::{Page, Region, Space, Symbol};

use crate::heap::{Classifier, Place, Sample, find_place};
use crate::stack::{Frame, MAX_FRAMES, demangle, unwind};
use crate::v8::{Address, Objects, Tagged};

pub use part::part_of;

/// How far the structures of an isolate are taken to reach beyond the address of its `Heap`, which lies inside: no V8 since
/// 4.5 has more. Nothing in an image says it exactly.
const ISOLATE_BEYOND_HEAP: u64 = 0x1800;
/// Nothing is mapped below, by the default of Linux: smaller numbers in registers are no addresses.
const FIRST_ADDRESS: u64 = 0x10000;
/// The same for the `Isolate` of V8 4 to 6, whose `Heap` lies at its beginning.
const ISOLATE_SIZE: u64 = 0xa000;

/// What is at an address.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIs {
    /// The address, as it was asked for.
    pub address: u64,
    /// The small integer that it would be, were it a tagged value.
    pub smi: Option<i32>,
    /// The eight bytes there; `None` if they are not in the file.
    pub word: Option<u64>,
    /// Registers that hold the address: thread and name.
    pub registers: Vec<(u32, String)>,
    /// The heap page around it.
    pub page: Option<PagePlace>,
    /// The object around it.
    pub object: Option<ObjectPlace>,
    /// The object in whose memory outside of the heap it lies.
    pub external: Option<ExternalPlace>,
    /// The thread on whose stack it lies.
    pub stack: Option<StackPlace>,
    /// The isolate in whose own structures it lies: number, and offset in it.
    pub isolate: Option<(usize, u64)>,
    /// The mapped file.
    pub module: Option<ModulePlace>,
    /// The mapping around it.
    pub region: Option<Region>,
}

/// A place in a heap page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PagePlace {
    /// The page.
    pub page: Page,
    /// Number of its isolate; `None` if all share it.
    pub isolate: Option<usize>,
    /// What part of the page it is.
    pub part: PagePart,
}

/// Parts of a heap page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PagePart {
    /// Before the first object: V8's notes about the page.
    Header,
    /// Where objects lie.
    Objects,
    /// Where new objects will be allocated.
    AllocationArea,
    /// In the semispace that is not in use.
    FromSpace,
    /// Where no object was recognised: it begins and ends there.
    Unrecognised(u64, u64),
    /// Beyond the last object.
    Unused,
}

/// A place in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPlace {
    /// The object.
    pub address: Address,
    /// Its size in bytes.
    pub size: u64,
    /// Where in it the address is, in bytes.
    pub offset: u64,
    /// Its class, as in a histogram.
    pub class: String,
    /// V8's name of its instance type.
    pub instance_type: String,
    /// Whether it only stands for free memory.
    pub is_free: bool,
    /// What is there: `.name`, `[3]`, `elements`, …
    pub part: Option<String>,
}

/// A place in memory that belongs to an object but lies outside of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalPlace {
    /// The `ArrayBuffer` or string.
    pub owner: Address,
    /// Whether it is a string.
    pub is_string: bool,
    /// Where in the contents the address is, in bytes.
    pub offset: u64,
}

/// A place on a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackPlace {
    /// The thread.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// Bytes above the stack pointer; below it, where nothing lives, less than 0. `None` without registers.
    pub above_stack_pointer: Option<i64>,
    /// The frame that it lies in: its number among all, native ones included, and the name of its function.
    pub frame: Option<(usize, String)>,
}

/// A place in a mapped file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModulePlace {
    /// The path, as the process saw it.
    pub path: String,
    /// The address in the file's own symbol table.
    pub offset: u64,
    /// The symbol at or before it, and the distance.
    pub symbol: Option<(Symbol, u64)>,
}

/// Says what is at an address. Any number has an answer.
pub fn what_is(objects: &Objects, address: u64) -> WhatIs {
    let metadata = &objects.image().metadata;
    let place = find_place(objects, address);
    let region = metadata
        .regions
        .iter()
        .find(|region| (region.start..region.end).contains(&address));
    let registers = metadata.threads.iter().flat_map(|thread| {
        let holding = thread.registers.iter();
        let holding =
            holding.filter(|register| register.value == address && address >= FIRST_ADDRESS);
        holding.map(|register| (thread.tid, register.name.clone()))
    });
    WhatIs {
        address,
        smi: Tagged(address).smi().filter(|_| address & 0xffff_ffff == 0),
        word: objects.memory().read_u64(address & !7).ok(),
        registers: registers.collect(),
        page: page_place(objects, address, &place),
        object: place
            .object
            .map(|(object, size)| object_place(objects, address, object, size)),
        external: external_place(&place),
        stack: stack_place(objects, address),
        isolate: isolate_place(objects, address),
        module: module_place(objects, address),
        region: region.cloned(),
    }
}

fn page_place(objects: &Objects, address: u64, place: &Place) -> Option<PagePlace> {
    let page = *objects.pages().page_of(address)?;
    let isolates = &objects.image().metadata.isolates;
    let areas = isolates
        .iter()
        .flat_map(|isolate| &isolate.allocation_areas);
    let mut areas = areas.map(|area| area.top..area.limit);
    let part = if address < page.area_start {
        PagePart::Header
    } else if page.space == Space::NewFrom {
        PagePart::FromSpace
    } else if place.object.is_some() {
        PagePart::Objects
    } else if let Some((start, end)) = place.gap {
        PagePart::Unrecognised(start, end)
    } else if areas.any(|area| area.contains(&address)) {
        PagePart::AllocationArea
    } else {
        PagePart::Unused
    };
    Some(PagePlace {
        page,
        isolate: isolates
            .iter()
            .position(|isolate| isolate.heap == page.heap),
        part,
    })
}

fn object_place(objects: &Objects, address: u64, object: Address, size: u64) -> ObjectPlace {
    // The tagged address of an object means the object, not its second byte.
    let offset = match address.saturating_sub(object.0) {
        1 => 0,
        offset => offset,
    };
    let map = objects.map_of(object).ok();
    let instance_type = map
        .as_ref()
        .map_or_else(String::new, |map| objects.type_name(map.instance_type));
    let class = map.map_or_else(String::new, |map| {
        let sample = Sample {
            address: Some(object),
            is_the_only: false,
        };
        Classifier::new(objects).class_of(&map, sample).name
    });
    ObjectPlace {
        address: object,
        size,
        offset,
        class,
        is_free: matches!(instance_type.as_str(), "FREE_SPACE_TYPE" | "FILLER_TYPE"),
        instance_type,
        part: part_of(objects, object, offset),
    }
}

fn external_place(place: &Place) -> Option<ExternalPlace> {
    let string = place.string.map(|(owner, offset)| (owner, true, offset));
    let buffer = place.buffer.map(|(owner, offset)| (owner, false, offset));
    // A typed array's elements may lie in the heap: then the object around says more.
    let (owner, is_string, offset) = string.or(buffer)?;
    Some(ExternalPlace {
        owner,
        is_string,
        offset,
    })
}

fn stack_place(objects: &Objects, address: u64) -> Option<StackPlace> {
    let threads = &objects.image().metadata.threads;
    let thread = threads
        .iter()
        .find(|thread| (thread.stack_start..thread.stack_end).contains(&address))?;
    let pointer = thread.register("rsp").or_else(|| thread.register("sp"));
    // Stacks grow downwards: each frame lies above its own stack pointer and below the next one's.
    let frames = unwind(objects, thread, MAX_FRAMES).frames;
    let mut numbered = frames.iter().enumerate();
    let frame = numbered
        .rfind(|(_, frame)| frame.sp <= address)
        .filter(|_| pointer.is_some_and(|pointer| pointer <= address));
    Some(StackPlace {
        tid: thread.tid,
        name: thread.name.clone(),
        above_stack_pointer: pointer.map(|pointer| address.wrapping_sub(pointer) as i64),
        frame: frame.map(|(number, frame)| (number, name_of(frame))),
    })
}

/// What a frame's function is called; by its kind, if it has no name.
fn name_of(frame: &Frame) -> String {
    let native = frame.native.as_ref();
    let symbol = native.and_then(|native| native.symbol.as_deref());
    match (&frame.function, symbol) {
        (Some(function), _) if !function.name.is_empty() => function.name.clone(),
        (_, Some(symbol)) => demangle(symbol),
        _ => frame.kind.name().to_owned(),
    }
}

fn isolate_place(objects: &Objects, address: u64) -> Option<(usize, u64)> {
    let isolates = &objects.image().metadata.isolates;
    isolates.iter().enumerate().find_map(|(number, isolate)| {
        let offset = address.checked_sub(isolate.address)?;
        let heap = isolate.heap.saturating_sub(isolate.address);
        let size = heap.saturating_add(ISOLATE_BEYOND_HEAP).max(ISOLATE_SIZE);
        (isolate.address != 0 && offset < size).then_some((number, offset))
    })
}

fn module_place(objects: &Objects, address: u64) -> Option<ModulePlace> {
    let metadata = &objects.image().metadata;
    let regions = &metadata.regions;
    // A module's range has holes where other memory may be mapped.
    let is_file = regions
        .iter()
        .any(|region| (region.start..region.end).contains(&address) && region.is_file());
    let module = metadata
        .modules
        .iter()
        .find(|module| (module.start..module.end).contains(&address))
        .filter(|_| is_file || regions.is_empty())?;
    let symbol = metadata
        .symbols
        .iter()
        .filter(|symbol| {
            let distance = address.checked_sub(symbol.address);
            distance.is_some_and(|distance| distance < symbol.size.max(1))
        })
        .max_by_key(|symbol| symbol.address);
    Some(ModulePlace {
        path: module.path.clone(),
        offset: address.wrapping_sub(module.load_bias),
        symbol: symbol.map(|symbol| (symbol.clone(), address - symbol.address)),
    })
}
