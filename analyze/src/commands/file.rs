//! The arguments that name a FILE, and how it is opened.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use v8mini_format::{Integrity, Metadata};

use super::knowledge::Keeper;
use super::progress;
use super::session::Session;
use crate::cache::{Cache, Identity, Locations};
use crate::heap::PageSelection;
use crate::image::{self, Image, OpenOptions};
use crate::layout::Layout;
use crate::v8::Objects;

/// Which file a command is about.
#[derive(Args)]
pub(crate) struct InputArgs {
    /// A capture (.v8mini) or an ELF core, also compressed with zstd or gzip; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,

    /// For a core: the node executable, or libnode.so, that the process ran. Without it, it is looked for: at its path, by
    /// its build id, and beside the core.
    #[arg(long, value_name = "NODE")]
    exe: Option<PathBuf>,

    /// For a core: take a binary even if its build id is not the one in the core.
    #[arg(long)]
    force: bool,

    /// For a core: what to look at besides the heap. `buffers`: the contents of ArrayBuffers, which a capture leaves out.
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    include: Vec<Include>,

    /// Keep what takes long to find out, such as the dominator tree, for the next command: beside the file, as
    /// FILE.v8mini-cache, or in the user's cache directory where that cannot be written to.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    cache: CacheUse,

    /// The same as --cache never.
    #[arg(long)]
    no_cache: bool,
}

/// What of a core to look at besides what a capture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Include {
    /// Contents of ArrayBuffers, typed arrays and Buffers.
    Buffers,
}

/// What is kept for the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CacheUse {
    /// What took long.
    Auto,
    /// Everything that can be kept.
    Always,
    /// Nothing; nor is anything read that was kept.
    Never,
}

/// The arguments that every command has.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,

    /// Only the heap of isolate N, as `v8mini info` numbers them; without it, of all.
    #[arg(long, value_name = "N")]
    pub(crate) isolate: Option<usize>,
}

/// What the answer depends on, the contents of the file apart.
impl fmt::Debug for InputArgs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InputArgs")
            .field("path", &self.path)
            .field("exe", &self.exe)
            .field("force", &self.force)
            .field("include", &self.include)
            .finish_non_exhaustive()
    }
}

impl InputArgs {
    /// The same arguments for another file.
    pub(super) fn with_path(&self, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            exe: self.exe.clone(),
            force: self.force,
            include: self.include.clone(),
            cache: self.cache,
            no_cache: self.no_cache,
        }
    }

    /// The options that say how to open a file, as on a command line.
    pub(super) fn opening(&self) -> Vec<OsString> {
        let mut options = Vec::new();
        if let Some(exe) = &self.exe {
            options.extend(["--exe".into(), exe.clone().into_os_string()]);
        }
        if self.force {
            options.push("--force".into());
        }
        options
    }

    /// Opens the file, with a spinner while it is unpacked.
    pub(crate) fn open(&self) -> anyhow::Result<image::Opened> {
        let options = OpenOptions {
            exe: self.exe.clone(),
            force: self.force,
            buffers: self.include.contains(&Include::Buffers),
        };
        let spinner = progress::spinner("reading");
        let opened = image::open(&self.path, &options, &mut |bytes| {
            spinner.set_position(bytes);
        });
        spinner.finish_and_clear();
        opened.with_context(|| format!("cannot open {}", self.path.display()))
    }

    /// Opens the file as V8 objects.
    pub(crate) fn open_session(&self) -> anyhow::Result<Session> {
        let path = self.path.display();
        let before = self.identity("");
        let (image, integrity) = self.open()?.into_image();
        let Some(version) = image.metadata.v8_version else {
            bail!(
                "{path} does not say which version of V8 it was made from, so its objects cannot be read; if it is a core, name the node executable with --exe"
            );
        };
        let layout = Layout::resolve(
            version,
            &image.metadata.process.architecture,
            &image.metadata.constants,
        )?;
        let cache = before.and_then(|before| self.open_cache(&before, &image, &integrity));
        let keeper = Keeper::new(cache, self.cache == CacheUse::Always);
        Ok(Session::new(Objects::new(image, layout), integrity, keeper))
    }

    fn identity(&self, facts: &str) -> Option<Identity> {
        let is_wanted = !self.no_cache && self.cache != CacheUse::Never;
        is_wanted
            .then(|| Identity::of(&self.path, facts).ok())
            .flatten()
    }

    /// What earlier commands kept about the file.
    fn open_cache(&self, before: &Identity, image: &Image, integrity: &Integrity) -> Option<Cache> {
        // Replaced while it was opened?
        if self.identity("")? != *before {
            return None;
        }
        let Metadata {
            v8_version,
            constants,
            modules,
            isolates,
            problems,
            ..
        } = &image.metadata;
        // A core is read with what its binary says, or with what is known of V8 without it.
        let facts = format!(
            "{v8_version:?} {constants:?} {modules:?} {isolates:?} {problems:?} {integrity:?} {:?} {} {:?}",
            self.exe, self.force, self.include
        );
        Cache::open(Locations::of(&self.path)?, self.identity(&facts)?)
    }
}

impl FileArgs {
    /// The pages that the command is about.
    pub(crate) fn selection(&self, session: &Session) -> anyhow::Result<PageSelection> {
        selection(session, self.isolate)
    }
}

/// The pages of an isolate, or of all.
pub(super) fn selection(
    session: &Session,
    isolate: Option<usize>,
) -> anyhow::Result<PageSelection> {
    let Some(number) = isolate else {
        return Ok(PageSelection::default());
    };
    let isolates = session.isolates();
    match isolates.get(number) {
        Some(isolate) => Ok(PageSelection {
            heap: Some(isolate.heap),
        }),
        None => bail!(
            "there is no isolate {number}: the capture has {} (0 to {})",
            isolates.len(),
            isolates.len().saturating_sub(1)
        ),
    }
}
