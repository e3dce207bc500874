//! `v8mini pack`: a smaller file of a capture or a core.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_capture::content::{Edits, redact};
use v8mini_format::model::{Metadata, Problem, Redaction};
use v8mini_format::pack::PackOptions;
use v8mini_format::{WriteOptions, Writer, Written};

use super::copied::open_to_copy;
use super::file::InputArgs;
use super::new_file::{goes_to_stdout, write_new};
use super::output::{Outcome, Output, human_bytes};
use super::progress;
use crate::image::{Edited, Image};
use crate::layout::Layout;
use crate::pack::{cut_strings, free_memory, write_packed, zero_numbers};
use crate::v8::Objects;

/// The level at which texts are compressed at least: most of what is left of a heap is text.
const TEXT_LEVEL: i32 = 6;

/// Makes a capture smaller, to keep it or to send it: two to four times, or a third of a core after `zstd -3`
///
/// Every command reads a packed file as it is, and `v8mini unpack` writes an ordinary capture again. Every word of every object, alive or
/// dead, and everything outside of the heap comes back as it was. What V8 had freed is zeroed, except for what tells what dead
/// objects were; `--exact` keeps that, too, and so every byte. Objects are sorted by their maps, and like words are stored next to each other; so V8's layout must be
/// known, and memory in which no objects are found becomes hardly smaller. Of a core, only what its capture would hold is stored: see
/// `v8mini convert`.
///
/// A packed file takes longer to look a single object up in: some megabytes at a time are unpacked.
#[derive(Debug, Args)]
pub(super) struct Pack {
    #[command(flatten)]
    input: InputArgs,

    /// File to write; `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// For sharing: keep only the first N characters of each string of the heap; what is cut becomes dots. Names stay, and so do short texts that
    /// longer ones are made of. Sources of scripts are cut, too.
    #[arg(long, value_name = "N", conflicts_with = "no_strings")]
    strings: Option<u64>,

    /// For sharing: keep no text at all, as `v8mini redact` does; names of properties, classes and functions stay, and so does the
    /// source of functions.
    #[arg(long)]
    no_strings: bool,

    /// For sharing: keep only what there is, how large it is, and what refers to what: no text, no names (as `v8mini redact --level all`), and no
    /// numbers, but those that are keys or values of a `Map` or `Set`, in objects and arrays that are dictionaries, or variables of closures.
    #[arg(long, conflicts_with_all = ["strings", "no_strings"])]
    graph_only: bool,

    /// Compression level of zstd; texts are compressed at 6 at least.
    #[arg(
        long, value_name = "N", default_value_t = PackOptions::default().level, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-7..=22)
    )]
    level: i32,

    /// Keep every byte of memory that V8 has freed, although no object is there any more.
    #[arg(long)]
    exact: bool,

    /// Print the summary as JSON on standard output (on standard error with `-o -`).
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    file: String,
    raw_bytes: u64,
    segments: u64,
    stored_bytes: u64,
    complete: bool,
    warnings: Vec<String>,
}

impl Pack {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let to_stdout = goes_to_stdout(&self.output, "a capture is binary")?;
        let mut source = source(&self.input)?;
        let Some(version) = source.metadata.v8_version else {
            bail!(
                "{} does not say which version of V8 it was made from, so its objects cannot be packed; if it is a core, name the node executable with --exe",
                self.input.path.display()
            );
        };
        let layout = Layout::resolve(
            version,
            &source.metadata.process.architecture,
            &source.metadata.constants,
        )?;
        // Numbers are found by their objects, of which redaction would take what they are understood by.
        if self.graph_only {
            source = without_numbers(source, &layout);
        }
        if self.no_strings || self.graph_only {
            let level = if self.graph_only {
                Redaction::All
            } else {
                Redaction::Strings
            };
            source = redacted(source, level)?;
        }
        let mut objects = Objects::new(source, layout.clone());
        if let Some(limit) = self.strings {
            let edits = cut_strings(&objects, limit);
            objects = Objects::new(cut(objects.into_image(), edits, limit), layout);
        }
        let options = PackOptions {
            level: self.level,
            text_level: self.level.max(TEXT_LEVEL),
        };
        let edits = if self.exact {
            Edits::default()
        } else {
            let spinner = progress::spinner("looking for free memory");
            let edits = free_memory(&objects);
            spinner.finish_and_clear();
            edits
        };
        let (written, lost) = if to_stdout {
            write(&objects, &edits, io::stdout().lock(), options)?
        } else {
            write_new(&self.output, |file| write(&objects, &edits, file, options))?
        };
        let problems = &objects.image().metadata.problems;
        let report = Report {
            file: self.output.display().to_string(),
            raw_bytes: written.raw_bytes,
            segments: written.segments,
            stored_bytes: written.stored_bytes,
            complete: problems.is_empty() && lost.is_empty(),
            warnings: problems
                .iter()
                .chain(&lost)
                .map(|problem| problem.message.clone())
                .collect(),
        };
        output.summary(
            &report,
            self.json,
            to_stdout,
            &line(&report),
            &report.warnings,
        )?;
        Ok(Outcome::of(report.complete))
    }
}

