use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use v8mini_analyze::commands::Cli;
use v8mini_format::model::Statistics;
use v8mini_format::{CaptureFile, WriteOptions, Writer};

use super::size_of;
use crate::allocation::bounded;
use crate::image::Bytes;
use crate::mutation::mutate;
use crate::seeds::Seed;

/// What is run on each file.
const COMMANDS: [&[&str]; 10] = [
    &["info"],
    &["info", "--json"],
    &["histogram"],
    &[
        "histogram",
        "--by",
        "shape",
        "--sort",
        "name",
        "--limit",
        "0",
    ],
    &["histogram", "--by", "type", "--json"],
    &["instances", "Object"],
    &["instances", "(string)", "--json"],
    &["instances", "Array", "--limit", "0"],
    &["bt", "--all", "--native", "--args", "--source"],
    &["bt", "--json"],
];

/// The seed's heap with changed words, written to a file, and the commands run on it, as a person would. The
/// first byte chooses what else is wrong with the file: nothing, its end missing, or one of its bytes changed.
pub fn commands(data: &[u8]) {
    let (damage, data) = data.split_first().unwrap_or((&0, &[]));
    let (bytes, _) = mutate(Seed::get(), data);
    let Some(mut file) = write(&bytes) else {
        return;
    };
    let place = data.iter().fold(usize::from(*damage), |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let place = place % file.len();
    match damage % 4 {
        0 => file.truncate(place),
        1 => file[place] ^= 1 << (place % 8),
        _ => {}
    }
    let size = size_of(data);
    if let Ok(path) = save(&file) {
        bounded(size, || {
            for command in COMMANDS {
                let arguments = ["v8mini"].iter().chain(command).map(std::ffi::OsStr::new);
                let arguments = arguments.chain([path.path().as_os_str()]);
                let cli = Cli::try_parse_from(arguments).expect("the command exists");
                let _: ExitCode = cli.run();
            }
        });
    }
}

/// A capture of changed memory.
fn write(bytes: &Bytes) -> Option<Vec<u8>> {
    let options = WriteOptions {
        threads: 1,
        ..WriteOptions::default()
    };
    let mut writer = Writer::create(Vec::new(), options, &Seed::get().metadata).ok()?;
    for (start, bytes) in &bytes.0 {
        writer.memory(*start, bytes).ok()?;
    }
    let (file, _) = writer.finish(&[], &Statistics::default()).ok()?;
    debug_assert!(CaptureFile::from_bytes(file.clone()).is_ok());
    Some(file)
}

fn save(file: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut path = tempfile::NamedTempFile::new()?;
    path.write_all(file)?;
    Ok(path)
}

/// As the heap's, one for each kind of damage.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let damaged = |ops: Vec<u8>| (0..4).map(move |damage| [&[damage][..], &ops].concat());
    super::ops().into_iter().flat_map(damaged).collect()
}
