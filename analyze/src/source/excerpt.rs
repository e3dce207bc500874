//! A piece of source text, to be shown: the lines of a function, or those around a place.

use std::ops::Range;

use super::{MapOrigin, Position, SourceError, SourceMap, Text};
use crate::v8::{Address, Objects};

/// What of a script is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The lines of a function: its first and its last code unit in the script.
    Function(Range<usize>),
    /// The lines around a place, in code units from the script's beginning.
    Around(usize),
    /// The lines around a line of the file, counted from 1.
    Line(usize),
    /// From the beginning.
    All,
}

/// A line of source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// Its text.
    pub text: String,
}

/// A piece of source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The file: a path or URL; empty if the script has no name.
    pub file: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// First and last line of what was wanted, shown or not; numbers from 1.
    pub range: (usize, usize),
    /// The place that was asked for: line and column, from 1.
    pub mark: Option<(usize, usize)>,
    /// The source map that led here, if it is not the script as V8 knows it.
    pub map: Option<MapOrigin>,
    /// The same place in the script as V8 knows it, if a source map led here: script, line, column, from 1.
    pub compiled: Option<(String, usize, usize)>,
    /// Why the original is not shown although the script names a source map.
    pub map_problem: Option<String>,
}

/// Source text of a script: at most `max_lines` lines. With `original`, what it was compiled from is shown instead, as far
/// as a source map says it and the text can be had.
///
/// # Errors
/// [`SourceError`] if there is no text.
pub fn excerpt(
    objects: &Objects,
    script: Address,
    part: &Part,
    max_lines: usize,
    original: bool,
) -> Result<Excerpt, SourceError> {
    let text = Text::of_script(objects, script)?;
    let mut map_problem = None;
    if original {
        match SourceMap::find(objects, &text) {
            Ok(Some(map)) => match original_excerpt(&text, &map, part, max_lines) {
                Ok(excerpt) => return Ok(excerpt),
                Err(problem) => map_problem = Some(problem),
            },
            Ok(None) => {}
            Err(problem) => map_problem = Some(problem),
        }
    }
    let (range, mark) = span(&text, part);
    Ok(Excerpt {
        map_problem,
        ..cut(&text, range, mark, max_lines)
    })
}

/// First and last line of a part, and the place that is marked in it.
fn span(text: &Text, part: &Part) -> ((usize, usize), Option<Position>) {
    let last = text.lines().saturating_sub(1);
    match part {
        Part::Function(range) => {
            let (first, end) = (text.position(range.start), text.position(range.end));
            ((first.line, end.line), None)
        }
        Part::Around(offset) => ((0, last), Some(text.position(*offset))),
        Part::Line(number) => {
            let line = number.saturating_sub(text.number(0)).min(last);
            ((0, last), Some(Position { line, column: 0 }))
        }
        Part::All => ((0, last), None),
    }
}

/// The same in what the script was compiled from.
fn original_excerpt(
    text: &Text,
    map: &SourceMap,
    part: &Part,
    max_lines: usize,
) -> Result<Excerpt, String> {
    let place = match part {
        Part::Function(range) => text.position(range.start),
        Part::Around(offset) => text.position(*offset),
        Part::Line(_) | Part::All => return Err("it maps places, not whole scripts".to_owned()),
    };
    let start = map
        .original(place)
        .ok_or("the source map says nothing of this place")?;
    let source = map.source_text(start.source).ok_or_else(|| {
        format!(
            "{}:{}:{}, says the source map, but it has no text of that file, nor is the file here",
            map.source_name(start.source),
            start.position.line + 1,
            start.position.column + 1
        )
    })?;
    let last = source.lines().saturating_sub(1);
    let (range, mark) = match part {
        Part::Function(range) => {
            let end = last_original(text, map, range, start.source);
            let line = start.position.line.min(last);
            ((line, end.unwrap_or(line).clamp(line, last)), None)
        }
        _ => ((0, last), Some(start.position)),
    };
    Ok(Excerpt {
        map: Some(map.origin.clone()),
        compiled: Some((text.name.clone(), text.number(place.line), place.column + 1)),
        ..cut(&source, range, mark, max_lines)
    })
}

/// The last line of a source that a function was compiled from: its end is mapped as a rule; what comes before it in the
/// other cases.
fn last_original(text: &Text, map: &SourceMap, range: &Range<usize>, source: u32) -> Option<usize> {
    let (first, end) = (text.position(range.start), text.position(range.end));
    let at_end = (first.line..=end.line).rev().find_map(|line| {
        let column = if line == end.line {
            end.column.saturating_sub(1)
        } else {
            usize::MAX
        };
        map.original(Position { line, column })
            .filter(|found| found.source == source)
    });
    at_end.map(|found| found.position.line)
}

/// The lines of a text from the first to the last of a range; around the mark, if there are more than wanted.
fn cut(
    text: &Text,
    (first, last): (usize, usize),
    mark: Option<Position>,
    max_lines: usize,
) -> Excerpt {
    let start = match mark {
        Some(mark) => {
            // As many before as after, but no fewer than wanted at either end of the text.
            let before = mark.line.saturating_sub(max_lines / 2);
            let latest = last.saturating_add(1).saturating_sub(max_lines);
            before.min(latest).max(first)
        }
        None => first,
    };
    let lines = (start..=last)
        .take(max_lines)
        .filter_map(|line| {
            Some(Line {
                number: text.number(line),
                text: text.line(line)?,
            })
        })
        .collect();
    Excerpt {
        file: text.name.clone(),
        lines,
        range: (text.number(first), text.number(last)),
        mark: mark.map(|mark| (text.number(mark.line), mark.column + 1)),
        map: None,
        compiled: None,
        map_problem: None,
    }
}
