//! Everything that the analyzer does with a heap.

use std::hint::black_box;

use v8mini_analyze::heap::{Classifier, PageSelection, Tally};
use v8mini_analyze::image::Image;
use v8mini_analyze::inspect::{Options, describe, one_line, to_json, to_text};
use v8mini_analyze::layout::Layout;
use v8mini_analyze::self_check::self_check;
use v8mini_analyze::v8::{Address, FixedArray, Objects, Tagged};
use v8mini_format::{Memory, Metadata};

use crate::seeds::Seed;

/// Code units of a string that are read.
const STRING_UNITS: usize = 10_000;

/// The heap as objects. `None` if its version is unknown or its constants contradict the tables.
pub fn open(memory: impl Memory + 'static, metadata: Metadata) -> Option<Objects> {
    let seed = &Seed::get().metadata;
    let version = metadata.v8_version?;
    let same = version == seed.v8_version? && metadata.constants == seed.constants;
    let layout = if same {
        Seed::get().layout.clone()
    } else {
        Layout::resolve(version, &metadata.process.architecture, &metadata.constants).ok()?
    };
    let memory = Box::new(memory);
    Some(Objects::new(Image { memory, metadata }, layout))
}

/// Walks the heap, names all classes, and checks the layout.
pub fn heap(objects: &Objects) -> Tally {
    let tally = Tally::count(objects, PageSelection::default());
    black_box(self_check(objects, PageSelection::default(), &tally));
    let classifier = Classifier::new(objects);
    for ((map, _), count) in &tally.by_map {
        let Some(map) = objects.map(*map) else {
            continue;
        };
        let sample = tally.sample(count);
        black_box(classifier.class_of(&map, sample));
        black_box(classifier.boilerplate_class_of(&map));
        black_box(classifier.shape_of(&map, sample));
        black_box(classifier.type_of(&map));
    }
    tally
}

/// What `v8mini inspect` shows unless it is told otherwise, and what it shows at the most.
const SHOWN: [Options; 2] = [
    Options {
        depth: 2,
        string_length: 500,
        array_length: 100,
        print_map: true,
    },
    Options {
        depth: usize::MAX,
        string_length: usize::MAX,
        array_length: usize::MAX,
        print_map: false,
    },
];

/// Describes an object and prints the description, as text, in one line and as JSON. `all` asks for everything, which may
/// be a large part of the heap.
pub fn inspect(objects: &Objects, address: Address, all: bool) {
    let options = &SHOWN[usize::from(all)];
    let description = describe(objects, address.tagged(), options);
    black_box(to_text(&description, options.print_map));
    black_box(one_line(&description));
    black_box(to_json(&description));
}

/// Looks at one object in every way, whatever it is.
pub fn object(objects: &Objects, address: Address) {
    black_box(objects.read_name(address).map(|name| name.to_string())).ok();
    if let Ok(string) = objects.read_string(address, STRING_UNITS) {
        black_box(string.to_text());
    }
    black_box(objects.read_symbol(address)).ok();
    black_box(objects.read_oddball(address)).ok();
    black_box(objects.properties(address)).ok();
    black_box(objects.prototype_class_name(address));
    black_box(objects.template_class_name(address));
    black_box(objects.function_debug_name(address)).ok();
    if let Ok(shared) = objects.shared_function_info(address) {
        black_box(objects.function_debug_name(shared)).ok();
        black_box(objects.function_scope_info(shared)).ok();
    }
    if let Ok(array) = FixedArray::read(objects, address) {
        let count_smis = |sum: &mut usize, words: &[u64]| {
            *sum += words
                .iter()
                .filter(|word| Tagged(**word).smi().is_some())
                .count();
        };
        let mut sum = 0;
        let end = array.for_each_group(objects, 0, 1, |_, words| {
            count_smis(&mut sum, words);
            true
        });
        black_box((end, sum)).0.ok();
        black_box(array.get(objects, array.length)).ok();
    }
}
