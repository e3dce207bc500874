//! The object views on a heap that is laid out by hand, whole and damaged.

mod hand_heap;

use std::time::{Duration, Instant};

use hand_heap::{HandHeap, OFF_HEAP, at, field, smi};
use v8mini_analyze::inspect::{Options, describe, one_line, to_json, to_text};
use v8mini_analyze::v8::{Objects, Representation, Tagged};

const OPTIONS: Options = Options {
    depth: 4,
    string_length: 1000,
    array_length: 100,
    print_map: false,
};

/// `DescriptorArray`: kind accessor, location descriptor.
const ACCESSOR: u32 = 1 | 1 << 5;
/// In a field, as a double.
const DOUBLE: u32 = 2 << 6;
/// `READ_ONLY | DONT_ENUM`.
const HIDDEN: u32 = 3 << 2;

fn text(objects: &Objects, tagged: u64) -> String {
    let text = one_line(&describe(objects, Tagged(tagged), &OPTIONS));
    let plain = anstream::adapter::strip_str(&text).to_string();
    // Addresses are where the test laid the objects: of no interest.
    let mut pieces = plain.split(" 0x2a5c");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(piece.trim_start_matches(|character: char| character.is_ascii_hexdigit()));
    }
    text
}

#[test]
fn strings_of_all_representations() {
    let mut heap = HandHeap::new();
    let flat = heap.one_byte("abcdefghijklmnopqrstuvwxyz");
    let units = [0x44, 0xd83d, 0xde00, 0xd800, 0x5c];
    let two_byte = heap.two_byte(&units);
    let cons = heap.cons(31, flat, two_byte);
    let empty = heap.one_byte("");
    let flattened = heap.cons(26, flat, empty);
    let sliced = heap.sliced(5, flat, 3);
    let of_flattened = heap.sliced(4, flattened, 22);
    let thin = heap.thin(26, flat);
    let of_thin = heap.sliced(2, thin, 24);
    let external = heap.external("outside of the heap");
    let both = heap.cons(24, external, sliced);
    let objects = heap.objects();
    let read = |string| {
        let value = objects.read_string(at(string), usize::MAX).unwrap();
        assert!(value.is_complete(), "{value:?}");
        (value.to_text(), value.representation)
    };
    let value = objects.read_string(at(two_byte), 100).unwrap();
    assert_eq!(value.units, units);
    assert!(!value.is_well_formed());
    assert_eq!(
        read(cons),
        (
            "abcdefghijklmnopqrstuvwxyzD😀\u{fffd}\\".into(),
            Representation::Cons
        )
    );
    assert_eq!(read(flattened).0, "abcdefghijklmnopqrstuvwxyz");
    assert_eq!(read(sliced), ("defgh".into(), Representation::Sliced));
    assert_eq!(read(of_flattened).0, "wxyz");
    assert_eq!(read(of_thin).0, "yz");
    assert_eq!(read(external).0, "outside of the heap");
    assert_eq!(read(both).0, "outside of the heapdefgh");
    let cut = objects.read_string(at(cons), 28).unwrap();
    assert_eq!((cut.units.len(), cut.length), (28, 31));
    assert!(cut.missing.is_none());
}

#[test]
fn one_byte_texts_are_the_same_without_a_second_look_at_the_map() {
    let mut heap = HandHeap::new();
    // The bytes of the second are Latin-1 here, and happen to be UTF-8, too.
    let texts = ["", "caf\u{e9}", "plain", &"long".repeat(17_000)];
    let strings = texts.map(|text| heap.one_byte(text));
    let two_byte = heap.two_byte(&[0x44]);
    let lying = heap.one_byte("short");
    heap.set(lying, 8, (1 << 29) << 32);
    let impossible = heap.one_byte("short");
    heap.set(impossible, 8, (1 << 31) << 32);
    let objects = heap.objects();
    let type_of = |string| objects.map_of(at(string)).unwrap().instance_type;
    assert!(objects.one_byte_text(type_of(two_byte)).is_none());
    let place = objects.one_byte_text(type_of(lying)).unwrap();
    let push = |string, max| {
        let (mut buffer, mut text) = (vec![1, 2, 3], "> ".to_owned());
        let is_read = objects.push_one_byte_text(at(string), place, max, &mut buffer, &mut text);
        (is_read, text)
    };
    for string in strings {
        for max in [0, 1, 4, 1000, 60_000] {
            let expected = objects.read_string(at(string), max).unwrap().to_text();
            assert_eq!(push(string, max), (true, format!("> {expected}")));
        }
    }
    for (string, max) in [(strings[3], 200_000), (lying, 1 << 29), (impossible, 1)] {
        assert_eq!(push(string, max), (false, "> ".to_owned()));
    }
}

