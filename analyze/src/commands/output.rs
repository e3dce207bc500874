//! Where commands write: text or JSON to standard output, progress and complaints to standard error.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};
use serde::Serialize;

/// Emphasis for headings.
pub(super) const HEADING: Style = Style::new().bold();
/// For what matters less.
pub(super) const DIM: Style = Style::new().dimmed();
/// For what the reader must not overlook.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a command ended, if not with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done: exit status 0.
    Done,
    /// There was nothing to show: exit status 1.
    NothingFound,
    /// Done, but on incomplete input: exit status 3.
    Incomplete,
}

/// Where a command writes.
pub(super) struct Output {
    out: BufWriter<AutoStream<io::Stdout>>,
}

impl Output {
    /// Standard output, coloured as asked.
    pub(super) fn new(color: Color) -> Self {
        let choice = match color {
            Color::Auto => anstream::AutoStream::choice(&io::stdout()),
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        Self {
            out: BufWriter::new(AutoStream::new(io::stdout(), choice)),
        }
    }

    /// Writes a value as JSON, indented.
    ///
    /// # Errors
    /// As writing to standard output.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        // Around the stream that takes escapes out: it would take control characters out of strings too.
        self.out.flush()?;
        let mut out = BufWriter::new(io::stdout().lock());
        serde_json::to_writer_pretty(&mut out, value)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Writes a table. The columns named in `right` are aligned to the right.
    ///
    /// # Errors
    /// As writing to standard output.
    pub(super) fn table(
        &mut self,
        header: &[&str],
        right: &[usize],
        rows: Vec<Vec<String>>,
    ) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_style(TableStyle::new())
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(
            header
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        );
        table.add_rows(rows);
        let last = header.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 2 }));
            if right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for (index, line) in table.lines().enumerate() {
            let line = line.trim_end();
            if index == 0 {
                writeln!(self.out, "{HEADING}{line}{HEADING:#}")?;
            } else {
                writeln!(self.out, "{line}")?;
            }
        }
        Ok(())
    }

    /// Prints how a command went, and turns it into an exit status. A reader that went away is no error: `v8mini
    /// histogram FILE | head` is a fine thing to type.
    pub(super) fn finish(mut self, result: anyhow::Result<Outcome>) -> ExitCode {
        let result = result.and_then(|outcome| Ok(self.out.flush().map(|()| outcome)?));
        match result {
            Ok(Outcome::Done) => ExitCode::SUCCESS,
            Ok(Outcome::NothingFound) => ExitCode::from(1),
            Ok(Outcome::Incomplete) => ExitCode::from(3),
            Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
            Err(error) => {
                let red = AnsiColor::Red.on_default().bold();
                anstream::eprintln!("{red}error:{red:#} {error:#}");
                ExitCode::from(2)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(ErrorKind::BrokenPipe)
    })
}

/// `12345678` as `12,345,678`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes in the unit that a person would choose: `11.8 MiB`.
pub(super) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Nanoseconds in the unit that a person would choose: `2.71 ms`.
pub(super) fn human_duration(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{:.0} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// A part of 1 as a percentage that says 100 only if it is: `99.98 %`.
pub(super) fn percent(ratio: f64) -> String {
    let percent = (ratio * 10_000.0).floor() / 100.0;
    format!("{percent:.2} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(human_bytes(1023), "1023 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(human_duration(2_710_000), "2.71 ms");
        assert_eq!(percent(0.999_99), "99.99 %");
        assert_eq!(percent(1.0), "100.00 %");
    }
}
