//! Where commands write: text or JSON to standard output or to a buffer, progress and complaints to standard error.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::schema::Versioned;

/// Emphasis for headings.
pub(crate) const HEADING: Style = Style::new().bold();
/// For what matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// For what the reader must not overlook.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
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
pub(crate) enum Outcome {
    /// Done: exit status 0.
    Done,
    /// There was nothing to show: exit status 1.
    NothingFound,
    /// Done, but on incomplete input: exit status 3.
    Incomplete,
}

impl Outcome {
    /// Of something that was done, on input of which all was there or not.
    pub(crate) const fn of(complete: bool) -> Self {
        if complete {
            Self::Done
        } else {
            Self::Incomplete
        }
    }
}

/// Longest output that is copied.
const MAX_COPY: usize = 1 << 20;
/// JSON is written in pieces of this many bytes.
const JSON_BUFFER: usize = 64 << 10;

/// The exit status of an error.
pub(crate) const FAILED: u8 = 2;

impl Outcome {
    /// What has the exit status `code`.
    pub(super) const fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Done,
            1 => Self::NothingFound,
            3 => Self::Incomplete,
            _ => return None,
        })
    }

    /// The exit status.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NothingFound => 1,
            Self::Incomplete => 3,
        }
    }
}

impl Color {
    /// Whether standard output is to be coloured.
    pub(crate) fn choice(self) -> ColorChoice {
        match self {
            Self::Auto => AutoStream::choice(&io::stdout()),
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }
}

/// Where a command writes.
pub(crate) struct Output {
    sink: Sink,
    /// A copy of what is written, while one is made and has not become too long.
    copy: Option<Text>,
}

enum Sink {
    /// Standard output.
    Standard(BufWriter<AutoStream<io::Stdout>>),
    /// Memory: somebody else will print it, pipe it, or read it.
    Buffer(Text),
}

/// What a command wrote into a buffer.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// The text, with the escapes of its styles.
    pub(crate) bytes: Vec<u8>,
    /// Whether it is JSON, which has no styles, and must be passed on as it is.
    pub(crate) is_json: bool,
}

