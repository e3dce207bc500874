//! Stacks: where each thread was, JavaScript and native frames in one order.
//!
//! The walk goes from frame to frame by two means. Native code says by the rows that the capture keeps of its call-frame tables
//! how to reach its caller; whatever V8 generates keeps a chain of frame pointers. What lies in a frame of V8 is told by the
//! frame itself: a marker or a function, and by the code that it runs.

mod baseline;
mod code;
mod frame;
mod inlined;
mod js_frame;
mod native;
mod positions;
mod processor;
mod registers;
mod suspended;
mod symbol;
mod thread;
mod walk;

pub use frame::{Frame, FrameKind, JsFunction, NativeFunction, Stack, StackEnd};
pub use suspended::{Suspended, suspended};
pub use symbol::demangle;
pub use thread::{ThreadKind, kind_of_thread, serves_io_uring};

use v8mini_format::model::Thread;

use crate::v8::Objects;

/// Most frames of one stack. V8's own limit of 1 MB of stack is reached after some ten thousand.
pub const MAX_FRAMES: usize = 1 << 20;

/// The stack of a thread, innermost frame first. At most `limit` physical frames are walked.
pub fn unwind(objects: &Objects, thread: &Thread, limit: usize) -> Stack {
    walk::Walker::new(objects, thread).walk(limit.min(MAX_FRAMES))
}