/// Opens a file that is to be written in another form: a capture as it is, a core as its capture would be.
///
/// # Errors
/// As opening, and if the file has features of a later version that a copy would break.
pub(super) fn source(input: &InputArgs) -> anyhow::Result<Image> {
    let (Image { memory, metadata }, edits) = open_to_copy(input)?;
    let memory = Box::new(Edited { memory, edits });
    Ok(Image { memory, metadata })
}

/// An image with the numbers of the program zeroed, which says so.
fn without_numbers(image: Image, layout: &Layout) -> Image {
    let spinner = progress::spinner("looking for numbers");
    let objects = Objects::new(image, layout.clone());
    let edits = zero_numbers(&objects);
    spinner.finish_and_clear();
    let message = "numbers were left out: they are shown as 0";
    edited(
        objects.into_image(),
        edits,
        "graph-only",
        message.to_owned(),
    )
}

/// An image with its texts replaced, those outside of the heap, too.
fn redacted(image: Image, level: Redaction) -> anyhow::Result<Image> {
    let Image {
        memory,
        mut metadata,
    } = image;
    let stored = memory.ranges();
    let level = level.max(metadata.redaction);
    let spinner = progress::spinner("redacting");
    let edits = redact(&memory, &stored, &mut metadata, level);
    spinner.finish_and_clear();
    let memory = Box::new(Edited {
        memory,
        edits: edits?,
    });
    Ok(Image { memory, metadata })
}

/// An image with its texts cut, which says so.
fn cut(image: Image, edits: Edits, limit: u64) -> Image {
    let message = format!("texts are cut after {limit} characters: what follows is shown as dots");
    edited(image, edits, "cut-strings", message)
}

/// An image with changes, which says why.
fn edited(image: Image, edits: Edits, stage: &str, message: String) -> Image {
    let Image {
        memory,
        mut metadata,
    } = image;
    metadata.problems.push(Problem {
        stage: stage.to_owned(),
        message,
        bytes: edits.len_bytes(),
        ..Problem::default()
    });
    let memory = Box::new(Edited { memory, edits });
    Image { memory, metadata }
}

fn write(
    objects: &Objects,
    edits: &Edits,
    out: impl Write,
    options: PackOptions,
) -> anyhow::Result<(Written, Vec<Problem>)> {
    let image = objects.image();
    let metadata: &Metadata = &image.metadata;
    let total = image.memory.ranges().iter().map(|range| range.len).sum();
    let bar = progress::bar("packing", total);
    let write_options = WriteOptions {
        level: options.text_level,
        ..WriteOptions::default()
    };
    let mut writer = Writer::create(out, write_options, metadata)?;
    let lost = write_packed(objects, edits, &mut writer, options, &mut |bytes| {
        bar.set_position(bytes);
    });
    bar.finish_and_clear();
    let lost = lost.context("packing failed")?;
    let statistics = metadata.statistics.unwrap_or_default();
    Ok((writer.finish(&lost, &statistics)?.1, lost))
}

/// What was written, in one line for a person.
fn line(report: &Report) -> String {
    format!(
        "{} in {} segments · {} in {}",
        human_bytes(report.raw_bytes),
        report.segments,
        human_bytes(report.stored_bytes),
        report.file
    )
}