#[test]
fn what_is_missing_of_a_string_is_said() {
    let mut heap = HandHeap::new();
    let flat = heap.one_byte("here");
    let elsewhere = heap.external_at(6, OFF_HEAP + 4096);
    let cons = heap.cons(10, flat, elsewhere);
    let value = heap.objects().read_string(at(cons), 100).unwrap();
    assert_eq!(value.to_text(), "here");
    assert!(
        value
            .missing
            .unwrap()
            .to_string()
            .contains("no memory is stored")
    );
}

#[test]
fn a_cons_string_may_be_as_deep_as_it_is_long() {
    for lean_left in [true, false] {
        let mut heap = HandHeap::new();
        let piece = heap.one_byte("x");
        let mut string = heap.one_byte("y");
        for depth in 2..=100_000 {
            string = if lean_left {
                heap.cons(depth, string, piece)
            } else {
                heap.cons(depth, piece, string)
            };
        }
        let value = heap.objects().read_string(at(string), usize::MAX).unwrap();
        assert!(value.is_complete());
        let at_y = if lean_left { 0 } else { 99_999 };
        assert_eq!(value.units[at_y], u16::from(b'y'));
    }
}

#[test]
fn lying_strings_end() {
    let mut heap = HandHeap::new();
    let flat = heap.one_byte("0123456789abcdef");
    let cyclic = heap.cons(32, flat, flat);
    heap.set(cyclic, 16, cyclic);
    // Each level doubles what the one below claims: a gigabyte in thirty objects.
    let mut huge = heap.cons(32, flat, flat);
    for level in 6..30 {
        huge = heap.cons(1 << level, huge, huge);
    }
    let too_long = heap.one_byte("short");
    heap.set(too_long, 8, (1 << 29) << 32);
    let slice = heap.sliced(16, flat, 1);
    let objects = heap.objects();
    for string in [cyclic, too_long, slice] {
        let value = objects.read_string(at(string), usize::MAX).unwrap();
        assert!(value.missing.is_some(), "{string:#x}");
    }
    assert_eq!(
        objects.read_string(at(huge), 1000).unwrap().units.len(),
        1000
    );
}

#[test]
fn properties_wherever_they_are() {
    let mut heap = HandHeap::new();
    let constructor = heap.function("Invoice");
    let getter = heap.function("get total");
    let pair = heap.accessor_pair(getter, heap.null);
    let keys: Vec<u64> = ["id", "ratio", "total", "out of object", "hidden"]
        .iter()
        .map(|key| heap.one_byte(key))
        .collect();
    let private = heap.symbol("#secret", 0b01_0001);
    let iterator = heap.symbol("Symbol.iterator", 0);
    let number = heap.heap_number((-0.0_f64).to_bits());
    let label = heap.one_byte("text");
    let object = heap.object(
        constructor,
        &[
            (keys[0], field(0), heap.undefined),
            (keys[1], field(1) | DOUBLE, heap.undefined),
            (keys[2], ACCESSOR, pair),
            (keys[3], field(2), heap.undefined),
            (keys[4], field(3) | HIDDEN, heap.undefined),
            (private, field(4), heap.undefined),
            (iterator, field(5), heap.undefined),
        ],
        &[smi(-7), number, label, smi(1), smi(2), smi(3)],
    );
    let objects = heap.objects();
    assert_eq!(
        text(&objects, object),
        "Invoice { id: -7, ratio: -0, total: [Getter], \"out of object\": \"text\", hidden: 1, \
         #secret: 2, [Symbol.iterator]: 3 }"
    );
    let json = to_json(&describe(&objects, Tagged(object), &OPTIONS));
    let properties = json["properties"].as_array().unwrap();
    assert_eq!(properties[1]["value"]["bits"], "8000000000000000");
    assert_eq!(properties[1]["value"]["value"], "-0");
    assert_eq!(properties[2]["value"]["getter"]["name"], "get total");
    assert_eq!(properties[4]["enumerable"], false);
    assert_eq!(properties[4]["writable"], false);
    assert_eq!(properties[4]["configurable"], true);
    assert_eq!(properties[5]["private"], "#secret");
    assert_eq!(json["class"], "Invoice");
    assert_eq!(json["address"], format!("{object:#x}"));
}

#[test]
fn dictionaries_list_properties_in_the_order_of_insertion() {
    let mut heap = HandHeap::new();
    let (first, second, third) = (
        heap.one_byte("first"),
        heap.one_byte("second"),
        heap.one_byte("third"),
    );
    let order = |index: u32| index << 8;
    let object = heap.dictionary_object(&[
        (third, smi(3), order(3)),
        (heap.hole, heap.hole, 0),
        (first, smi(1), order(1)),
        (second, heap.null, order(2)),
    ]);
    assert_eq!(
        text(&heap.objects(), object),
        "[no prototype] { first: 1, second: null, third: 3 }"
    );
}

