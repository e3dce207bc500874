//! `v8mini export`: the heap in the formats of other programs.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::new_file::{goes_to_stdout, write_new};
use super::output::{Outcome, Output, grouped, human_bytes};
use super::progress;
use super::session::{Query, Session};
use super::verdict::Verdict;
use crate::export::heapsnapshot::{self, Out, Source, Written};
use crate::graph::Graph;

/// Writes the live heap in the format of another program
///
/// A heapsnapshot opens in Chrome DevTools (Memory, Load profile), in VS Code and in memlab. It has the objects that are alive
/// under the classes, with the edges and the sizes that V8's own snapshots give them; what C++ holds besides is missing. The
/// id that DevTools shows behind an @ leads back: v8mini inspect FILE @ID.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    file: FileArgs,

    /// Format.
    #[arg(long, value_name = "FORMAT")]
    to: Format,

    /// File to write; `-` for standard output. By default FILE with the format's extension.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Keep so many characters (UTF-16 code units) of a string.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_string: usize,

    /// Leave out objects that retain less, such as 1000 or 4K; their sizes are added to those of the objects that dominate them.
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = super::size::parse)]
    only_retained_above: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// V8's heap snapshot.
    Heapsnapshot,
}

#[derive(Serialize)]
struct Report<'a> {
    file: String,
    format: &'static str,
    nodes: u64,
    edges: u64,
    strings: u64,
    bytes: u64,
    warnings: &'a [String],
}

impl Query for Export {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let path = self.output.clone().unwrap_or_else(|| {
            let mut path = self.file.input.path.clone();
            path.set_extension("heapsnapshot");
            path
        });
        let to_stdout = goes_to_stdout(&path, "a heap snapshot is long")?;
        let selection = self.file.selection(session)?;
        let graph = Graph::build(&session.objects, selection)?;
        let (roots, ephemerons) = (graph.roots().to_vec(), graph.ephemerons().to_vec());
        let tree = graph.into_dominators();
        let source = Source {
            objects: &session.objects,
            tree: &tree,
            roots: &roots,
            ephemerons: &ephemerons,
        };
        let written = if to_stdout {
            self.write(&source, Out::Stream(&mut io::stdout().lock()))?
        } else {
            let directory = match path.parent() {
                Some(parent) if parent.is_dir() => parent.to_owned(),
                _ => PathBuf::from("."),
            };
            write_new(&path, |file: &File| {
                // What cannot be told where it stands, such as a pipe, is a stream.
                if file.metadata()?.is_file() {
                    self.write(&source, Out::File(file, &directory))
                } else {
                    self.write(&source, Out::Stream(&mut &*file))
                }
            })?
        };
        let verdict = Verdict::of_tree(session, selection, &tree);
        let report = Report {
            file: path.display().to_string(),
            format: "heapsnapshot",
            nodes: written.nodes,
            edges: written.edges,
            strings: written.strings,
            bytes: written.bytes,
            warnings: &verdict.warnings,
        };
        output.summary(
            &report,
            self.file.json,
            to_stdout,
            &line(&report),
            report.warnings,
        )?;
        Ok(verdict.outcome(true))
    }
}

impl Export {
    fn write(&self, source: &Source<'_>, out: Out<'_>) -> anyhow::Result<Written> {
        let options = heapsnapshot::Options {
            max_string: self.max_string,
            only_retained_above: self.only_retained_above,
        };
        let bar = progress::count("exporting", source.tree.alive().count() as u64);
        let written = heapsnapshot::write(*source, &options, out, &mut |objects| {
            bar.set_position(objects);
        });
        bar.finish_and_clear();
        Ok(written?)
    }
}

/// What was written, in one line for a person.
fn line(report: &Report<'_>) -> String {
    format!(
        "{} nodes, {} edges, {} strings · {} in {}",
        grouped(report.nodes),
        grouped(report.edges),
        grouped(report.strings),
        human_bytes(report.bytes),
        report.file
    )
}
