//! `v8mini redact`: a capture without contents.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_capture::content::{Edits, redact};
use v8mini_format::memory::{Memory, MemoryRange};
use v8mini_format::model::{Metadata, Problem, Redaction};
use v8mini_format::{WriteOptions, Writer, Written};

use super::copied::open_to_copy;
use super::file::InputArgs;
use super::new_file::{goes_to_stdout, write_new};
use super::output::{Outcome, Output, human_bytes};
use super::progress;
use crate::image::Image;

/// Bytes handed to the compressor at a time, between which progress is reported.
const STEP_BYTES: usize = 4 << 20;

/// Makes a capture without contents of another, or of a core: lengths, shapes and references stay, so it can be shown to others
///
/// With `--level strings`, these are replaced: the characters of all strings, alive or dead, and their hashes; the bytes in typed arrays; the arguments of
/// the program and names that it gave to its threads; and in stacks and other memory outside of the heap all that is no address and
/// no small number. Names of properties, classes, functions and variables, and the source of functions stay. Keys
/// of objects that serve as dictionaries are names, too. With `--level all`, names and sources go as well.
///
/// Numbers stay, and machine code does; code of regular expressions compares up to four characters at a time. `v8mini-capture --redact` does the same before
/// anything reaches the disk.
#[derive(Debug, Args)]
pub(super) struct Redact {
    #[command(flatten)]
    input: InputArgs,

    /// File to write; `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// What to replace.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "strings")]
    level: Level,

    /// Print the summary as JSON on standard output (on standard error with `-o -`).
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    /// Contents of strings and buffers.
    Strings,
    /// Names and sources of functions, too.
    All,
}

impl Level {
    const fn redaction(self) -> Redaction {
        match self {
            Self::Strings => Redaction::Strings,
            Self::All => Redaction::All,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    file: String,
    redaction: String,
    raw_bytes: u64,
    replaced_bytes: u64,
    stored_bytes: u64,
    complete: bool,
    warnings: Vec<String>,
}

impl Redact {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let to_stdout = goes_to_stdout(&self.output, "a capture is binary")?;
        // Of a core, all is kept that the core has.
        let (image, _) = open_to_copy(&self.input)?;
        let Image {
            memory,
            mut metadata,
        } = image;
        let stored = memory.ranges();
        let level = self.level.redaction().max(metadata.redaction);
        let spinner = progress::spinner("redacting");
        let edits = redact(&memory, &stored, &mut metadata, level);
        spinner.finish_and_clear();
        let source = Source {
            memory: &memory,
            stored: &stored,
            metadata: &metadata,
            edits: &edits?,
        };
        let written = if to_stdout {
            source.write(io::stdout().lock())?
        } else {
            write_new(&self.output, |file| source.write(file))?
        };
        let report = source.report(self.output.display().to_string(), written);
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

/// What is written.
struct Source<'a> {
    memory: &'a dyn Memory,
    stored: &'a [MemoryRange],
    metadata: &'a Metadata,
    edits: &'a Edits,
}

impl Source<'_> {
    fn write(&self, out: impl Write) -> anyhow::Result<Written> {
        let total = self.stored.iter().map(|range| range.len).sum();
        let bar = progress::bar("writing", total);
        let mut writer = Writer::create(out, WriteOptions::default(), self.metadata)?;
        let mut bytes = Vec::new();
        let mut done = 0;
        let mut lost = Vec::new();
        for range in self.stored {
            for at in (range.start..range.end()).step_by(STEP_BYTES) {
                let len = (range.end() - at).min(STEP_BYTES as u64);
                bytes.resize(usize::try_from(len)?, 0);
                match self.memory.read_at(at, &mut bytes) {
                    Ok(()) => {
                        self.edits.apply(at, &mut bytes);
                        writer.memory(at, &bytes)?;
                    }
                    Err(error) => lost.push(Problem {
                        stage: "read-page".to_owned(),
                        message: error.to_string(),
                        address: at,
                        bytes: len,
                    }),
                }
                done += len;
                bar.set_position(done);
            }
        }
        bar.finish_and_clear();
        let statistics = self.metadata.statistics.unwrap_or_default();
        Ok(writer.finish(&lost, &statistics)?.1)
    }

    fn report(&self, file: String, written: Written) -> Report {
        let problems = &self.metadata.problems;
        Report {
            file,
            redaction: self.metadata.redaction.to_string(),
            raw_bytes: written.raw_bytes,
            replaced_bytes: self.edits.len_bytes(),
            stored_bytes: written.stored_bytes,
            complete: problems.is_empty(),
            warnings: problems
                .iter()
                .map(|problem| problem.message.clone())
                .collect(),
        }
    }
}

/// What was written, in one line for a person.
fn line(report: &Report) -> String {
    format!(
        "redacted {}: {} of {} replaced · {} in {}",
        report.redaction,
        human_bytes(report.replaced_bytes),
        human_bytes(report.raw_bytes),
        human_bytes(report.stored_bytes),
        report.file
    )
}
