//! The selected thread and frame: what `thread select` and `frame select` change.

use std::rc::Rc;

use anyhow::Context;
use v8mini_format::model::Thread;

use super::Shell;
use crate::commands::Session;
use crate::stack::{Frame, FrameKind, MAX_FRAMES, NativeFunction, Stack, demangle, unwind};

/// The selected thread and frame.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The thread's place among those of the process; the first is the main thread.
    pub(super) thread: usize,
    /// The frame's place on the stack, from the innermost.
    pub(super) frame: usize,
    /// The lines that `source list` shows next: first line, and of which frame.
    pub(super) next_line: Option<(usize, u64)>,
    /// The stack of the thread, once it was walked.
    stack: Option<(usize, Rc<Stack>)>,
}

impl Selection {
    /// The innermost frame of a thread.
    pub(super) fn of_thread(thread: usize) -> Self {
        Self {
            thread,
            ..Self::default()
        }
    }
}

impl Shell {
    /// The selected thread.
    ///
    /// # Errors
    /// If the capture has none.
    pub(super) fn thread<'a>(&self, session: &'a Session) -> anyhow::Result<&'a Thread> {
        let threads = &session.objects.image().metadata.threads;
        threads
            .get(self.selection.thread)
            .context("there is no thread: the capture has none")
    }

    /// The stack of the selected thread.
    ///
    /// # Errors
    /// If the capture has no threads.
    pub(super) fn stack(&mut self) -> anyhow::Result<Rc<Stack>> {
        let session = Rc::clone(&self.session);
        let number = self.selection.thread;
        if let Some((known, stack)) = &self.selection.stack
            && *known == number
        {
            return Ok(Rc::clone(stack));
        }
        let stack = Rc::new(unwind(&session.objects, self.thread(&session)?, MAX_FRAMES));
        self.selection.stack = Some((number, Rc::clone(&stack)));
        Ok(stack)
    }
}

/// `node`v8::Function::Call(…) + 258`, as lldb has it.
pub(super) fn native_text(frame: &Frame) -> String {
    let unknown = || "<unknown>".to_owned();
    let Some(NativeFunction {
        symbol,
        offset,
        module,
    }) = &frame.native
    else {
        return unknown();
    };
    let module = module.rsplit('/').next().unwrap_or_default();
    let name = match symbol {
        Some(symbol) => format!("{} + {offset}", demangle(symbol)),
        None => unknown(),
    };
    if module.is_empty() {
        name
    } else {
        format!("{module}`{name}")
    }
}

/// Whether a frame belongs to V8 itself: between JavaScript and C++.
pub(super) fn is_internal(frame: &Frame) -> bool {
    matches!(frame.kind, FrameKind::Typed(_) | FrameKind::Unknown)
}
