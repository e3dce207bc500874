//! `v8mini unpack`: an ordinary capture of a packed one.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Problem;
use v8mini_format::{WriteOptions, Writer, Written};

use super::file::InputArgs;
use super::new_file::{goes_to_stdout, write_new};
use super::output::{Outcome, Output, human_bytes};
use super::pack::source;
use super::progress;
use crate::image::Image;
use crate::pack::write_plain;

/// Makes an ordinary capture of a packed one (see `v8mini pack`): larger, quicker to look into, and read by older versions
#[derive(Debug, Args)]
pub(super) struct Unpack {
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
pub(super) struct Report {
    file: String,
    raw_bytes: u64,
    stored_bytes: u64,
    complete: bool,
    warnings: Vec<String>,
}

impl Unpack {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let to_stdout = goes_to_stdout(&self.output, "a capture is binary")?;
        let image = source(&self.input)?;
        let (written, lost) = if to_stdout {
            self.write(&image, io::stdout().lock())?
        } else {
            write_new(&self.output, |file| self.write(&image, file))?
        };
        let problems = &image.metadata.problems;
        let report = Report {
            file: self.output.display().to_string(),
            raw_bytes: written.raw_bytes,
            stored_bytes: written.stored_bytes,
            complete: problems.is_empty() && lost.is_empty(),
            warnings: problems
                .iter()
                .chain(&lost)
                .map(|problem| problem.message.clone())
                .collect(),
        };
        let line = format!(
            "{} · {} in {}",
            human_bytes(report.raw_bytes),
            human_bytes(report.stored_bytes),
            report.file
        );
        output.summary(&report, self.json, to_stdout, &line, &report.warnings)?;
        Ok(Outcome::of(report.complete))
    }

    fn write(&self, image: &Image, out: impl Write) -> anyhow::Result<(Written, Vec<Problem>)> {
        let total = image.memory.ranges().iter().map(|range| range.len).sum();
        let bar = progress::bar("writing", total);
        let options = WriteOptions {
            level: self.level,
            ..WriteOptions::default()
        };
        let mut writer = Writer::create(out, options, &image.metadata)?;
        let lost = write_plain(&*image.memory, &mut writer, &mut |bytes| {
            bar.set_position(bytes);
        });
        bar.finish_and_clear();
        let lost = lost?;
        let statistics = image.metadata.statistics.unwrap_or_default();
        Ok((writer.finish(&lost, &statistics)?.1, lost))
    }
}