#[test]
fn elements_with_holes_and_exact_doubles() {
    const HOLE_NAN: u64 = 0xfff7_ffff_fff7_ffff;
    const PAYLOAD: u64 = 0x7ff8_dead_0000_beef;
    let mut heap = HandHeap::new();
    let hole = heap.hole;
    let mixed = heap.smi_array(&[hole, smi(1), hole, hole, smi(2), hole]);
    let doubles = heap.double_array(&[0.5_f64.to_bits(), HOLE_NAN, PAYLOAD]);
    let objects = heap.objects();
    assert_eq!(
        text(&objects, mixed),
        "[no prototype](6) [ <1 empty item>, 1, <2 empty items>, 2, <1 empty item> ]"
    );
    let json = to_json(&describe(&objects, Tagged(doubles), &OPTIONS));
    assert_eq!(json["elements"][1]["index"], 2);
    assert_eq!(json["elements"][1]["value"]["bits"], "7ff8dead0000beef");
    assert_eq!(json["elements"][1]["value"]["value"], "NaN");
}

#[test]
fn maps_dates_and_bigints() {
    let mut heap = HandHeap::new();
    let key = heap.one_byte("key");
    let lone = heap.two_byte(&[0xd800]);
    let big = heap.bigint(true, &[0, 1]);
    let map = heap.js_map(&[(key, smi(1)), (heap.hole, heap.hole), (lone, big)]);
    let time = heap.heap_number(1_234_567_890_123.0_f64.to_bits());
    let date = heap.date(time);
    let objects = heap.objects();
    assert_eq!(
        text(&objects, map),
        "[no prototype](2) { \"key\" => 1, \"\\ud800\" => -18446744073709551616n }"
    );
    let json = to_json(&describe(&objects, Tagged(map), &OPTIONS));
    assert_eq!(json["entries"][1][0]["value"], "\\ud800");
    assert_eq!(json["entries"][1][0]["escaped"], true);
    assert!(text(&objects, date).contains("2009-02-13T23:31:30.123Z"));
}

#[test]
fn circles_and_depth_are_marked() {
    let mut heap = HandHeap::new();
    let constructor = heap.function("Node");
    let (next, value) = (heap.one_byte("next"), heap.one_byte("value"));
    let properties = [
        (next, field(0), heap.undefined),
        (value, field(1), heap.undefined),
    ];
    let first = heap.object(constructor, &properties, &[smi(0), smi(1)]);
    let second = heap.object(constructor, &properties, &[first, smi(2)]);
    heap.set(first, 24, second);
    let objects = heap.objects();
    assert_eq!(
        text(&objects, first),
        "Node { next: Node { next: Node [Circular], value: 2 }, value: 1 }"
    );
    let shallow = Options {
        depth: 0,
        ..OPTIONS
    };
    let json = to_json(&describe(&objects, Tagged(first), &shallow));
    assert_eq!(json["properties"][0]["value"]["closed"], "depth");
}

/// Puts hostile values into every word of a heap that has every kind of object in it. Nothing may panic, hang or grow
/// without bound, and the description must still be one.
#[test]
fn no_word_can_do_harm() {
    let mut heap = HandHeap::new();
    let constructor = heap.function("Hostile");
    let pair = heap.accessor_pair(constructor, heap.undefined);
    let (a, b, c) = (heap.one_byte("a"), heap.one_byte("b"), heap.one_byte("c"));
    let cons = heap.cons(2, a, b);
    let sliced = heap.sliced(1, b, 0);
    let external = heap.external("external");
    let private = heap.symbol("#p", 0b01_0001);
    let big = heap.bigint(false, &[1, 2, 3]);
    let array = heap.smi_array(&[smi(1), heap.hole, cons, big]);
    let doubles = heap.double_array(&[1, 2, 3]);
    let map = heap.js_map(&[(a, array), (heap.hole, heap.hole), (sliced, doubles)]);
    let dictionary = heap.dictionary_object(&[(a, map, 1 << 8), (b, external, 2 << 8)]);
    let number = heap.heap_number(1);
    let date = heap.date(number);
    let root = heap.object(
        constructor,
        &[
            (a, field(0), heap.undefined),
            (b, field(1), heap.undefined),
            (c, ACCESSOR, pair),
            (private, field(2), heap.undefined),
        ],
        &[dictionary, date, map, smi(1)],
    );
    let clean = to_text(&describe(&heap.objects(), Tagged(root), &OPTIONS), true);
    assert!(
        clean.contains("Hostile") && !clean.contains("could not be read"),
        "{clean}"
    );
    let values = [
        0,
        1,
        3,
        u64::MAX,
        u64::MAX - 6,
        smi(i32::MAX),
        smi(i32::MIN),
        smi(1 << 27),
        1 << 29 << 32,
        root,
        array,
        cons,
        OFF_HEAP + 1,
    ];
    let started = Instant::now();
    for index in 0..heap.len() {
        for value in values {
            let mut damaged = heap.clone();
            damaged.set_word(index, value);
            let objects = damaged.objects();
            let description = describe(&objects, Tagged(root), &OPTIONS);
            let text = to_text(&description, true);
            assert!(
                text.len() < 1 << 20,
                "word {index} = {value:#x}: {}",
                text.len()
            );
            to_json(&description);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(120));
}
