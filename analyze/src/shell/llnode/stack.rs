//! `v8 bt`, `v8 source list`, and lldb's `thread` and `frame`.

use std::io::Write;

use anyhow::{Context, bail};

use super::super::frames::{Selection, native_text};
use super::super::options::{Flag, letter_with_value};
use super::super::spelling::Call;
use super::Format;
use crate::commands::{Outcome, Session};
use crate::stack::{Frame, FrameKind, JsFunction};
use crate::v8::{PropertyValue, Tagged};

/// Lines that `v8 source list` shows, as llnode does.
const LINES: usize = 4;

/// Options of `v8 source list`.
pub(super) const SOURCE: &[Flag] = &[letter_with_value('l')];

/// `v8 bt`
pub(super) fn bt(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let limit = match call.options.rest.first() {
        None => usize::MAX,
        Some(number) => number
            .parse()
            .ok()
            .with_context(|| format!("Invalid number of frames: '{number}'"))?,
    };
    let session = call.session();
    let stack = call.shell.stack()?;
    let thread = call.shell.thread(&session)?;
    let selection = &call.shell.selection;
    let first = stack.frames.first().map_or_else(String::new, |frame| {
        format!(", 0x{:016x} {}", frame.pc, native_text(frame))
    });
    writeln!(
        call.output,
        " * thread #{}: tid = {}{first}, name = '{}'",
        selection.thread + 1,
        thread.tid,
        thread.name
    )?;
    for (number, frame) in stack.frames.iter().enumerate().take(limit) {
        let star = if number == selection.frame { '*' } else { ' ' };
        writeln!(
            call.output,
            "  {star} frame #{number}: 0x{:016x} {}",
            frame.pc,
            text(&session, frame)
        )?;
    }
    for problem in &stack.problems {
        anstream::eprintln!("{problem}");
    }
    Ok(if stack.frames.is_empty() {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

/// A frame as llnode has it, without its number and address.
fn text(session: &Session, frame: &Frame) -> String {
    if let Some(function) = frame
        .function
        .as_ref()
        .filter(|_| frame.kind.is_javascript())
    {
        return javascript(session, frame, function);
    }
    match &frame.kind {
        FrameKind::Typed(name) => match name.as_str() {
            "construct" => "<constructor>".to_owned(),
            "construct entry" => "<entry_construct>".to_owned(),
            "arguments adaptor" => "<adaptor>".to_owned(),
            name => format!("<{name}>"),
        },
        FrameKind::Builtin if frame.native.is_none() => match &frame.function {
            Some(function) => format!("<builtin: {}>", function.name),
            None => "<builtin>".to_owned(),
        },
        _ => native_text(frame),
    }
}

fn javascript(session: &Session, frame: &Frame, function: &JsFunction) -> String {
    let objects = &session.objects;
    let format = Format::default();
    let value = |word: Tagged| format.value(objects, PropertyValue::Tagged(word));
    let mut arguments = Vec::new();
    arguments.extend(
        function
            .receiver
            .map(|this| format!("this={}", value(this))),
    );
    for argument in function.arguments.iter().flatten() {
        arguments.push(value(*argument));
    }
    let place = function
        .location
        .as_ref()
        .map_or_else(|| "(no script)".to_owned(), ToString::to_string);
    let closure = function.closure.map_or_else(String::new, |closure| {
        format!(" fn=0x{:016x}", closure.0 | 1)
    });
    let inlined = if frame.is_inlined { " (inlined)" } else { "" };
    let name = if function.name.is_empty() {
        "(anonymous)"
    } else {
        &function.name
    };
    format!(
        "{name}({}) at {place}{inlined}{closure}",
        arguments.join(", ")
    )
}

/// `v8 source list`
pub(super) fn source_list(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let stack = call.shell.stack()?;
    let number = call.shell.selection.frame;
    let frame = stack
        .frames
        .get(number)
        .with_context(|| format!("there is no frame #{number}"))?;
    let Some(function) = frame.function.as_ref() else {
        bail!(
            "frame #{number} is {}, which has no source: `frame select` one of JavaScript",
            text(&session, frame)
        );
    };
    let (Some(script), Some(location)) = (function.script, &function.location) else {
        bail!("the function of frame #{number} has no script");
    };
    let source = session
        .objects
        .script_source(script, usize::MAX)?
        .context("the source of the script is not in the heap")?
        .to_text();
    let at = location.line_column.map_or(1, |(line, _)| line);
    let first = match (call.options.number('l')?, call.shell.selection.next_line) {
        (Some(line), _) => (line as u64).max(1),
        (None, Some((frame, line))) if frame == number => line,
        // The line that is being executed, and one before it.
        (None, _) => at.saturating_sub(1).max(1),
    };
    let skip = usize::try_from(first - 1).unwrap_or(usize::MAX);
    let mut shown = 0;
    for (line, text) in (first..).zip(source.lines().skip(skip)).take(LINES) {
        writeln!(call.output, "  {line} {text}")?;
        shown += 1;
    }
    call.shell.selection.next_line = Some((number, first + shown));
    Ok(if shown == 0 {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

/// `frame select`
pub(super) fn frame_select(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let number = number(call, "frame select N")?;
    let session = call.session();
    let stack = call.shell.stack()?;
    let Some(frame) = stack.frames.get(number) else {
        bail!(
            "there is no frame #{number}: the stack has {}",
            stack.frames.len()
        );
    };
    call.shell.selection.frame = number;
    call.shell.selection.next_line = None;
    if let Some(closure) = frame
        .function
        .as_ref()
        .and_then(|function| function.closure)
    {
        call.shell.results.ask(closure);
    }
    writeln!(
        call.output,
        "frame #{number}: 0x{:016x} {}",
        frame.pc,
        text(&session, frame)
    )?;
    Ok(session.outcome_without_walk())
}

/// `thread select`, by the number that `thread list` shows, from 1
pub(super) fn thread_select(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let number = number(call, "thread select N")?;
    let threads = call.session().objects.image().metadata.threads.len();
    if number == 0 || number > threads {
        bail!("there is no thread #{number}: there are 1 to {threads}");
    }
    call.shell.selection = Selection::of_thread(number - 1);
    thread_list(call)
}

/// `thread list`
pub(super) fn thread_list(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let threads = &session.objects.image().metadata.threads;
    writeln!(
        call.output,
        "Process {} stopped",
        session.objects.image().metadata.process.pid
    )?;
    for (number, thread) in threads.iter().enumerate() {
        let star = if number == call.shell.selection.thread {
            '*'
        } else {
            ' '
        };
        writeln!(
            call.output,
            "{star} thread #{}: tid = {}, 0x{:016x}, name = '{}'",
            number + 1,
            thread.tid,
            thread
                .register("rip")
                .or_else(|| thread.register("pc"))
                .unwrap_or(0),
            thread.name
        )?;
    }
    Ok(if threads.is_empty() {
        Outcome::NothingFound
    } else {
        Outcome::Done
    })
}

fn number(call: &Call<'_>, usage: &str) -> anyhow::Result<usize> {
    let word = call
        .options
        .rest
        .first()
        .with_context(|| usage.to_owned())?;
    word.parse()
        .with_context(|| format!("'{word}' is no number: {usage}"))
}
