//! How to capture: the options that all commands have that capture a live process.

use std::path::PathBuf;
use std::time::Duration;

use crate::linux::{Mode, Options};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use v8mini_format::WriteOptions;
use v8mini_format::model::Redaction;

use super::packer::Packer;
use super::size::Size;

/// How to capture.
#[derive(Debug, clap::Args)]
pub(super) struct HowArguments {
    /// How to take the snapshot: `log` copies the process while it runs, and stops it only for what was written last, which a log of
    /// its page faults tells, for about a millisecond; `precopy` finds it by a scan, for 2 to 5 ms per GB; `fork` has the process
    /// clone itself and reads the clone, about 35 ms per GB; `stop` stops it for the whole copy, about 200 ms per GB. `auto` takes
    /// the first that works, any other takes the next that works, and says so.
    #[arg(long, value_name = "MODE", default_value_t = Mode::Auto, value_parser = PossibleValuesParser::new(Mode::ALL.map(|(name, _)| name)).try_map(|name| name.parse::<Mode>()))]
    mode: Mode,

    /// Give up, without a file, rather than stop the process for longer than so many milliseconds.
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    max_pause: Option<Duration>,

    /// Stop again up to so many times if a garbage collection is under way; after that, the capture says that it was.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=1000))]
    retries: u32,

    /// Memory for the copy of a process that runs, in MiB, besides what its last pages need; what exceeds it goes to nameless
    /// temporary files beside the output: up to the size of the heap if it is written to everywhere, and half of what is free there.
    /// With `--redact`, all stays in memory.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory: u64,

    /// Percent of one processor that copying and compressing may use while the process runs; 0 for all there are. They yield to
    /// the process in any case.
    #[arg(long, value_name = "PERCENT", default_value_t = 100)]
    max_cpu: u32,

    /// Compression level of zstd. Levels above 1 cost time and save little: heaps are mostly pointers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(-7..=19), allow_negative_numbers = true)]
    level: i32,

    /// Threads that compress; as many as there are processors by default, but no more than 8.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,

    /// Store more than the heap's objects. May be repeated, or a list with commas.
    ///
    /// `buffers`: the bytes in ArrayBuffers, SharedArrayBuffers, Buffers and WebAssembly memories, as they were in the stop (see
    /// `--buffer-limit`). What was made while the process was captured is missing, and said. By default only what typed arrays
    /// keep inside the heap is stored. `garbage`: free memory and unused pages as they are, where dead objects may be left; by
    /// default they are zeroed, unless something points there. `code`: the machine code that V8 has compiled; it is on the heap, and
    /// stored in any case. The code of the executable and of libraries never is: their build ids are.
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    include: Vec<Include>,

    /// Pack the file as soon as the process runs again, to half of its size and less: by the program `v8mini`, which must be beside this one or on `PATH`.
    /// It needs some seconds per GB of heap, and takes the processors only while nobody else wants them. If it fails, the capture stays as it is.
    #[arg(long)]
    pack: bool,

    /// With `--include buffers`: store no more than so many bytes of them, the smallest buffers first.
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    buffer_limit: Size,

    /// The same as `--include garbage`.
    #[arg(long)]
    full: bool,

    /// Replace contents before anything is written: lengths, shapes and references stay.
    ///
    /// `strings`: the characters of all strings, the bytes in typed arrays, the arguments of the program, and whatever in stacks is no
    /// address and no small number. Names of properties, classes, functions and variables, and the source of functions stay: keys of
    /// objects that serve as dictionaries are names, too. `all`: those as well. What `--include` asks for is left out of a redacted capture.
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with = "full")]
    redact: Option<Redact>,
}

impl HowArguments {
    /// The program that packs, if captures are to be packed.
    ///
    /// # Errors
    /// If it is not there.
    pub(super) fn packer(&self) -> anyhow::Result<Option<Packer>> {
        self.pack.then(|| Packer::find(self.max_cpu)).transpose()
    }

    /// The options, for an output that lies beside `temporary`.
    pub(super) fn options(&self, temporary: PathBuf) -> Options {
        let buffers = self.include.contains(&Include::Buffers);
        Options {
            mode: self.mode,
            full: self.full || self.include.contains(&Include::Garbage),
            buffers: buffers.then_some(self.buffer_limit.0),
            redaction: self.redact.map_or(Redaction::None, Redact::level),
            max_pause: self.max_pause,
            retries: self.retries,
            memory: self.memory.saturating_mul(1 << 20),
            temporary: Some(temporary),
            max_cpu: self.max_cpu,
            level: self.level,
            threads: self.threads.map_or(0, usize::from),
            ..Options::default()
        }
    }

    /// How the file is compressed.
    pub(super) fn write_options(&self) -> WriteOptions {
        WriteOptions {
            level: self.level,
            threads: self.threads.map_or(0, usize::from),
            ..WriteOptions::default()
        }
    }
}

/// What to store besides objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Include {
    /// Contents of ArrayBuffers.
    Buffers,
    /// Machine code of V8's compilers.
    Code,
    /// Free memory as it is.
    Garbage,
}

/// What to redact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Redact {
    /// Contents of strings and buffers.
    Strings,
    /// Names and sources of functions, too.
    All,
}

impl Redact {
    pub(super) const fn level(self) -> Redaction {
        match self {
            Self::Strings => Redaction::Strings,
            Self::All => Redaction::All,
        }
    }
}

/// Parses milliseconds, such as `50` or `0.5`.
fn milliseconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "expected a number of milliseconds")?;
    Duration::try_from_secs_f64(value / 1e3)
        .ok()
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| "expected a positive number of milliseconds".to_owned())
}
