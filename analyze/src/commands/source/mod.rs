//! `v8mini source`: source text of functions and scripts.

mod target;

use std::io::Write;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use target::Target;

use super::file::InputArgs;
use super::output::{DIM, HEADING, Outcome, Output, WARNING};
use super::schema::Hex;
use super::session::{Query, Session};
use crate::source::{Excerpt, MapOrigin, Part, SourceError, excerpt};

/// So many lines of a function or script are shown unless --lines says otherwise.
const DEFAULT_LINES: usize = 60;
/// So many lines around a place.
const LINES_AROUND: usize = 9;

/// Shows the source of a function or a script, as it was written
///
/// WHAT is the address of a function, a SharedFunctionInfo or a script, as v8mini functions and v8mini scripts print them; a
/// script's name or the end of it, with a line: server.js:120; the name of a function, if only one is called so; or a frame by its number in v8mini bt, of the main thread or another:
/// '#3', '4711#3'. For a frame the lines around the call in progress are shown.
///
/// What was compiled from TypeScript or the like is shown in the original, where a source map leads there: one in the
/// script's own text, one that Node.js has read (--enable-source-maps), or the .map file that the script names, if it is on this
/// machine. Originals that the map does not contain are read from their files, too; --as-loaded does without.
#[derive(Debug, Args)]
pub(super) struct Source {
    #[command(flatten)]
    input: InputArgs,

    /// Address of a function or script; NAME or NAME:LINE of a script; NAME of a function; or #FRAME or TID#FRAME.
    #[arg(value_name = "WHAT")]
    what: String,

    /// Show so many lines; 0 for all.
    #[arg(long, short = 'n', value_name = "N")]
    lines: Option<usize>,

    /// The text that V8 has compiled; source maps are not followed, and no other file is read.
    #[arg(long)]
    as_loaded: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    #[schemars(with = "Hex")]
    script: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    /// Null if there is no text.
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Place>,
    lines: Vec<LineReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_map: Option<MapReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Place {
    line: usize,
    column: usize,
}

#[derive(Serialize, JsonSchema)]
struct LineReport<'a> {
    number: usize,
    text: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct MapReport<'a> {
    /// `inline`, `heap`, `file`
    found_in: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compiled: Option<CompiledReport<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct CompiledReport<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

impl Query for Source {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let objects = &session.objects;
        let target = Target::named(session, &self.what)?;
        let usual = match target.part {
            Part::Around(_) | Part::Line(_) => LINES_AROUND,
            _ => DEFAULT_LINES,
        };
        let lines = match self.lines {
            Some(0) => usize::MAX,
            Some(lines) => lines,
            None => usual,
        };
        let found = excerpt(objects, target.script, &target.part, lines, !self.as_loaded);
        if self.json {
            output.json(&Report::new(&target, &found))?;
        } else if let Ok(found) = &found {
            write_excerpt(&target, found, output)?;
        }
        match found {
            Ok(_) => Ok(session.outcome_without_walk()),
            Err(error) => {
                if !self.json {
                    anstream::eprintln!("{error}");
                }
                Ok(Outcome::NothingFound)
            }
        }
    }
}

impl<'a> Report<'a> {
    fn new(target: &'a Target, found: &'a Result<Excerpt, SourceError>) -> Self {
        let excerpt = found.as_ref().ok();
        let lines = excerpt.map_or(&[][..], |excerpt| &excerpt.lines);
        Self {
            script: target.script.to_string(),
            function: target.function.as_deref(),
            file: excerpt.map(|excerpt| excerpt.file.as_str()),
            first_line: excerpt.map(|excerpt| excerpt.range.0),
            last_line: excerpt.map(|excerpt| excerpt.range.1),
            mark: excerpt
                .and_then(|excerpt| excerpt.mark)
                .map(|(line, column)| Place { line, column }),
            lines: lines
                .iter()
                .map(|line| LineReport {
                    number: line.number,
                    text: &line.text,
                })
                .collect(),
            source_map: excerpt.and_then(MapReport::of),
            problem: match found {
                Ok(excerpt) => excerpt.map_problem.clone(),
                Err(error) => Some(error.to_string()),
            },
        }
    }
}

impl<'a> MapReport<'a> {
    fn of(excerpt: &'a Excerpt) -> Option<Self> {
        let (found_in, path) = match excerpt.map.as_ref()? {
            MapOrigin::Inline => ("inline", None),
            MapOrigin::Heap(_) => ("heap", None),
            MapOrigin::File(path) => ("file", Some(path.to_string_lossy().into_owned())),
        };
        let compiled = excerpt.compiled.as_ref();
        Some(Self {
            found_in,
            path,
            compiled: compiled.map(|(file, line, column)| CompiledReport {
                file,
                line: *line,
                column: *column,
            }),
        })
    }
}

fn write_excerpt(target: &Target, found: &Excerpt, output: &mut Output) -> anyhow::Result<()> {
    let file = if found.file.is_empty() {
        "(script without a name)"
    } else {
        &found.file
    };
    let (line, _) = found.mark.unwrap_or(found.range);
    match target.function.as_deref() {
        Some("") => writeln!(
            output,
            "{HEADING}(anonymous function){HEADING:#} at {file}:{line}"
        )?,
        Some(name) => writeln!(output, "{HEADING}{name}{HEADING:#} at {file}:{line}")?,
        None => writeln!(output, "{HEADING}{file}{HEADING:#}")?,
    }
    if let (Some(map), Some((compiled, line, column))) = (&found.map, &found.compiled) {
        let place = match map {
            MapOrigin::Inline => "the script itself".to_owned(),
            MapOrigin::Heap(address) => format!("the heap, at {address}"),
            MapOrigin::File(path) => path.display().to_string(),
        };
        writeln!(
            output,
            "{DIM}compiled to {compiled}:{line}:{column}, by the source map in {place}{DIM:#}"
        )?;
    }
    if let Some(problem) = &found.map_problem {
        writeln!(
            output,
            "{WARNING}as loaded, not as written:{WARNING:#} {problem}"
        )?;
    }
    let last = found.lines.last().map_or(0, |line| line.number);
    let width = last.to_string().len();
    for line in &found.lines {
        let mark = found.mark.filter(|(marked, _)| *marked == line.number);
        let sign = if mark.is_some() { '>' } else { ' ' };
        let text = printable(&line.text);
        writeln!(output, "{sign} {DIM}{:>width$}{DIM:#}  {text}", line.number)?;
    }
    if target.function.is_some() && found.mark.is_none() && last < found.range.1 {
        let more = found.range.1 - last;
        writeln!(output, "  {DIM}… {more} more lines: --lines 0{DIM:#}")?;
    }
    Ok(())
}

/// A line without what would steer a terminal.
fn printable(line: &str) -> String {
    line.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
