//! `v8mini export`: the heap in the formats of other programs.

mod core;
#[cfg(feature = "parquet")]
mod parquet;

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::new_file::{goes_to_stdout, write_new};
use super::output::{Outcome, Output, grouped, human_bytes};
use super::progress;
use super::session::{Query, Session};
use super::verdict::Verdict;
use crate::export::heapsnapshot::{self, Alive, Out, Source, Written};
use crate::graph::Graph;

/// Writes the heap in the format of another program
///
/// A heapsnapshot opens in Chrome DevTools (Memory, Load profile), in VS Code and in memlab. It has the objects that are alive
/// under the classes, with the edges and the sizes that V8's own snapshots give them; what C++ holds besides is missing. The
/// id that DevTools shows behind an @ leads back: v8mini inspect FILE @ID.
///
/// A core opens in gdb and lldb: memory, threads and registers as far as the capture has them. The line of gdb that is printed
/// names the binaries, for the names of native functions. Every command of v8mini says the same of it as of the capture.
///
/// parquet writes the tables captures, types, objects, edges, strings, threads and frames below DIR, each capture in folders of its
/// own, DIR/objects/host=…/service=…/pid=…/time=…: what DuckDB, Spark and others read as one table, of a whole fleet.
/// spec/fleet.md has the columns, and queries.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    file: FileArgs,

    /// Format.
    #[arg(long, value_name = "FORMAT")]
    to: Format,

    /// File to write; `-` for standard output. By default FILE with the format's extension. For parquet, the folder of the tables.
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,

    /// Keep so many characters (UTF-16 code units) of a string.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_string: usize,

    /// Leave out objects that retain less, such as 1000 or 4K; their sizes are added to those of the objects that dominate them.
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = super::size::parse)]
    only_retained_above: u64,

    /// For parquet: the machine or container that the process ran on. A capture does not say it.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,

    /// For parquet: what the process is for. By default the name of its program.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// V8's heap snapshot: what is alive.
    Heapsnapshot,
    /// An ELF core.
    Core,
    /// Tables of Apache Parquet: all objects, dead ones too.
    #[cfg(feature = "parquet")]
    Parquet,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// The file or folder that was written; `-` for standard output.
    file: String,
    format: &'static str,
    bytes: u64,
    /// Of a heapsnapshot.
    #[serde(flatten)]
    snapshot: Option<SnapshotReport>,
    /// Of a core.
    #[serde(flatten)]
    core: Option<core::CoreReport>,
    /// Of Parquet.
    #[cfg(feature = "parquet")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tables: Vec<parquet::TableReport>,
    warnings: &'a [String],
}

/// What is in a heapsnapshot.
#[derive(Serialize, JsonSchema)]
struct SnapshotReport {
    nodes: u64,
    edges: u64,
    strings: u64,
}

impl<'a> Report<'a> {
    const fn new(format: &'static str, bytes: u64, warnings: &'a [String]) -> Self {
        Self {
            file: String::new(),
            format,
            bytes,
            snapshot: None,
            core: None,
            #[cfg(feature = "parquet")]
            tables: Vec::new(),
            warnings,
        }
    }
}

impl Query for Export {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        match self.to {
            Format::Heapsnapshot => self.to_heapsnapshot(session, output),
            Format::Core => self.to_core(session, output),
            #[cfg(feature = "parquet")]
            Format::Parquet => self.to_parquet(session, output),
        }
    }
}

impl Export {
    /// The file to write: by default FILE with another extension.
    fn path_with(&self, extension: &str) -> PathBuf {
        self.output
            .clone()
            .unwrap_or_else(|| self.file.input.path.with_extension(extension))
    }

    fn to_heapsnapshot(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let path = self.path_with("heapsnapshot");
        let to_stdout = goes_to_stdout(&path, "a heap snapshot is long")?;
        let selection = self.file.selection(session)?;
        let graph = Graph::build(&session.objects, selection);
        let (roots, ephemerons) = (graph.roots().to_vec(), graph.ephemerons().to_vec());
        // Which objects dominate which is needed only where some are left out.
        let (reachable, tree);
        let (alive, missing_roots) = if self.only_retained_above == 0 {
            // One core finds what is alive. The other counts meanwhile what the verdict will ask for.
            reachable = rayon::join(|| graph.into_reachable(), || session.tally(selection)).0;
            (Alive::All(&reachable), reachable.missing_roots())
        } else {
            tree = graph.into_dominators();
            let at_least = self.only_retained_above;
            let alive = Alive::Retaining {
                tree: &tree,
                at_least,
            };
            (alive, tree.missing_roots())
        };
        let source = Source {
            objects: &session.objects,
            alive,
            roots: &roots,
            ephemerons: &ephemerons,
        };
        let written = if to_stdout {
            self.write(&source, Out::Stream(&mut io::stdout()))?
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
        let verdict = Verdict::of_reachability(session, selection, missing_roots);
        let report = Report {
            file: path.display().to_string(),
            snapshot: Some(SnapshotReport {
                nodes: written.nodes,
                edges: written.edges,
                strings: written.strings,
            }),
            ..Report::new("heapsnapshot", written.bytes, &verdict.warnings)
        };
        let line = format!(
            "{} nodes, {} edges, {} strings · {} in {}",
            grouped(written.nodes),
            grouped(written.edges),
            grouped(written.strings),
            human_bytes(report.bytes),
            report.file
        );
        output.summary(&report, self.file.json, to_stdout, &line, report.warnings)?;
        Ok(verdict.outcome(true))
    }

    fn write(&self, source: &Source<'_>, out: Out<'_>) -> anyhow::Result<Written> {
        let options = heapsnapshot::Options {
            max_string: self.max_string,
        };
        let bar = progress::count("exporting", source.alive.count());
        let written = heapsnapshot::write(*source, &options, out, &mut |objects| {
            bar.set_position(objects);
        });
        bar.finish_and_clear();
        Ok(written?)
    }
}
