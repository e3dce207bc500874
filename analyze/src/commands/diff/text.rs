//! What `v8mini diff` says, as text for people.

use std::io::Write;

use super::report::{HeldReport, ObjectsReport, Report};
use crate::commands::output::{DIM, HEADING, Output, WARNING, grouped, human_bytes};
use crate::growth::Role;

/// Characters of an object that are shown.
const MAX_EXAMPLE: usize = 160;

pub(super) fn write(output: &mut Output, report: &Report<'_>, title: &str) -> anyhow::Result<()> {
    for (index, capture) in report.captures.iter().enumerate() {
        writeln!(
            output,
            "{DIM}[{}]{DIM:#} {}: process {}, Node.js {}, {} objects, {}",
            index + 1,
            capture.file,
            capture.pid,
            capture.node_version,
            grouped(capture.objects),
            human_bytes(capture.shallow_bytes)
        )?;
    }
    writeln!(output)?;
    let several = report.captures.len() > 2;
    let retained = report.rows.iter().any(|row| row.growth_retained.is_some());
    let roles = report.rows.iter().any(|row| row.role != Role::Main.name());
    let rows = report.rows.iter().map(|row| {
        let counts: Vec<String> = row.counts.iter().map(|count| grouped(*count)).collect();
        let role = if roles && row.role != Role::Main.name() {
            format!(" [{}]", row.role)
        } else {
            String::new()
        };
        let mut cells = vec![
            signed(row.growth_bytes),
            signed(row.growth_count),
            counts.join(" → "),
            grouped(row.shallow_bytes.last().copied().unwrap_or(0)),
        ];
        if retained {
            cells.push(signed(row.growth_retained.unwrap_or(0)));
            cells.push(grouped(row.retained_bytes.last().copied().unwrap_or(0)));
        }
        if several {
            cells.push(row.verdict.to_owned());
        }
        cells.push(row.name.clone() + &role);
        cells
    });
    let mut header = vec!["Bytes +", "Count +", "Counts", "Bytes now"];
    let mut numbers = vec![0, 1, 3];
    if retained {
        header.extend(["Retained +", "Retained now"]);
        numbers.extend([4, 5]);
    }
    if several {
        header.push("Trend");
    }
    header.push(title);
    output.table(&header, &numbers, rows.collect())?;
    if report.rows.len() < report.totals.rows {
        writeln!(
            output,
            "{DIM}… and {} more rows: --limit 0 shows all{DIM:#}",
            grouped((report.totals.rows - report.rows.len()) as u64)
        )?;
    }
    writeln!(
        output,
        "\n{} objects, {} bytes in all, dead ones that are not yet swept included",
        signed(report.totals.growth_count),
        signed(report.totals.growth_bytes)
    )?;
    for class in &report.objects {
        write_objects(output, class)?;
    }
    // What the program knows, rather than arrays of V8's own.
    let known = report.objects.first().map(|class| class.name.as_str());
    let grown = report.rows.iter().find(|row| row.growth_bytes > 0);
    if let Some(last) = report.captures.last()
        && let Some(name) = known.or(grown.map(|row| row.name.as_str()))
    {
        writeln!(
            output,
            "\n{DIM}next: v8mini instances {} '{}'{DIM:#}",
            last.file,
            name.split(" {").next().unwrap_or(name)
        )?;
        let holders = report.objects.iter().flat_map(|class| &class.held.by);
        if let Some(holder) = holders.into_iter().find_map(|way| way.holder.as_ref()) {
            writeln!(
                output,
                "{DIM}      v8mini inspect {} {holder}{DIM:#}",
                last.file
            )?;
        }
    }
    for warning in report.warnings {
        writeln!(output, "{WARNING}warning:{WARNING:#} {warning}")?;
    }
    Ok(())
}

fn write_objects(output: &mut Output, class: &ObjectsReport) -> std::io::Result<()> {
    write!(output, "\n{HEADING}{}{HEADING:#}: ", class.name)?;
    if let Some(matched) = &class.matched {
        writeln!(
            output,
            "{} new, {} gone; {} unchanged, {} changed, {} moved by the garbage collector",
            grouped(matched.new),
            grouped(matched.gone),
            grouped(matched.same),
            grouped(matched.changed),
            grouped(matched.moved)
        )?;
        if matched.ambiguous > 0 {
            writeln!(
                output,
                "  {DIM}of the moved ones, {} look like others: which is which cannot be told{DIM:#}",
                grouped(matched.ambiguous)
            )?;
        }
    } else {
        writeln!(
            output,
            "new at their addresses; on a heap of this size, --objects tells which were only moved"
        )?;
    }
    for example in &class.examples {
        writeln!(output, "  {}", shortened(&example.summary))?;
    }
    let new = class.matched.as_ref().map_or(0, |matched| matched.new);
    let rest = new.saturating_sub(class.examples.len() as u64);
    if rest > 0 {
        writeln!(output, "  {DIM}… and {} more{DIM:#}", grouped(rest))?;
    }
    write_held(output, &class.held)
}

/// What holds the new ones.
fn write_held(output: &mut Output, held: &HeldReport) -> std::io::Result<()> {
    for way in &held.by {
        write!(output, "  held by  {}", way.path)?;
        if let Some(root) = way.root {
            write!(output, " {DIM}(root: {root}){DIM:#}")?;
        }
        if way.objects < held.looked_at {
            write!(
                output,
                " {DIM}{} of {} looked at{DIM:#}",
                way.objects, held.looked_at
            )?;
        }
        writeln!(output)?;
        if let (Some(holder), Some(class)) = (&way.holder, &way.holder_class) {
            writeln!(
                output,
                "  {DIM}         {class} {holder} was there before{DIM:#}"
            )?;
        }
    }
    if held.dead > 0 {
        let what = if held.from_roots {
            "are dead, and not yet swept"
        } else {
            "nobody refers to"
        };
        writeln!(
            output,
            "  {DIM}{} of {} looked at {what}{DIM:#}",
            held.dead, held.looked_at
        )?;
    }
    Ok(())
}

/// An object in one line, cut to what fits.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(MAX_EXAMPLE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// `+1,234`, `-5`, `0`.
fn signed(number: i64) -> String {
    let digits = grouped(number.unsigned_abs());
    match number {
        0 => digits,
        1.. => format!("+{digits}"),
        _ => format!("-{digits}"),
    }
}
