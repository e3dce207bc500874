//! `v8mini-capture core-handler`: what the kernel pipes cores into.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::content::{DeadMemory, Edits, redact};
use crate::elf_core::{self, CoreError, CoreImage, CoreOptions};
use crate::linux::{OutputFile, free_bytes, is_v8};
use anyhow::{Context, bail};
use jiff::Timestamp;
use nix::libc;
use v8mini_format::WriteOptions;
use v8mini_format::memory::Memory;
use v8mini_format::model::Redaction;

use super::Outcome;
use super::how::{Include, Redact};
use super::size::Size;

/// Bytes moved at a time, and the granularity of what is left out because it is zero.
const BLOCK_BYTES: usize = 64 << 10;
/// The free space is looked at again after so many bytes.
const CHECK_BYTES: u64 = 64 << 20;

/// Takes the core of a crashing process from standard input, and writes a capture if it is Node.js
///
/// To have the kernel call it for every process that dies of a signal (as root; the pattern has room for 127 characters):
///
/// echo '|/usr/local/bin/v8mini-capture core-handler --dir /var/crash %P' > /proc/sys/kernel/core_pattern
///
/// `ulimit -c` does not matter then. The core itself passes through a file without a name in the same directory, sparse, and is gone
/// when the capture is written. The signal, its cause and the thread that it hit are in the capture: see `v8mini info`.
#[derive(Debug, clap::Args)]
pub(super) struct CoreHandlerArguments {
    /// The process that dies: `%P` in the pattern.
    #[arg(value_name = "PID")]
    pid: i32,

    /// Where captures, and cores that are kept, go.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// What to do with cores of programs without V8.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "ignore")]
    others: Others,

    /// Leave so much of the disk free: else nothing is written.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    min_free: Size,

    /// Replace contents before the capture is written, as in `v8mini-capture PID`. The core in passing is not redacted.
    #[arg(long, value_name = "WHAT", value_enum)]
    redact: Option<Redact>,

    /// Store more than the heap's objects, as in `v8mini-capture PID`; `buffers` without a limit. Not with --redact.
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        conflicts_with = "redact"
    )]
    include: Vec<Include>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Others {
    /// Drop them.
    Ignore,
    /// Write them to `core.PID.TIME`.
    Keep,
}

/// Runs the command.
pub(super) fn run(arguments: &CoreHandlerArguments) -> anyhow::Result<Outcome> {
    let result = handle(arguments);
    if let Err(error) = &result {
        // The kernel's handlers have no standard error that anybody reads.
        let message = format!(
            "v8mini-capture: core of process {}: {error:#}",
            arguments.pid
        );
        let _unheard = fs::write("/dev/kmsg", message);
    }
    result
}

fn handle(arguments: &CoreHandlerArguments) -> anyhow::Result<Outcome> {
    let pid = arguments.pid;
    // The process is held until its core was read, so it can be looked at.
    let is_node = is_v8(pid);
    if is_node == Some(false) && arguments.others == Others::Ignore {
        return Ok(Outcome::Complete);
    }
    let directory = &arguments.dir;
    let place = || format!("nothing was written to {}", directory.display());
    let core = receive(io::stdin().lock(), arguments).with_context(place)?;
    let options = core_options(arguments);
    let mut image = match elf_core::open(&core, &options) {
        Ok(image) => image,
        Err(error @ CoreError::NoHeap { .. }) if is_node != Some(true) => {
            return other(arguments, core, &error).with_context(place);
        }
        Err(error) => return Err(error).with_context(place),
    };
    edit(&mut image, arguments)?;
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let path = directory.join(format!("node.{pid}.{time}.v8mini"));
    let file = OutputFile::create(&path).with_context(place)?;
    let (file, written) = image.write(file, WriteOptions::default(), &mut |_| {})?;
    file.commit().with_context(place)?;
    let signal = image.metadata.signal.map_or_else(
        || "no signal in its notes".to_owned(),
        |signal| signal.to_string(),
    );
    let message = format!(
        "process {pid} died ({signal}): {} bytes in {}",
        written.stored_bytes,
        path.display()
    );
    let _unheard = writeln!(io::stderr(), "{message}");
    Ok(if image.metadata.problems.is_empty() {
        Outcome::Complete
    } else {
        Outcome::Incomplete
    })
}

/// What can be said of the core: the binary is where the process sees it, whatever container it is in.
fn core_options(arguments: &CoreHandlerArguments) -> CoreOptions {
    let exe = PathBuf::from(format!("/proc/{}/exe", arguments.pid));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    CoreOptions {
        exe: exe.exists().then_some(exe),
        // If the number is somebody else's by now, what was found by it is no better than nothing.
        force: false,
        directory: Some(arguments.dir.clone()),
        buffers: arguments.include.contains(&Include::Buffers),
        written_at_ns: now.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(0)),
    }
}

/// Zeroes what holds no objects, or redacts.
fn edit(image: &mut CoreImage, arguments: &CoreHandlerArguments) -> anyhow::Result<()> {
    let stored = image.memory.ranges();
    let metadata = &mut image.metadata;
    image.edits = match arguments.redact.map_or(Redaction::None, Redact::level) {
        Redaction::None if arguments.include.contains(&Include::Garbage) => Edits::default(),
        Redaction::None => {
            let (pages, isolates) = (&metadata.pages, &metadata.isolates);
            DeadMemory::find(&image.memory, &stored, pages, isolates).edits()
        }
        level => redact(&image.memory, &stored, metadata, level)?,
    };
    Ok(())
}

/// Moves the core to a file without a name. Blocks of zeros, most of many cores, take no room.
fn receive(mut input: impl Read, arguments: &CoreHandlerArguments) -> anyhow::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE)
        .open(&arguments.dir)?;
    let mut block = vec![0; BLOCK_BYTES];
    let (mut len, mut next_check) = (0_u64, 0);
    loop {
        if len >= next_check {
            check_room(arguments)?;
            next_check = len + CHECK_BYTES;
        }
        let filled = fill(&mut input, &mut block)?;
        let bytes = block.get(..filled).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        if bytes.iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Current(i64::try_from(filled)?))?;
        } else {
            file.write_all(bytes)?;
        }
        len += filled as u64;
    }
    if len == 0 {
        bail!("standard input holds no core");
    }
    file.set_len(len)?;
    file.rewind()?;
    Ok(file)
}

/// Reads until the block is full or the input ends.
fn fill(input: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Fails if the disk is as full as it may become.
fn check_room(arguments: &CoreHandlerArguments) -> anyhow::Result<()> {
    let free = free_bytes(&arguments.dir)?;
    if free < arguments.min_free.0 {
        bail!(
            "{free} bytes are free there, and {} are to be left (--min-free)",
            arguments.min_free.0
        );
    }
    Ok(())
}

/// The core of a program without V8.
fn other(
    arguments: &CoreHandlerArguments,
    mut core: File,
    error: &CoreError,
) -> anyhow::Result<Outcome> {
    if arguments.others == Others::Ignore {
        let _unheard = writeln!(io::stderr(), "ignored: {error}");
        return Ok(Outcome::Complete);
    }
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let path = arguments.dir.join(format!("core.{}.{time}", arguments.pid));
    let mut file = OutputFile::create(&path)?;
    core.rewind()?;
    io::copy(&mut core, &mut file)?;
    file.commit()?;
    let _unheard = writeln!(io::stderr(), "kept as {}", path.display());
    Ok(Outcome::Complete)
}
