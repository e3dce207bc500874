//! Some thousand mutations of small valid inputs, the same ones always, through every reader and the analyses: what takes
//! a fuzzer seconds to find is found here without one.

mod common;

use v8mini_fuzz::mutation::Random;
use v8mini_fuzz::{TARGETS, Target};

/// How often each target runs: a second or two.
const COUNTS: [(&str, usize); 9] = [
    ("capture", 60),
    ("record", 300),
    ("packed", 2000),
    ("heap", 60),
    ("locate", 200),
    ("symbols", 3000),
    ("core", 100),
    ("expression", 10_000),
    ("commands", 6),
];

/// Values that lengths, counts and addresses go wrong with.
const INTERESTING: [u64; 12] = [
    0,
    1,
    7,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    u64::MAX - 7,
    u64::MAX,
];

/// Changes an input in one to eight places.
fn mutate(input: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(8) {
        let len = input.len();
        if len == 0 {
            *input = random.bytes(16);
            continue;
        }
        let at = random.below(len);
        match random.below(8) {
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = random.number() as u8,
            2 => input.truncate(at),
            3 => {
                let count = random.below(16);
                let bytes = random.bytes(count);
                input.splice(at..at, bytes);
            }
            4 => {
                let end = at + random.below(len - at);
                input.drain(at..end);
            }
            5 => {
                let end = at + random.below(len - at).min(64);
                let copy = input[at..end].to_vec();
                let to = random.below(len);
                input.splice(to..to, copy);
            }
            _ => {
                let value = INTERESTING[random.below(INTERESTING.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.below(4)].min(len - at);
                input[at..at + width].copy_from_slice(&value[..width]);
            }
        }
    }
}

fn survives(name: &str) {
    let _turn = common::turn();
    let target: &Target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (_, count) = COUNTS.iter().find(|(other, _)| *other == name).unwrap();
    // For a longer look without a fuzzer: V8MINI_MUTATIONS=100 makes it so many times as many.
    let times = std::env::var("V8MINI_MUTATIONS").ok();
    let count = count * times.map_or(1, |times| times.parse().unwrap());
    let seeds = (target.seeds)();
    let mut random = Random(0x5eed);
    for number in 0..count {
        let mut input = seeds[number % seeds.len()].clone();
        // The first round is the seeds as they are.
        if number >= seeds.len() {
            mutate(&mut input, &mut random);
        }
        common::run(target, &format!("{name}, mutation {number}"), &input);
    }
}

#[test]
fn captures_are_survived() {
    survives("capture");
}

#[test]
fn records_are_survived() {
    survives("record");
}

#[test]
fn packed_segments_are_survived() {
    let target = TARGETS.iter().find(|target| target.name == "packed");
    for seed in (target.unwrap().seeds)() {
        assert!(v8mini_fuzz::targets::is_sound(&seed));
    }
    survives("packed");
}

#[test]
fn heaps_are_survived() {
    survives("heap");
}

#[test]
fn address_spaces_are_survived() {
    survives("locate");
}

#[test]
fn elf_files_are_survived() {
    survives("symbols");
}

#[test]
fn cores_are_survived() {
    survives("core");
}

#[test]
fn expressions_are_survived() {
    survives("expression");
}

#[test]
fn commands_survive() {
    survives("commands");
}

#[test]
fn every_target_is_tried() {
    for target in TARGETS {
        assert!(
            COUNTS.iter().any(|(name, _)| *name == target.name),
            "{}",
            target.name
        );
    }
}
