//! Stacks as JSON.

use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::Thread;

use super::Bt;
use super::text::source_line;
use super::value::short_value;
use super::waiting::Waiting;
use crate::commands::schema::Hex;
use crate::stack::{Frame, Stack, StackEnd, ThreadKind, demangle, kind_of_thread};
use crate::v8::{Objects, Tagged};

#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Report {
    pub(super) threads: Vec<ThreadReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ThreadReport {
    tid: u32,
    name: String,
    /// `main`, `worker` or `native`.
    kind: &'static str,
    /// Number of the worker, from 1.
    worker: Option<usize>,
    state: String,
    #[schemars(with = "Option<Hex>")]
    isolate: Option<String>,
    /// Whether the stack was followed to its end.
    complete: bool,
    problems: Vec<String>,
    frames: Vec<FrameReport>,
    /// What it waits for, for --async.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
}

#[derive(Serialize, JsonSchema)]
struct FrameReport {
    index: usize,
    kind: String,
    #[schemars(with = "Hex")]
    pc: String,
    #[schemars(with = "Hex")]
    sp: String,
    #[schemars(with = "Option<Hex>")]
    fp: Option<String>,
    is_inlined: bool,
    is_construct: bool,
    is_guess: bool,
    function: Option<FunctionReport>,
    native: Option<NativeReport>,
}

#[derive(Serialize, JsonSchema)]
struct FunctionReport {
    name: String,
    #[schemars(with = "Option<Hex>")]
    closure: Option<String>,
    #[schemars(with = "Hex")]
    shared: String,
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    /// Whether line and column are those of the call in progress, and not of the function.
    is_exact: bool,
    receiver: Option<String>,
    arguments: Option<Vec<String>>,
    source: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct NativeReport {
    symbol: Option<String>,
    /// As C++ writes it.
    name: Option<String>,
    offset: u64,
    module: String,
}

impl Bt {
    pub(super) fn report(
        &self,
        objects: &Objects,
        thread: &Thread,
        stack: &Stack,
        waiting: Option<Waiting>,
    ) -> ThreadReport {
        let (kind, worker) = match kind_of_thread(&objects.image().metadata, thread) {
            ThreadKind::Main => ("main", None),
            ThreadKind::Worker(number) => ("worker", Some(number)),
            ThreadKind::Native => ("native", None),
        };
        ThreadReport {
            tid: thread.tid,
            name: thread.name.clone(),
            kind,
            worker,
            state: thread.state.to_string(),
            isolate: (thread.isolate != 0).then(|| hex(thread.isolate)),
            complete: stack.end == StackEnd::Complete,
            problems: stack.problems.clone(),
            frames: stack
                .frames
                .iter()
                .enumerate()
                .map(|(index, frame)| self.frame_report(objects, index, frame))
                .collect(),
            waiting,
        }
    }

    fn frame_report(&self, objects: &Objects, index: usize, frame: &Frame) -> FrameReport {
        let function = frame.function.as_ref().map(|function| {
            let location = function.location.as_ref();
            let line_column = location.and_then(|location| location.line_column);
            let value = |word: &Tagged| short_value(objects, *word);
            FunctionReport {
                name: function.name.clone(),
                closure: function.closure.map(|closure| closure.to_string()),
                shared: function.shared.to_string(),
                file: location.map(|location| location.file.clone()),
                line: line_column.map(|(line, _)| line),
                column: line_column.map(|(_, column)| column),
                is_exact: function.is_exact,
                receiver: function.receiver.as_ref().filter(|_| self.args).map(value),
                arguments: function
                    .arguments
                    .as_ref()
                    .filter(|_| self.args)
                    .map(|arguments| arguments.iter().map(value).collect()),
                source: self
                    .source
                    .then(|| source_line(objects, function))
                    .flatten(),
            }
        });
        FrameReport {
            index,
            kind: frame.kind.name().to_owned(),
            pc: hex(frame.pc),
            sp: hex(frame.sp),
            fp: frame.fp.map(hex),
            is_inlined: frame.is_inlined,
            is_construct: frame.is_construct,
            is_guess: frame.is_guess,
            function,
            native: frame.native.as_ref().map(|native| NativeReport {
                symbol: native.symbol.clone(),
                name: native.symbol.as_deref().map(demangle),
                offset: native.offset,
                module: native.module.clone(),
            }),
        }
    }
}

fn hex(address: u64) -> String {
    format!("{address:#x}")
}
