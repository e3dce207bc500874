//! Opening a file as an image: a capture, or a core, packed or through a pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use thiserror::Error;
use v8mini_capture::elf_core::{self, CoreError, CoreImage, CoreOptions};
use v8mini_format::model::Problem;
use v8mini_format::{CaptureFile, Integrity};

use super::Image;
use super::spool::{Packing, Spooled, spool};

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// How to open a file.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// For a core: the binary that the process ran. Without it, it is looked for.
    pub exe: Option<PathBuf>,
    /// For a core: take a binary even if it is not the one that the process ran.
    pub force: bool,
    /// For a core: look at the contents of buffers, too.
    pub buffers: bool,
}

/// Why a file could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It could not be read, or not be unpacked.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no capture, or one that must not be read.
    #[error(transparent)]
    Capture(#[from] v8mini_format::OpenError),
    /// It is a core that cannot be read.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// What a file turned out to be.
#[derive(Debug)]
pub enum Opened {
    /// A capture.
    Capture(Box<CaptureFile>),
    /// A core.
    Core(Box<CoreImage>),
}

impl Opened {
    /// The image, and whether the file is whole. What is missing of a core is among the problems of its metadata.
    pub fn into_image(self) -> (Image, Integrity) {
        match self {
            Self::Capture(file) => {
                let metadata = file.metadata().clone();
                let integrity = file.integrity().clone();
                let memory = file;
                (Image { memory, metadata }, integrity)
            }
            Self::Core(core) => {
                let CoreImage {
                    metadata, memory, ..
                } = *core;
                let mut integrity = Integrity::default();
                integrity.complete = true;
                let memory = Box::new(memory);
                (Image { memory, metadata }, integrity)
            }
        }
    }
}

/// Opens a capture or a core, told apart by what they begin with. Either may be compressed with zstd or gzip; `-` is standard
/// input. What is compressed or piped goes to a temporary file first; `progress` is told how many bytes have.
///
/// # Errors
/// If the file cannot be read, or is neither. A damaged or cut one opens.
pub fn open(
    path: &Path,
    options: &OpenOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<Opened, OpenError> {
    if path == Path::new(STANDARD_INPUT) {
        let mut input = BufReader::new(io::stdin().lock());
        let packing = packing(input.fill_buf()?);
        let spooled = spool(input, packing, None, progress)?;
        return open_spooled(spooled, &CoreOptions::from(options));
    }
    let file = File::open(path)?;
    let facts = file.metadata()?;
    let core = CoreOptions {
        directory: path.parent().map(Path::to_owned),
        written_at_ns: facts.modified().map_or(0, |at| {
            let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_epoch.as_nanos()).unwrap_or(0)
        }),
        ..CoreOptions::from(options)
    };
    let mut input = BufReader::new(file);
    let packing = packing(input.fill_buf()?);
    if packing == Packing::Plain && facts.is_file() {
        return open_file(input.into_inner(), &core);
    }
    let len = facts.is_file().then_some(facts.len());
    open_spooled(spool(input, packing, len, progress)?, &core)
}

impl From<&OpenOptions> for CoreOptions {
    fn from(options: &OpenOptions) -> Self {
        Self {
            exe: options.exe.clone(),
            force: options.force,
            buffers: options.buffers,
            ..Self::default()
        }
    }
}

fn packing(head: &[u8]) -> Packing {
    if CaptureFile::recognises(head) {
        Packing::Plain
    } else {
        Packing::of(head)
    }
}

fn open_file(file: File, options: &CoreOptions) -> Result<Opened, OpenError> {
    let mut head = Vec::new();
    let mut file = file;
    io::Seek::rewind(&mut file)?;
    (&file)
        .take(CaptureFile::HEAD_LEN as u64)
        .read_to_end(&mut head)?;
    if elf_core::is_elf(&head) {
        Ok(Opened::Core(Box::new(elf_core::open(&file, options)?)))
    } else {
        let mut capture = CaptureFile::from_file(file)?;
        // Without a temporary file it takes longer, but it works.
        if capture.is_packed()
            && let Ok(spool) = tempfile::tempfile()
        {
            capture = capture.with_spool(spool);
        }
        Ok(Opened::Capture(Box::new(capture)))
    }
}

fn open_spooled(spooled: Spooled, options: &CoreOptions) -> Result<Opened, OpenError> {
    let mut opened = open_file(spooled.file, options)?;
    if let (Opened::Core(core), Some(message)) = (&mut opened, spooled.damage) {
        core.metadata.problems.push(Problem {
            stage: Problem::TRUNCATED.to_owned(),
            message,
            address: 0,
            bytes: 0,
        });
    }
    Ok(opened)
}
