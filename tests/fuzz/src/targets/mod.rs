//! What is done with any bytes, one function for each way into the project.

pub mod analysis;
mod capture;
mod commands;
mod core;
mod expression;
mod heap;
mod locate;
mod packed;
mod record;
mod symbols;

pub use capture::capture;
pub use commands::commands;
pub use core::core;
pub use expression::expression;
pub use heap::heap;
pub use locate::locate;
pub use packed::{is_sound, packed};
pub use record::record;
pub use symbols::symbols;

use crate::mutation::{OP_LEN, Random};
use crate::seeds;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of the program, of its directory of regressions, and of the function.
    pub name: &'static str,
    /// Runs it on one input.
    ///
    /// It panics if the input does what no input may do.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Longest input that makes sense, in bytes.
    pub max_len: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "capture",
        run: capture,
        seeds: capture::seeds,
        max_len: 1 << 18,
    },
    Target {
        name: "record",
        run: record,
        seeds: record::seeds,
        max_len: 1 << 14,
    },
    Target {
        name: "packed",
        run: packed,
        seeds: packed::seeds,
        max_len: 1 << 15,
    },
    Target {
        name: "heap",
        run: heap,
        seeds: ops,
        max_len: 64 * OP_LEN,
    },
    Target {
        name: "locate",
        run: locate,
        seeds: locate::seeds,
        max_len: 1 << 14,
    },
    Target {
        name: "symbols",
        run: symbols,
        seeds: symbols::seeds,
        max_len: 1 << 15,
    },
    Target {
        name: "core",
        run: core,
        seeds: core::seeds,
        max_len: 1 << 13,
    },
    Target {
        name: "expression",
        run: expression,
        seeds: expression::seeds,
        max_len: 1 << 10,
    },
    Target {
        name: "commands",
        run: commands,
        seeds: commands::seeds,
        max_len: 64 * OP_LEN,
    },
];

/// Changes to the seed's heap: none, one, and some.
fn ops() -> Vec<Vec<u8>> {
    let mut random = Random(1);
    [0, 1, 8, 32]
        .map(|count| random.bytes(count * OP_LEN))
        .into()
}

/// The number of bytes that an input is made of: its own and the seed's.
fn size_of(data: &[u8]) -> usize {
    data.len() + seeds::CAPTURE.len() + seeds::Seed::get().bytes.len()
}
