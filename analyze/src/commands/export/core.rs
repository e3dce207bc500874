//! `v8mini export --to core`: an ELF core for debuggers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Metadata;

use super::{Export, Report};
use crate::commands::new_file::{goes_to_stdout, write_new};
use crate::commands::output::{DIM, Outcome, Output, grouped, human_bytes};
use crate::commands::progress;
use crate::commands::session::Session;
use crate::export::core::{self, Written};

/// What is in a core.
#[derive(Serialize, JsonSchema)]
pub(super) struct CoreReport {
    segments: u64,
    threads: u64,
    memory_bytes: u64,
    /// Bytes that could not be read, and are zero in the core.
    lost_bytes: u64,
}

impl Export {
    pub(super) fn to_core(
        &self,
        session: &Session,
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        let path = self.path_with("core");
        let to_stdout = goes_to_stdout(&path, "a core is binary")?;
        let objects = &session.objects;
        let metadata = &objects.image().metadata;
        let write = |out: &mut dyn Write| write(session, metadata, out);
        let written = if to_stdout {
            write(&mut io::stdout().lock())?
        } else {
            write_new(&path, |file: &File| {
                write(&mut BufWriter::with_capacity(1 << 20, file))
            })?
        };
        let mut warnings = Vec::new();
        if written.lost_bytes > 0 {
            warnings.push(format!(
                "{} of the memory could not be read, and are zero in the core",
                human_bytes(written.lost_bytes)
            ));
        }
        let line = format!(
            "{} segments, {} threads · {} of memory · {} in {}",
            grouped(written.segments),
            grouped(written.threads),
            human_bytes(written.memory_bytes),
            human_bytes(written.bytes),
            path.display()
        );
        let report = Report {
            file: path.display().to_string(),
            core: Some(CoreReport {
                segments: written.segments,
                threads: written.threads,
                memory_bytes: written.memory_bytes,
                lost_bytes: written.lost_bytes,
            }),
            ..Report::new("core", written.bytes, &warnings)
        };
        output.summary(&report, self.file.json, to_stdout, &line, report.warnings)?;
        if !self.file.json && !to_stdout {
            writeln!(
                anstream::stderr(),
                "{DIM}open it on a machine that has these files: {}{DIM:#}",
                gdb_line(metadata, &path)
            )?;
        }
        Ok(if warnings.is_empty() {
            session.outcome_without_walk()
        } else {
            Outcome::Incomplete
        })
    }
}

/// How gdb is started so that it finds all code. It would find libraries in the memory of the dynamic linker, which a capture does not have.
fn gdb_line(metadata: &Metadata, core: &Path) -> String {
    let mut line = "gdb".to_owned();
    let files = || {
        let modules = metadata.modules.iter();
        modules.filter(|module| module.path.starts_with('/'))
    };
    // What does not lie where its file says, gdb has to be told about.
    for module in files().filter(|module| module.load_bias == 0) {
        line.extend([" ", &module.path]);
    }
    line.extend([" -c ", &core.display().to_string()]);
    for module in files().filter(|module| module.load_bias != 0) {
        line.extend([format!(
            " -ex 'add-symbol-file {} -o {:#x}'",
            module.path, module.load_bias
        )]);
    }
    line
}

fn write(session: &Session, metadata: &Metadata, out: &mut dyn Write) -> anyhow::Result<Written> {
    let memory = session.objects.memory();
    let total = memory.ranges().iter().map(|range| range.len).sum();
    let bar = progress::bar("writing", total);
    let written = core::write(metadata, memory, out, &mut |bytes| bar.set_position(bytes))?;
    bar.finish_and_clear();
    Ok(written)
}
