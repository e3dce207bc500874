//! `::jsfunction`, `::jsclosure`, `::jssource`, `::jsconstructor`.

use std::io::Write;

use anyhow::{Context, bail};

use super::super::spelling::Call;
use super::jsprint::{DEPTH, Printer, bare, function_name};
use crate::commands::Outcome;
use crate::v8::{Address, Kind, Objects, Tagged};

/// Lines around a function's source.
const LINES: u64 = 5;

/// `::jsconstructor`
pub(super) fn jsconstructor(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let object = call.target_object()?;
    let session = call.session();
    let map = session.objects.map_of(object)?;
    let name = session
        .objects
        .class_name(&map)
        .unwrap_or_else(|| "<unknown>".to_owned());
    match session
        .objects
        .constructor(&map)
        .filter(|_| call.options.has('v'))
    {
        Some(constructor) => writeln!(call.output, "{name} (JSFunction: {})", bare(constructor))?,
        None => writeln!(call.output, "{name}")?,
    }
    Ok(session.outcome_without_walk())
}

/// `::jsfunction`
pub(super) fn jsfunction(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let function = call.target_object()?;
    let session = call.session();
    let objects = &session.objects;
    let out = &mut *call.output;
    let map = objects.map_of(function)?;
    if objects.kind_of(function, &map) == Kind::BoundFunction {
        let bound = objects.read_bound_function(function)?;
        let address = |word: Tagged| format!("{:x}", word.0);
        writeln!(out, "bound function that wraps: {}", address(bound.target))?;
        writeln!(
            out,
            "with \"this\" = {} ({})",
            address(bound.this),
            kind(objects, bound.this)
        )?;
        for (index, argument) in bound.arguments.iter().enumerate() {
            writeln!(
                out,
                "      arg{index}  = {} ({})",
                address(*argument),
                kind(objects, *argument)
            )?;
        }
        return Ok(session.outcome_without_walk());
    }
    let value = objects.read_function(function)?;
    writeln!(out, "function: {}", function_name(&value.name))?;
    match value.location {
        Some(location) => match location.line_column {
            Some((line, _)) => writeln!(out, "defined at {} line {line}", location.file)?,
            None => writeln!(
                out,
                "defined at {} position {}",
                location.file, location.position
            )?,
        },
        None => writeln!(out, "not defined in JavaScript")?,
    }
    Ok(session.outcome_without_walk())
}

/// What a value is, as mdb_v8 says it beside addresses: `JSObject: Foo`.
pub(super) fn kind(objects: &Objects, word: Tagged) -> String {
    let Some(object) = word.strong() else {
        return word
            .smi()
            .map_or_else(|| "?".to_owned(), |smi| format!("SMI: {smi}"));
    };
    let Ok(map) = objects.map_of(object) else {
        return "<unknown>".to_owned();
    };
    let class = super::jsprint::class_of(&objects.type_name(map.instance_type));
    match objects.kind_of(object, &map) {
        Kind::Object => format!(
            "JSObject: {}",
            objects
                .class_name(&map)
                .unwrap_or_else(|| "<anonymous>".to_owned())
        ),
        Kind::Oddball => objects.read_oddball(object).map_or(class, |oddball| {
            format!("Oddball: \"{oddball:?}\"").to_lowercase()
        }),
        _ => class,
    }
}

/// `::jsclosure`
pub(super) fn jsclosure(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let function = call.target_object()?;
    let session = call.session();
    let objects = &session.objects;
    let printer = Printer {
        depth: DEPTH,
        addresses: true,
    };
    let mut found = false;
    for scope in objects.closure_variables(function)? {
        for (name, value) in scope.variables {
            found = true;
            let text = printer.value(objects, value).replace('\n', "\n    ");
            writeln!(call.output, "    \"{name}\": {text}")?;
        }
    }
    Ok(if found {
        session.outcome_without_walk()
    } else {
        Outcome::NothingFound
    })
}

/// `::jssource`
pub(super) fn jssource(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let function = call.target_object()?;
    let around = call
        .options
        .number('n')?
        .map_or(LINES, |lines| lines as u64);
    let session = call.session();
    let objects = &session.objects;
    let Source {
        file,
        first,
        last,
        text,
    } = source_of(objects, function)?;
    writeln!(call.output, "file: {file}\n")?;
    let from = first.saturating_sub(around).max(1);
    let to = last.saturating_add(around);
    for (number, line) in (1..).zip(text.lines()) {
        if (from..=to).contains(&number) {
            writeln!(call.output, "{number:>5} {line}")?;
        }
    }
    Ok(session.outcome_without_walk())
}

/// So many lines of a script around one, with their numbers.
pub(super) fn source_lines(
    objects: &Objects,
    script: Address,
    line: u64,
    around: usize,
) -> anyhow::Result<Vec<(u64, String)>> {
    let Some(source) = objects.script_source(script, usize::MAX)? else {
        return Ok(Vec::new());
    };
    let around = around as u64;
    let wanted = line.saturating_sub(around)..=line.saturating_add(around);
    let text = source.to_text();
    let lines = (1..).zip(text.lines());
    Ok(lines
        .filter(|(number, _)| wanted.contains(number))
        .map(|(number, text)| (number, text.to_owned()))
        .collect())
}

struct Source {
    file: String,
    /// The function's lines, from 1.
    first: u64,
    last: u64,
    /// The whole script.
    text: String,
}

fn source_of(objects: &Objects, function: Address) -> anyhow::Result<Source> {
    let shared = objects.shared_function_info(function)?;
    let Some((start, end)) = objects.function_positions(shared)? else {
        bail!("{function} is not written in JavaScript");
    };
    let script = objects
        .function_script(shared)?
        .with_context(|| format!("{function} has no script"))?;
    let source = objects
        .script_source(script, usize::MAX)?
        .with_context(|| format!("the script of {function} has no source in the heap"))?;
    let line = |position: u64| {
        let before = source
            .units
            .get(..usize::try_from(position).unwrap_or(usize::MAX));
        let units = before.unwrap_or(&source.units).iter();
        1 + units.filter(|unit| **unit == u16::from(b'\n')).count() as u64
    };
    let file = objects
        .script_name(script)?
        .map_or_else(String::new, |name| name.to_text());
    Ok(Source {
        file,
        first: line(start),
        last: line(end),
        text: source.to_text(),
    })
}
