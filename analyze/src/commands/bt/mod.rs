//! `v8mini bt`: where each thread was.

mod report;
mod step;
pub(super) mod text;
pub(super) mod value;
mod waiting;

use std::io::Write;

use anyhow::{Context, bail};
use clap::Args;
use v8mini_format::model::Thread;

use super::file::InputArgs;
use super::output::{DIM, HEADING, Outcome, Output, WARNING};
use super::session::{Query, Session};
use crate::stack::{
    Frame, FrameKind, Stack, StackEnd, ThreadKind, kind_of_thread, serves_io_uring, unwind,
};
use crate::v8::Objects;
pub(super) use report::Report;
use text::{frame_line, source_line};
use waiting::Waiting;

/// So much of what a thread waits for is shown without `--async`.
const FEW: usize = 5;

/// Shows where threads were: the calls in progress, JavaScript and native ones in one order, innermost first.
///
/// The main thread and all workers are shown, unless one thread is chosen; functions that a compiler has inlined into others
/// have lines of their own. Frames of C, C++ and of V8's own are left out unless --native asks for them. Of a thread that does nothing,
/// what it waits for is shown: the next timers, and which functions pending promises let go on, as `at async` in stack traces.
#[derive(Debug, Args)]
pub(super) struct Bt {
    #[command(flatten)]
    input: InputArgs,

    /// Show this thread only, whatever it runs.
    #[arg(long, short = 't', value_name = "TID", conflicts_with = "all")]
    thread: Option<u32>,

    /// Show all threads, those without JavaScript too.
    #[arg(long)]
    all: bool,

    /// Show `this` and the arguments of functions.
    #[arg(long, short = 'a')]
    args: bool,

    /// Show the line of the source that each function is at.
    #[arg(long, short = 's')]
    source: bool,

    /// Show native frames, and those of V8's own.
    #[arg(long)]
    native: bool,

    /// Show all that threads wait for, whatever they do, in the order in which it will run: `process.nextTick`, microtasks, immediates,
    /// timers, and what pending promises let run.
    #[arg(long = "async")]
    asynchronous: bool,

    /// Show so many frames of a stack; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 0)]
    limit: usize,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Query for Bt {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let objects = &session.objects;
        let threads = self.threads(objects)?;
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let mut complete = true;
        let mut reports = Vec::new();
        for (number, thread) in threads.into_iter().enumerate() {
            let mut stack = unwind(objects, thread, usize::MAX);
            complete &= stack.end != StackEnd::Lost;
            let waiting = self.waiting(session, thread, &stack);
            if !self.shows_native(thread, objects) {
                stack.frames.retain(is_of_the_program);
            }
            let hidden = stack.frames.len().saturating_sub(limit);
            stack.frames.truncate(limit);
            if self.json {
                reports.push(self.report(objects, thread, &stack, waiting));
            } else {
                if number > 0 {
                    writeln!(output)?;
                }
                self.text(objects, thread, &stack, hidden, output)?;
                if waiting.is_none() && stack.frames.is_empty() && !serves_io_uring(thread) {
                    writeln!(output, "    {DIM}--async shows what it waits for{DIM:#}")?;
                }
                if let Some(waiting) = waiting {
                    waiting.write(output)?;
                }
            }
        }
        if self.json {
            output.json(&Report { threads: reports })?;
        }
        Ok(if complete {
            session.outcome_without_walk()
        } else {
            Outcome::Incomplete
        })
    }
}

/// Whether a frame is shown without `--native`: what the program itself called.
pub(super) fn is_of_the_program(frame: &Frame) -> bool {
    frame.function.is_some()
        || matches!(&frame.kind, FrameKind::Typed(name) if name.starts_with("wasm"))
}

impl Bt {
    fn threads<'a>(&self, objects: &'a Objects) -> anyhow::Result<Vec<&'a Thread>> {
        let metadata = &objects.image().metadata;
        if let Some(tid) = self.thread {
            let found = metadata.threads.iter().find(|thread| thread.tid == tid);
            let thread = found.with_context(|| {
                let known: Vec<String> = metadata
                    .threads
                    .iter()
                    .map(|thread| thread.tid.to_string())
                    .collect();
                format!("there is no thread {tid}; there are {}", known.join(", "))
            })?;
            return Ok(vec![thread]);
        }
        let threads: Vec<&Thread> = metadata
            .threads
            .iter()
            .filter(|thread| self.all || kind_of_thread(metadata, thread) != ThreadKind::Native)
            .collect();
        if threads.is_empty() {
            bail!("the image holds no thread");
        }
        Ok(threads)
    }

    /// What a thread waits for, if that is to be shown.
    fn waiting(&self, session: &Session, thread: &Thread, stack: &Stack) -> Option<Waiting> {
        if self.asynchronous {
            return Waiting::of(session, thread, stack, usize::MAX);
        }
        let is_idle =
            stack.end == StackEnd::Complete && !stack.frames.iter().any(is_of_the_program);
        let is_shown = is_idle && !self.json && Waiting::is_cheap(session, thread);
        is_shown
            .then(|| Waiting::of(session, thread, stack, FEW))
            .flatten()
    }

    /// Native frames are all that a native thread has.
    fn shows_native(&self, thread: &Thread, objects: &Objects) -> bool {
        self.native || kind_of_thread(&objects.image().metadata, thread) == ThreadKind::Native
    }

    fn text(
        &self,
        objects: &Objects,
        thread: &Thread,
        stack: &Stack,
        hidden: usize,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let kind = match kind_of_thread(&objects.image().metadata, thread) {
            ThreadKind::Main => "main thread".to_owned(),
            ThreadKind::Worker(number) => format!("worker {number}"),
            ThreadKind::Native => "native thread".to_owned(),
        };
        writeln!(
            output,
            "{HEADING}* thread {}: {kind}{HEADING:#}{}, state {}",
            thread.tid,
            if thread.name.is_empty() {
                String::new()
            } else {
                format!(" '{}'", thread.name)
            },
            thread.state
        )?;
        if serves_io_uring(thread) {
            writeln!(
                output,
                "    {DIM}a thread of the kernel, for io_uring: it runs no code of the process{DIM:#}"
            )?;
        } else if stack.frames.is_empty() {
            writeln!(
                output,
                "    {DIM}no JavaScript in progress; --native shows native frames{DIM:#}"
            )?;
        }
        for (index, frame) in stack.frames.iter().enumerate() {
            writeln!(output, "{}", frame_line(objects, index, frame, self.args))?;
            if self.source
                && let Some(line) = frame
                    .function
                    .as_ref()
                    .and_then(|f| source_line(objects, f))
            {
                writeln!(output, "        {DIM}{}{DIM:#}", line.trim())?;
            }
        }
        if hidden > 0 {
            writeln!(
                output,
                "    {DIM}… {hidden} more frames; -n 0 shows all{DIM:#}"
            )?;
        }
        for problem in &stack.problems {
            writeln!(output, "    {WARNING}warning:{WARNING:#} {problem}")?;
        }
        if stack.end == StackEnd::Lost {
            writeln!(
                output,
                "    {WARNING}the stack goes on, but nothing says where{WARNING:#}"
            )?;
        }
        Ok(())
    }
}
