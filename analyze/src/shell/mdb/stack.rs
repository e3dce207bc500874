//! `::jsstack` and `::jsframe`: the stack as mdb_v8 has it, innermost frame first.

use std::io::Write;

use anyhow::Context;

use super::super::frames::{is_internal, native_text};
use super::super::spelling::Call;
use super::function::{kind, source_lines};
use super::jsprint::{bare, function_name};
use crate::commands::{Outcome, Session, address_number};
use crate::stack::{Frame, JsFunction};

/// `::jsstack`
pub(super) fn jsstack(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let stack = call.shell.stack()?;
    write(call, &session, &stack.frames)?;
    Ok(if stack.frames.is_empty() {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

/// `addr::jsframe`: the frame of a frame pointer
pub(super) fn jsframe(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let target = call
        .target
        .clone()
        .context("a frame pointer is missing before ::jsframe")?;
    let pointer = address_number(&target)?;
    let session = call.session();
    let stack = call.shell.stack()?;
    let frame = stack
        .frames
        .iter()
        .find(|frame| frame.fp == Some(pointer))
        .with_context(|| format!("there is no frame at {pointer:x}; ::walk jsframe lists them"))?;
    write(call, &session, std::slice::from_ref(frame))?;
    Ok(session.outcome_without_walk())
}

/// `::walk jsframe`
pub(super) fn walk(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let stack = call.shell.stack()?;
    for frame in &stack.frames {
        if let Some(pointer) = frame.fp.filter(|_| !frame.is_inlined) {
            writeln!(call.output, "{pointer:x}")?;
        }
    }
    Ok(Outcome::Done)
}

fn write(call: &mut Call<'_>, session: &Session, frames: &[Frame]) -> anyhow::Result<()> {
    let all = call.options.has('a');
    let verbose = call.options.has('v') || call.options.value('p').is_some();
    let lines = call.options.number('n')?.unwrap_or(5);
    let wanted = call.options.value('f').map(str::to_owned);
    let property = call.options.value('p').map(str::to_owned);
    for frame in frames {
        let javascript = frame
            .function
            .as_ref()
            .filter(|_| frame.kind.is_javascript());
        if let Some(wanted) = &wanted
            && javascript.is_none_or(|function| function.name != *wanted)
        {
            continue;
        }
        let out = &mut *call.output;
        if all {
            let pointer = frame.fp.unwrap_or(frame.sp);
            match javascript {
                Some(function) => {
                    let closure = function.closure.map(bare).unwrap_or_default();
                    let name = function_name(&function.name);
                    writeln!(
                        out,
                        "{pointer:x} 0x{:x} {name} (JSFunction: {closure})",
                        frame.pc
                    )?;
                }
                None if is_internal(frame) => {
                    writeln!(
                        out,
                        "{pointer:x} 0x{:x} <{}Frame>",
                        frame.pc,
                        camel(frame.kind.name())
                    )?;
                }
                None => writeln!(out, "{pointer:x} {}", native_text(frame))?,
            }
        } else {
            match javascript {
                Some(function) if property.is_none() => {
                    writeln!(out, "js:     {}", function_name(&function.name))?;
                }
                Some(_) => {}
                None if is_internal(frame) => writeln!(out, "        (1 internal frame elided)")?,
                None => writeln!(out, "native: {}", native_text(frame))?,
            }
        }
        if let Some(function) = javascript.filter(|_| verbose) {
            details(call, session, function, property.as_deref(), lines)?;
        }
    }
    Ok(())
}

/// File, position, `this`, arguments and source of a JavaScript frame, or one of them.
fn details(
    call: &mut Call<'_>,
    session: &Session,
    function: &JsFunction,
    property: Option<&str>,
    lines: usize,
) -> anyhow::Result<()> {
    let objects = &session.objects;
    let mut facts = Vec::new();
    if let Some(location) = &function.location {
        facts.push(("file".to_owned(), location.file.clone()));
        facts.push((
            "posn".to_owned(),
            match location.line_column {
                Some((line, _)) => format!("line {line}"),
                None => format!("position {}", location.position),
            },
        ));
    }
    let values = function
        .receiver
        .iter()
        .map(|this| ("this".to_owned(), *this));
    let arguments = function.arguments.iter().flatten().enumerate();
    let arguments = arguments.map(|(index, value)| (format!("arg{}", index + 1), *value));
    for (name, word) in values.chain(arguments) {
        facts.push((name, format!("{:x} ({})", word.0, kind(objects, word))));
    }
    for (name, value) in facts {
        match property {
            Some(wanted) if wanted != name => {}
            Some(_) => writeln!(call.output, "{value}")?,
            None => writeln!(call.output, "          {name}: {value}")?,
        }
    }
    if property.is_none()
        && lines > 0
        && let (Some(script), Some(location)) = (function.script, &function.location)
        && let Some((line, _)) = location.line_column
    {
        writeln!(call.output)?;
        for (number, text) in source_lines(objects, script, line, lines)? {
            let mark = if number == line { ">" } else { " " };
            writeln!(call.output, "        {mark}{number:>5} {text}")?;
        }
        writeln!(call.output)?;
    }
    Ok(())
}

fn camel(name: &str) -> String {
    name.split(' ')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.map(String::from).unwrap_or_default() + letters.as_str()
        })
        .collect()
}
