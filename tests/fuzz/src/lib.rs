//! Hostile input: what the project must survive, and the programs that look for what it does not.
//!
//! No input may panic, hang, recurse without bound, or cost more memory than twice its size and 64 MiB. The size of an input
//! is that of the file and, once a heap is analysed, of the memory in it: a page of zeros is nothing in a file and still has
//! to be walked.
//!
//! Every function in [`targets`] takes bytes, makes the hostile input out of them, and does everything with it that the
//! project can do. libFuzzer calls them (`cargo xtask fuzz`), and so do the tests of this crate, which are part of
//! `cargo test`: over every input that ever failed (`regressions/TARGET/NAME`), and over some thousand mutations
//! from a fixed seed.

pub mod allocation;
pub mod image;
pub mod mutation;
pub mod seal;
pub mod seeds;
pub mod targets;

use std::fs::DirEntry;
use std::io;
use std::path::Path;

pub use targets::{TARGETS, Target};

/// Makes the `main` of a target: libFuzzer's under cargo-fuzz, and otherwise a program that runs the files it is given.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::targets::$name(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay($crate::targets::$name)
        }
    };
}

/// The inputs on which a target failed once, by name.
///
/// # Errors
/// If they cannot be read.
pub fn regressions(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let entries = match std::fs::read_dir(root.join(target)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let read = |entry: io::Result<DirEntry>| {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        Ok((name, std::fs::read(entry.path())?))
    };
    let mut inputs: Vec<_> = entries.map(read).collect::<io::Result<_>>()?;
    inputs.sort();
    Ok(inputs)
}

/// Runs a target on each file of the command line.
///
/// # Errors
/// If a file cannot be read.
pub fn replay(target: fn(&[u8])) -> io::Result<()> {
    for path in std::env::args_os().skip(1) {
        target(&std::fs::read(path)?);
    }
    Ok(())
}
