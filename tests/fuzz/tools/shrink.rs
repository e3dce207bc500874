//! Cuts a real capture down to a seed: the read-only space, and a few hundred objects around those of some classes, moved
//! together onto three pages.
//!
//! ```text
//! node specimens.js & v8mini-capture $! -o whole.v8mini
//! cargo run --package v8mini-fuzz --example shrink -- whole.v8mini seeds/node-22.v8mini Numbers Strings Arrays …
//! ```

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::error::Error;

use v8mini_analyze::heap::{Classifier, HeapObject, PageSelection, Tally, Visitor, walk};
use v8mini_analyze::layout::Layout;
use v8mini_analyze::v8::{Objects, Tagged};
use v8mini_format::memory::MemoryExt;
use v8mini_format::model::{Metadata, Page, Region, Space, Statistics};
use v8mini_format::{CaptureFile, WriteOptions, Writer};
use v8mini_fuzz::image::Bytes;

/// Bytes of objects that are kept besides the read-only space.
const BUDGET: u64 = 240 << 10;
/// Larger objects are left out.
const OBJECT_MAX: u64 = 8 << 10;
/// The objects move to so many pages: a heap with fewer is not believed to be one.
const PAGES: usize = 3;
/// Of the memory around a space, a thread pointer and a stack pointer, so much is kept on either side.
const AROUND: u64 = 0x600;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Object sizes by address.
#[derive(Default)]
struct Sizes(BTreeMap<u64, u64>);

