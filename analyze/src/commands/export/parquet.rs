//! `v8mini export --to parquet`: tables for engines that query many captures at once.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, bail};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Export, Report};
use crate::commands::new_file::write_new;
use crate::commands::output::{Outcome, Output, grouped, human_bytes};
use crate::commands::progress;
use crate::commands::session::Session;
use crate::commands::tabled::Tabled;
use crate::export::parquet;
use crate::tables::{Partition, Table, Tables};

/// A table that was written.
#[derive(Serialize, JsonSchema)]
pub(super) struct TableReport {
    table: &'static str,
    /// Below the folder that was named.
    file: String,
    rows: u64,
    bytes: u64,
}

impl Export {
    pub(super) fn to_parquet(
        &self,
        session: &Session,
        output: &mut Output,
    ) -> anyhow::Result<Outcome> {
        let folder = self.output.as_deref().context(
            "name the folder of the tables with -o DIR; the captures of a fleet can share one",
        )?;
        if folder.as_os_str() == "-" {
            bail!("tables are many files: name a folder with -o DIR");
        }
        let found = Tabled::find(session, self.file.selection(session)?);
        let verdict = &found.verdict;
        let process = &session.objects.image().metadata.process;
        let partition = Partition::new(process, self.host.as_deref(), self.service.as_deref());
        let tables = found.tables(session, self.max_string);
        let below = partition.folder().join("part-0.parquet");
        let mut reports = Vec::new();
        for table in Table::ALL {
            let file = Path::new(table.name()).join(&below);
            reports.push(write_table(&tables, table, folder, &file)?);
        }
        let bytes = reports.iter().map(|report| report.bytes).sum();
        let rows: u64 = reports.iter().map(|report| report.rows).sum();
        let line = format!(
            "{} rows in {} tables · {} in {}",
            grouped(rows),
            reports.len(),
            human_bytes(bytes),
            folder.display()
        );
        let report = Report {
            file: folder.display().to_string(),
            tables: reports,
            ..Report::new("parquet", bytes, &verdict.warnings)
        };
        output.summary(&report, self.file.json, false, &line, report.warnings)?;
        Ok(verdict.outcome(true))
    }
}

fn write_table(
    tables: &Tables<'_>,
    table: Table,
    folder: &Path,
    file: &Path,
) -> anyhow::Result<TableReport> {
    let path = folder.join(file);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
    }
    let bar = progress::batches(table.name(), tables.batches(table) as u64);
    let written = write_new(&path, |file: &File| {
        let out = BufWriter::with_capacity(1 << 20, file);
        Ok(parquet::write(tables, table, out, &mut |batches| {
            bar.set_position(batches as u64);
        })?)
    })?;
    bar.finish_and_clear();
    Ok(TableReport {
        table: table.name(),
        file: file.display().to_string(),
        rows: written.rows,
        bytes: written.bytes,
    })
}