impl Text {
    /// The text without styles.
    pub(crate) fn plain(&self) -> String {
        let bytes = if self.is_json {
            Cow::Borrowed(&self.bytes)
        } else {
            Cow::Owned(anstream::adapter::strip_bytes(&self.bytes).into_vec())
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Output {
    /// Standard output, coloured as asked.
    pub(crate) fn new(color: Color) -> Self {
        let stream = AutoStream::new(io::stdout(), color.choice());
        Self {
            sink: Sink::Standard(BufWriter::new(stream)),
            copy: None,
        }
    }

    /// A buffer.
    pub(crate) fn buffer() -> Self {
        Self {
            sink: Sink::Buffer(Text::default()),
            copy: None,
        }
    }

    /// Copies what is written from now on.
    pub(super) fn start_copy(&mut self) {
        self.copy = Some(Text::default());
    }

    /// What was written since [`Self::start_copy`]; `None` if it was too long.
    pub(super) fn end_copy(&mut self) -> Option<Text> {
        self.copy.take()
    }

    /// Writes what was copied before.
    ///
    /// # Errors
    /// As writing to standard output.
    pub(super) fn replay(&mut self, text: &Text) -> io::Result<()> {
        if text.is_json {
            self.raw(&text.bytes)
        } else {
            self.write_all(&text.bytes)
        }
    }

    /// Writes bytes in which nothing is to be taken for a style.
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Standard(out) => {
                // Around the stream that takes escapes out: it would take control characters out of strings too.
                out.flush()?;
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Sink::Buffer(text) => {
                text.is_json |= text.bytes.is_empty();
                text.bytes.write_all(bytes)
            }
        }
    }

    /// What was written, if it went into a buffer.
    pub(crate) fn into_text(self) -> Text {
        match self.sink {
            Sink::Standard(_) => Text::default(),
            Sink::Buffer(text) => text,
        }
    }

    /// Writes an answer as JSON, indented. What has no schema cannot be one.
    ///
    /// # Errors
    /// As writing to standard output.
    pub(crate) fn json(&mut self, answer: &(impl Serialize + JsonSchema)) -> io::Result<()> {
        self.json_as_it_is(&Versioned::new(answer))
    }

    /// Writes a value as JSON that is no answer: without the number of a version.
    ///
    /// # Errors
    /// As writing to standard output.
    pub(crate) fn json_as_it_is(&mut self, value: &impl Serialize) -> io::Result<()> {
        if let Some(copy) = &mut self.copy {
            copy.is_json |= copy.bytes.is_empty();
        }
        let mut out = BufWriter::with_capacity(JSON_BUFFER, Json(self));
        serde_json::to_writer_pretty(&mut out, value)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Writes a text for programs as it is, with whatever control characters it has.
    ///
    /// # Errors
    /// As writing to standard output.
    #[cfg(feature = "sql")]
    pub(crate) fn as_it_is(&mut self, text: &str) -> io::Result<()> {
        if let Some(copy) = &mut self.copy {
            copy.is_json |= copy.bytes.is_empty();
        }
        Json(self).write_all(text.as_bytes())
    }

    /// Says of a file that was written what it is, in one line and with warnings on standard error, or as JSON on standard output;
    /// on standard error, too, if standard output has the file itself.
    ///
    /// # Errors
    /// As writing.
    pub(crate) fn summary(
        &mut self,
        report: &(impl Serialize + JsonSchema),
        json: bool,
        file_is_stdout: bool,
        line: &str,
        warnings: &[impl Display],
    ) -> io::Result<()> {
        if json && !file_is_stdout {
            return self.json(report);
        }
        let mut err = anstream::stderr().lock();
        if json {
            serde_json::to_writer_pretty(&mut err, &Versioned::new(report))?;
            return writeln!(err);
        }
        writeln!(err, "{line}")?;
        for warning in warnings {
            writeln!(err, "{WARNING}warning:{WARNING:#} {warning}")?;
        }
        Ok(())
    }

    /// Writes a table. The columns named in `right` are aligned to the right.
    ///
    /// # Errors
    /// As writing to standard output.
    pub(crate) fn table(
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
                writeln!(self, "{HEADING}{line}{HEADING:#}")?;
            } else {
                writeln!(self, "{line}")?;
            }
        }
        Ok(())
    }

    /// Prints how a command went, and turns it into an exit status. A reader that went away is no error: `v8mini
    /// histogram FILE | head` is a fine thing to type.
    pub(crate) fn finish(mut self, result: anyhow::Result<Outcome>) -> ExitCode {
        let result = result.and_then(|outcome| Ok(self.flush().map(|()| outcome)?));
        match result {
            Ok(outcome) => ExitCode::from(outcome.code()),
            Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&error);
                ExitCode::from(FAILED)
            }
        }
    }
}

/// Writes JSON, past what looks for styles.
struct Json<'a>(&'a mut Output);

impl Write for Json<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.raw(bytes)?;
        self.0.add_to_copy(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output {
    fn add_to_copy(&mut self, bytes: &[u8]) {
        if let Some(copy) = &mut self.copy {
            copy.bytes.extend_from_slice(bytes);
        }
        self.copy.take_if(|copy| copy.bytes.len() > MAX_COPY);
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.sink {
            Sink::Standard(out) => out.write(bytes)?,
            Sink::Buffer(text) => text.bytes.write(bytes)?,
        };
        self.add_to_copy(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Standard(out) => out.flush(),
            Sink::Buffer(_) => Ok(()),
        }
    }
}

/// Serializes a text for people without its styles: JSON has none.
pub(crate) fn plain<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&anstream::adapter::strip_str(text))
}

/// Prints an error to standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let red = AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{red}error:{red:#} {error:#}");
}

/// Whether an error is that the reader of the output went away.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(ErrorKind::BrokenPipe)
    })
}

/// `12345678` as `12,345,678`.
pub(crate) fn grouped(number: u64) -> String {
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
pub(crate) fn human_bytes(bytes: u64) -> String {
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
pub(crate) fn human_duration(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{:.0} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// Milliseconds of a timer, in a unit that suits them.
pub(crate) fn human_ms(ms: f64) -> String {
    const SECOND: f64 = 1e3;
    const MINUTE: f64 = 60.0 * SECOND;
    const HOUR: f64 = 60.0 * MINUTE;
    match ms {
        ms if ms < SECOND => format!("{ms:.0} ms"),
        ms if ms < MINUTE => format!("{:.1} s", ms / SECOND),
        ms if ms < HOUR => format!("{:.1} min", ms / MINUTE),
        ms => format!("{:.1} h", ms / HOUR),
    }
}

/// A part of 1 as a percentage that says 100 only if it is: `99.98 %`.
pub(crate) fn percent(ratio: f64) -> String {
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
