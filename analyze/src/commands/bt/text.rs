//! Frames as text.

use super::value::short_value;
use crate::stack::{Frame, FrameKind, JsFunction, demangle};
use crate::v8::{Address, Objects};

/// Longest line of source that is shown, in characters.
const MAX_LINE: usize = 200;

/// A frame in one line, in the columns of llnode.
pub(in crate::commands) fn frame_line(
    objects: &Objects,
    index: usize,
    frame: &Frame,
    args: bool,
) -> String {
    let what = match &frame.function {
        Some(function) => function_text(objects, frame, function, args),
        None => native_text(frame),
    };
    let guess = if frame.is_guess {
        " (found by scanning)"
    } else {
        ""
    };
    format!("    frame #{index}: {:#018x} {what}{guess}", frame.pc)
}

fn function_text(objects: &Objects, frame: &Frame, function: &JsFunction, args: bool) -> String {
    let mut text = String::new();
    if frame.is_construct {
        text.push_str("new ");
    }
    text.push_str(match function.name.as_str() {
        "" => "(anonymous)",
        name => name,
    });
    if args {
        let mut parts = Vec::new();
        if let Some(receiver) = function.receiver {
            parts.push(format!("this={}", short_value(objects, receiver)));
        }
        match &function.arguments {
            Some(arguments) => {
                parts.extend(arguments.iter().map(|word| short_value(objects, *word)));
            }
            None => parts.push("…".to_owned()),
        }
        text.push_str(&format!("({})", parts.join(", ")));
    }
    match &function.location {
        Some(location) if function.is_exact => text.push_str(&format!(" at {location}")),
        Some(location) => text.push_str(&format!(" in the function at {location}")),
        None => text.push_str(" at <internal>"),
    }
    if let Some(closure) = function.closure {
        text.push_str(&format!(" fn={closure}"));
    }
    let kind = frame.kind.name();
    if frame.is_inlined {
        format!("{text} [{kind}, inlined]")
    } else {
        format!("{text} [{kind}]")
    }
}

fn native_text(frame: &Frame) -> String {
    let native = frame.native.as_ref();
    let symbol = native
        .and_then(|native| native.symbol.as_deref())
        .map(demangle);
    let place = match (symbol, native) {
        (Some(symbol), Some(native)) => {
            let file = native.module.rsplit('/').next().unwrap_or_default();
            format!("{symbol} + {} in {file}", native.offset)
        }
        (None, Some(native)) if !native.module.is_empty() => format!("??? in {}", native.module),
        _ => String::new(),
    };
    let kind = match &frame.kind {
        FrameKind::Native => String::new(),
        kind => format!("<{}> ", kind.name()),
    };
    let text = format!("{kind}{place}");
    if text.is_empty() {
        "???".to_owned()
    } else {
        text.trim_end().to_owned()
    }
}

/// The line of the source that a function is at, if the source is in the image.
pub(super) fn source_line(objects: &Objects, function: &JsFunction) -> Option<String> {
    let (line, _) = function.location.as_ref()?.line_column?;
    let script: Address = function.script?;
    let text = objects.script_line(script, line).ok()??;
    Some(text.chars().take(MAX_LINE).collect())
}
