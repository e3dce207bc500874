//! What every command does with its FILE: open it, and say how much of the answer it can give.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use v8mini_format::Integrity;
use v8mini_format::model::{GcState, Isolate};

use super::output::{Outcome, Output, WARNING, human_bytes, percent};
use super::progress;
use crate::heap::{Coverage, PageSelection};
use crate::image::{self, OpenOptions};
use crate::layout::Layout;
use crate::v8::Objects;

/// Under this part of the bytes walked, figures are called incomplete.
const ENOUGH_COVERAGE: f64 = 0.99;

/// Which file a command is about.
#[derive(Debug, Args)]
pub(super) struct InputArgs {
    /// A capture (.v8mini) or an ELF core, also compressed with zstd or gzip; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(super) path: PathBuf,

    /// For a core: the node executable, or libnode.so, that the process ran. Without it, it is looked for: at its path, by
    /// its build id, and beside the core.
    #[arg(long, value_name = "NODE")]
    exe: Option<PathBuf>,

    /// For a core: take a binary even if its build id is not the one in the core.
    #[arg(long)]
    force: bool,
}

/// The arguments that every command has.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,

    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,

    /// Only the heap of isolate N, as `v8mini info` numbers them; without it, of all.
    #[arg(long, value_name = "N")]
    pub(super) isolate: Option<usize>,
}

/// An opened file.
pub(super) struct Opened {
    pub(super) objects: Objects,
    pub(super) integrity: Integrity,
}

/// The coverage as JSON has it.
#[derive(Debug, Serialize)]
pub(super) struct CoverageReport {
    /// Part of the walkable bytes that was walked, 0 to 1.
    ratio: f64,
    walked_bytes: u64,
    walkable_bytes: u64,
    unknown_bytes: u64,
    missing_bytes: u64,
    /// Whether the figures can be taken as complete.
    complete: bool,
}

impl InputArgs {
    /// Opens the file, with a spinner while it is unpacked.
    pub(super) fn open(&self) -> anyhow::Result<image::Opened> {
        let options = OpenOptions {
            exe: self.exe.clone(),
            force: self.force,
        };
        let spinner = progress::spinner("reading");
        let opened = image::open(&self.path, &options, &mut |bytes| {
            spinner.set_position(bytes);
        });
        spinner.finish_and_clear();
        opened.with_context(|| format!("cannot open {}", self.path.display()))
    }

    /// Opens the file as V8 objects.
    pub(super) fn open_objects(&self) -> anyhow::Result<Opened> {
        let path = self.path.display();
        let (image, integrity) = self.open()?.into_image();
        let Some(version) = image.metadata.v8_version else {
            bail!(
                "{path} does not say which version of V8 it was made from, so its objects cannot be read; if it is a core, name the node executable with --exe"
            );
        };
        let layout = Layout::resolve(version, &image.metadata.constants)?;
        Ok(Opened {
            objects: Objects::new(image, layout),
            integrity,
        })
    }
}

impl FileArgs {
    /// Opens the file as V8 objects.
    pub(super) fn open(&self) -> anyhow::Result<Opened> {
        self.input.open_objects()
    }

    /// The pages that the command is about.
    pub(super) fn selection(&self, opened: &Opened) -> anyhow::Result<PageSelection> {
        let Some(number) = self.isolate else {
            return Ok(PageSelection::default());
        };
        let isolates = opened.isolates();
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
}

impl Opened {
    /// The isolates of the process.
    pub(super) fn isolates(&self) -> &[Isolate] {
        &self.objects.image().metadata.isolates
    }

    /// What a reader must know before believing the figures.
    pub(super) fn warnings(&self, coverage: &Coverage) -> Vec<String> {
        let metadata = &self.objects.image().metadata;
        let layout = self.objects.layout();
        let mut warnings = Vec::new();
        if !self.integrity.is_intact() {
            warnings.push(format!("the file is not whole: {}", self.integrity));
        }
        if !layout.within_range {
            warnings.push(format!(
                "V8 {} is newer or older than all layout tables; {} was taken as the nearest, so check the coverage",
                layout.version, layout.table
            ));
        }
        for (number, isolate) in metadata.isolates.iter().enumerate() {
            if isolate.gc_state == GcState::Collecting {
                warnings.push(format!(
                    "isolate {number} was in the middle of a garbage collection: objects may be counted twice or not at all"
                ));
            }
        }
        for problem in &metadata.problems {
            warnings.push(format!("capture: {}", problem.message));
        }
        if !self.is_complete(coverage) {
            let total = coverage.total();
            warnings.push(format!(
                "{} of {} could not be walked ({} unknown in {} places, {} not in the file)",
                human_bytes(total.unknown + total.missing),
                human_bytes(total.walkable()),
                human_bytes(total.unknown),
                total.gaps,
                human_bytes(total.missing)
            ));
        }
        warnings
    }

    fn is_complete(&self, coverage: &Coverage) -> bool {
        coverage.ratio() >= ENOUGH_COVERAGE
    }

    /// The coverage for JSON.
    pub(super) fn coverage_report(&self, coverage: &Coverage) -> CoverageReport {
        let total = coverage.total();
        CoverageReport {
            ratio: coverage.ratio(),
            walked_bytes: total.walked(),
            walkable_bytes: total.walkable(),
            unknown_bytes: total.unknown,
            missing_bytes: total.missing,
            complete: self.is_complete(coverage) && self.integrity.is_intact(),
        }
    }

    /// The coverage as a last line, and the warnings.
    pub(super) fn write_coverage(
        &self,
        output: &mut Output,
        coverage: &Coverage,
    ) -> io::Result<()> {
        let total = coverage.total();
        write!(
            output,
            "coverage: {} of {} walked",
            percent(coverage.ratio()),
            human_bytes(total.walkable())
        )?;
        if total.unknown > 0 {
            write!(
                output,
                ", {} in {} places not recognised",
                human_bytes(total.unknown),
                total.gaps
            )?;
        }
        if total.missing > 0 {
            write!(output, ", {} not in the file", human_bytes(total.missing))?;
        }
        writeln!(output)?;
        for warning in self.warnings(coverage) {
            writeln!(output, "{WARNING}warning:{WARNING:#} {warning}")?;
        }
        Ok(())
    }

    /// How a command went that looked at single objects only.
    pub(super) fn outcome_without_walk(&self) -> Outcome {
        if self.integrity.is_intact() {
            Outcome::Done
        } else {
            Outcome::Incomplete
        }
    }

    /// How a command went that walked the heap.
    pub(super) fn outcome(&self, coverage: &Coverage, found: bool) -> Outcome {
        if !self.is_complete(coverage) || !self.integrity.is_intact() {
            Outcome::Incomplete
        } else if found {
            Outcome::Done
        } else {
            Outcome::NothingFound
        }
    }
}
