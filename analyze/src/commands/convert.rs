//! `v8mini convert`: a capture from a core.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_capture::elf_core::CoreImage;
use v8mini_format::{WriteOptions, Written};

use super::file::InputArgs;
use super::new_file::{goes_to_stdout, write_new};
use super::output::{Outcome, Output, grouped, human_bytes};
use super::progress;
use crate::image::Opened;

/// Makes a capture (.v8mini) of an ELF core: the V8 heap, the stacks and what reading them needs, and nothing else
///
/// Every command prints the same about the capture as about the core. It is some hundred times smaller, holds no environment
/// and no buffers unless `--include buffers` asks for them, and needs no binary any more.
#[derive(Debug, Args)]
pub(super) struct Convert {
    #[command(flatten)]
    input: InputArgs,

    /// File to write; `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Compression level of zstd.
    #[arg(
        long, value_name = "N", default_value_t = 1, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-7..=19)
    )]
    level: i32,

    /// Print the summary as JSON on standard output (on standard error with `-o -`).
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    file: String,
    pid: u32,
    node_version: &'a str,
    v8_version: Option<String>,
    isolates: usize,
    pages: usize,
    threads: usize,
    raw_bytes: u64,
    stored_bytes: u64,
    complete: bool,
    warnings: Vec<&'a str>,
}

impl Convert {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let to_stdout = goes_to_stdout(&self.output, "a capture is binary")?;
        let Opened::Core(core) = self.input.open()? else {
            bail!("{} is a capture already", self.input.path.display());
        };
        let options = WriteOptions {
            level: self.level,
            ..WriteOptions::default()
        };
        let written = if to_stdout {
            write(&core, io::stdout().lock(), options)?.1
        } else {
            write_new(&self.output, |file| Ok(write(&core, file, options)?.1))?
        };
        let report = report(&core, &self.output, written);
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

fn write<W: Write>(
    core: &CoreImage,
    out: W,
    options: WriteOptions,
) -> anyhow::Result<(W, Written)> {
    let bar = progress::bar("writing", core.memory_bytes());
    let written = core.write(out, options, &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    Ok(written?)
}

fn report<'a>(core: &'a CoreImage, path: &Path, written: Written) -> Report<'a> {
    let metadata = &core.metadata;
    Report {
        file: path.display().to_string(),
        pid: metadata.process.pid,
        node_version: &metadata.process.node_version,
        v8_version: metadata.v8_version.map(|version| version.to_string()),
        isolates: metadata.isolates.len(),
        pages: metadata.pages.len(),
        threads: metadata.threads.len(),
        raw_bytes: written.raw_bytes,
        stored_bytes: written.stored_bytes,
        complete: metadata.problems.is_empty(),
        warnings: metadata
            .problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect(),
    }
}

/// What was written, in one line for a person.
fn line(report: &Report<'_>) -> String {
    format!(
        "{} in {} isolate{}, {} pages, {} threads · {} in {}",
        human_bytes(report.raw_bytes),
        report.isolates,
        if report.isolates == 1 { "" } else { "s" },
        grouped(report.pages as u64),
        report.threads,
        human_bytes(report.stored_bytes),
        report.file
    )
}