impl Visitor for Sizes {
    fn visit(&mut self, object: &HeapObject<'_>) {
        self.0.insert(object.address.0, object.size);
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (input, output) = (
        arguments.next().ok_or("the capture is missing")?,
        arguments.next().ok_or("the output is missing")?,
    );
    let classes: HashSet<String> = arguments.collect();
    let file = CaptureFile::open(input)?;
    let metadata = file.metadata().clone();
    let version = metadata
        .v8_version
        .ok_or("the capture names no V8 version")?;
    let layout = Layout::resolve(version, &metadata.process.architecture, &metadata.constants)?;
    let objects = Objects::new(Bytes::of(&file)?.into_image(metadata), layout);
    let kept = select(&objects, &classes)?;
    let (metadata, bytes) = rebuild(&objects, &kept)?;
    let mut writer = Writer::create(
        std::fs::File::create(output)?,
        WriteOptions {
            level: 19,
            ..WriteOptions::default()
        },
        &metadata,
    )?;
    for (start, bytes) in &bytes.0 {
        writer.memory(*start, bytes)?;
    }
    writer.finish(&[], &Statistics::default())?;
    println!("{} objects, {} bytes of memory", kept.len(), bytes.len());
    Ok(())
}

/// The objects to keep, with their sizes: breadth first from the instances of the classes, maps before all else.
fn select(objects: &Objects, classes: &HashSet<String>) -> Result<BTreeMap<u64, u64>> {
    let (parts, _) = walk(objects, PageSelection::default(), Sizes::default);
    let sizes: BTreeMap<u64, u64> = parts.into_iter().flat_map(|part| part.0).collect();
    let tally = Tally::count(objects, PageSelection::default());
    let classifier = Classifier::new(objects);
    let mut queue: VecDeque<u64> = VecDeque::new();
    for ((map, _), count) in &tally.by_map {
        let class = objects
            .map(*map)
            .map(|map| classifier.class_of(&map, tally.sample(count)));
        if class.is_some_and(|class| classes.contains(&class.name)) {
            queue.extend(tally.sample(count).address.map(|address| address.0));
        }
    }
    let mut kept = BTreeMap::new();
    let mut total = 0;
    while let Some(addr) = queue.pop_front() {
        let read_only = |page: &Page| page.space == Space::ReadOnly;
        let Some(size) = sizes.get(&addr).copied() else {
            continue;
        };
        if size > OBJECT_MAX
            || kept.contains_key(&addr)
            || objects.pages().page_of(addr).is_none_or(read_only)
        {
            continue;
        }
        total += size;
        if total > BUDGET {
            break;
        }
        kept.insert(addr, size);
        for offset in (0..size).step_by(8) {
            if let Some(target) = Tagged(objects.memory().read_u64(addr + offset)?).object() {
                if offset == 0 {
                    queue.push_front(target.0);
                } else {
                    queue.push_back(target.0);
                }
            }
        }
    }
    Ok(kept)
}

/// The image with nothing but the kept objects, the read-only space and what the locator looks at.
fn rebuild(objects: &Objects, kept: &BTreeMap<u64, u64>) -> Result<(Metadata, Bytes)> {
    let memory = objects.memory();
    let mut metadata = objects.image().metadata.clone();
    let of = |space| {
        let pages = objects.pages().pages().iter();
        pages
            .copied()
            .filter(move |page: &Page| page.space == space)
    };
    let ordinary: Vec<Page> = of(Space::Old).take(PAGES).collect();
    // Where each object goes: the pages are filled evenly.
    let share = kept.values().sum::<u64>() / PAGES as u64 + OBJECT_MAX;
    let mut moved = BTreeMap::new();
    let mut pages = ordinary.iter();
    let mut page = pages.next().ok_or("there is no old space")?;
    let mut at = page.area_start;
    for (addr, size) in kept {
        if at + size > page.area_start + share {
            page = pages.next().ok_or("the pages are too small")?;
            at = page.area_start;
        }
        moved.insert(*addr, at);
        at += size;
    }
    let relocate = |bytes: &mut [u8]| {
        for word in bytes.as_chunks_mut::<8>().0 {
            let old = u64::from_le_bytes(*word);
            if old & 1 == 1
                && let Some(new) = moved.get(&(old & !3))
            {
                *word = (new | old & 3).to_le_bytes();
            }
        }
    };
    let mut parts: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for page in &ordinary {
        let mut bytes = memory.read_vec(page.address, (page.area_end - page.address) as usize)?;
        bytes[(page.area_start - page.address) as usize..].fill(0);
        for (addr, size) in kept {
            let new = moved[addr];
            if objects
                .pages()
                .page_of(new)
                .is_some_and(|p| p.address == page.address)
            {
                let at = (new - page.address) as usize;
                let mut object = memory.read_vec(*addr, *size as usize)?;
                relocate(&mut object);
                bytes[at..at + object.len()].copy_from_slice(&object);
            }
        }
        parts.insert(page.address, bytes);
    }
    metadata.pages = ordinary;
    for page in of(Space::ReadOnly) {
        let len = page.area_end - page.address;
        parts.insert(page.address, memory.read_vec(page.address, len as usize)?);
        metadata.pages.push(page);
    }
    metadata.pages.sort_by_key(|page| page.address);

    metadata.threads.truncate(1);
    metadata.isolates.truncate(1);
    for isolate in &mut metadata.isolates {
        isolate.allocation_areas.clear();
    }
    let mut around: Vec<(u64, u64)> = Vec::new();
    around.extend(metadata.pages.iter().map(|page| (page.owner, AROUND)));
    for isolate in &metadata.isolates {
        around.push((isolate.heap, AROUND));
        around.push((isolate.address, AROUND));
    }
    for thread in &metadata.threads {
        let register = |name| thread.register(name).unwrap_or(0);
        around.extend(["fs_base", "rsp"].map(|name| (register(name), AROUND)));
    }
    for (center, reach) in around {
        for range in memory.ranges() {
            let start = range.start.max(center.saturating_sub(reach) & !0xfff);
            let end = range.end().min((center + reach) | 0xfff);
            if start < end && range.contains(center) && objects.pages().page_of(center).is_none() {
                let mut bytes = memory.read_vec(start, (end - start) as usize)?;
                relocate(&mut bytes);
                let longer = |old: &Vec<u8>| old.len() < bytes.len();
                if parts.get(&start).is_none_or(longer) {
                    parts.insert(start, bytes);
                }
            }
        }
    }
    metadata.regions = parts
        .iter()
        .map(|(start, bytes)| region(objects, *start, bytes))
        .collect();
    metadata.modules.clear();
    metadata.symbols.clear();
    metadata.accounting.clear();
    metadata.problems.clear();
    Ok((metadata, join(parts)))
}

fn region(objects: &Objects, start: u64, bytes: &[u8]) -> Region {
    let regions = &objects.image().metadata.regions;
    let whole = regions
        .iter()
        .find(|region| (region.start..region.end).contains(&start));
    Region {
        start,
        end: start + bytes.len() as u64,
        ..whole.cloned().unwrap_or_default()
    }
}

/// Joins parts that touch or overlap: later ones hold what earlier ones hold.
fn join(parts: BTreeMap<u64, Vec<u8>>) -> Bytes {
    let mut joined: Vec<(u64, Vec<u8>)> = Vec::new();
    for (start, bytes) in parts {
        match joined.last_mut() {
            Some((first, last)) if *first + last.len() as u64 >= start => {
                let known = (*first + last.len() as u64 - start) as usize;
                last.extend_from_slice(bytes.get(known..).unwrap_or_default());
            }
            _ => joined.push((start, bytes)),
        }
    }
    Bytes(joined)
}
