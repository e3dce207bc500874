//! What the threads of a process are for.

use v8mini_format::model::{Metadata, Thread};

/// What a thread is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThreadKind {
    /// The first thread of the process.
    Main,
    /// A worker of `worker_threads`: the number of its isolate among those of the process, from 1.
    Worker(usize),
    /// A thread without an isolate: of the platform, of libuv, of an addon.
    Native,
}

/// What a thread is for.
pub fn kind_of_thread(metadata: &Metadata, thread: &Thread) -> ThreadKind {
    if metadata
        .threads
        .first()
        .is_some_and(|main| main.tid == thread.tid)
    {
        return ThreadKind::Main;
    }
    // Threads of the kernel that serve io_uring come with the registers, and so the isolate, of the thread that they were made by.
    let own = |isolate: &v8mini_format::model::Isolate| {
        let is_known = metadata
            .threads
            .iter()
            .any(|other| other.tid == isolate.tid);
        match is_known {
            true => isolate.tid == thread.tid,
            false => isolate.address != 0 && isolate.address == thread.isolate,
        }
    };
    match metadata.isolates.iter().position(own) {
        Some(number) => ThreadKind::Worker(number),
        None => ThreadKind::Native,
    }
}

/// Whether a thread is the kernel's own, for io_uring (`iou-sqp-PID`, `iou-wrk-PID`; Linux 5.12 and later): it is listed with the threads of the
/// process, but runs no code of it, and the registers that debuggers are told begin at 0.
pub fn serves_io_uring(thread: &Thread) -> bool {
    let pc = thread.register("rip").or_else(|| thread.register("pc"));
    let is_named = ["iou-sqp-", "iou-wrk-"]
        .iter()
        .any(|prefix| thread.name.starts_with(prefix));
    is_named && pc == Some(0)
}
