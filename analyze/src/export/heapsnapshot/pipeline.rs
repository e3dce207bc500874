//! Pieces of work that all cores share, though two of the steps of a piece must follow those of the piece before.
//!
//! Each piece is made, numbered, formatted and written: making and formatting may happen to several at a time and in any order,
//! numbering and writing happen to one after the other. Whoever is idle takes what is furthest along, so no core waits for
//! another that has a large piece, until too many pieces are under way.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// So many pieces may be under way for each thread: a bound of the memory that they take.
const UNDER_WAY: usize = 8;

/// The steps of a piece.
pub(super) struct Steps<Make, Number, Format, Write> {
    /// Makes a piece by its place in the order.
    pub(super) make: Make,
    /// What must be done to the pieces in order, before they are formatted.
    pub(super) number: Number,
    /// What can be done to several at a time.
    pub(super) format: Format,
    /// What must be done in order at last.
    pub(super) write: Write,
}

/// How far the pieces are.
struct State<A, B, C> {
    /// The first piece that nobody has begun.
    next: usize,
    made: BTreeMap<usize, A>,
    /// The piece that is numbered next, and whether one is at work on it.
    to_number: usize,
    is_numbering: bool,
    numbered: BTreeMap<usize, B>,
    formatted: BTreeMap<usize, C>,
    /// The piece that is written next, and whether one is at work on it.
    to_write: usize,
    is_writing: bool,
    /// Whether nobody goes on: a step has failed, or panicked.
    is_stopped: bool,
    error: Option<io::Error>,
}

/// The next step of some piece.
enum Task<A, B, C> {
    Make(usize),
    Number(usize, A),
    Format(usize, B),
    Write(C),
}

impl<A, B, C> State<A, B, C> {
    /// The step that is furthest along, if there is one that need not wait.
    fn task(&mut self, count: usize, window: usize) -> Option<Task<A, B, C>> {
        if !self.is_writing
            && let Some(text) = self.formatted.remove(&self.to_write)
        {
            self.is_writing = true;
            return Some(Task::Write(text));
        }
        if !self.is_numbering
            && let Some(piece) = self.made.remove(&self.to_number)
        {
            self.is_numbering = true;
            return Some(Task::Number(self.to_number, piece));
        }
        if let Some((at, piece)) = self.numbered.pop_first() {
            return Some(Task::Format(at, piece));
        }
        (self.next < count && self.next < self.to_write + window).then(|| {
            self.next += 1;
            Task::Make(self.next - 1)
        })
    }
}

struct Shared<A, B, C> {
    state: Mutex<State<A, B, C>>,
    changed: Condvar,
    count: usize,
    window: usize,
}

impl<A, B, C> Shared<A, B, C> {
    fn lock(&self) -> MutexGuard<'_, State<A, B, C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<A, B, C>)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn stop(&self, error: Option<io::Error>) {
        self.change(|state| {
            state.is_stopped = true;
            state.error = state.error.take().or(error);
        });
    }

    /// The next step, once there is one; `None` when all is done.
    fn wait_for_task(&self) -> Option<Task<A, B, C>> {
        let mut state = self.lock();
        loop {
            if state.is_stopped || state.to_write == self.count {
                return None;
            }
            if let Some(task) = state.task(self.count, self.window) {
                return Some(task);
            }
            let changed = self.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many pieces are written, once they are more than `known`; `None` when there will be no more.
    fn wait_for_written(&self, known: usize) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.is_stopped || known == self.count {
                return None;
            }
            if state.to_write > known {
                return Some(state.to_write);
            }
            let changed = self.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Has the others stop, too, if this thread panics: they would wait for its piece forever.
struct StopOnPanic<'s, A, B, C>(&'s Shared<A, B, C>);

impl<A, B, C> Drop for StopOnPanic<'_, A, B, C> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop(None);
        }
    }
}

/// Does all steps of `count` pieces on so many threads. `progress` is told how many are done, on the thread of the caller.
///
/// # Errors
/// The first that a step has met, after which no other step begins.
pub(super) fn run<A: Send, B: Send, C: Send>(
    count: usize,
    threads: usize,
    steps: Steps<
        impl Fn(usize) -> A + Sync,
        impl FnMut(A) -> io::Result<B> + Send,
        impl Fn(B) -> C + Sync,
        impl FnMut(C) -> io::Result<()> + Send,
    >,
    mut progress: impl FnMut(usize),
) -> io::Result<()> {
    let threads = threads.max(1);
    let Steps {
        make,
        number,
        format,
        write,
    } = steps;
    // One thread at a time is at each of these, which the state sees to.
    let (number, write) = (Mutex::new(number), Mutex::new(write));
    let shared = Shared {
        state: Mutex::new(State {
            next: 0,
            made: BTreeMap::new(),
            to_number: 0,
            is_numbering: false,
            numbered: BTreeMap::new(),
            formatted: BTreeMap::new(),
            to_write: 0,
            is_writing: false,
            is_stopped: false,
            error: None,
        }),
        changed: Condvar::new(),
        count,
        window: threads * UNDER_WAY,
    };
    let step = |task| -> io::Result<()> {
        match task {
            Task::Make(at) => {
                let piece = make(at);
                shared.change(|state| {
                    state.made.insert(at, piece);
                });
            }
            Task::Number(at, piece) => {
                let piece = number.lock().unwrap_or_else(PoisonError::into_inner)(piece)?;
                shared.change(|state| {
                    state.numbered.insert(at, piece);
                    state.to_number += 1;
                    state.is_numbering = false;
                });
            }
            Task::Format(at, piece) => {
                let text = format(piece);
                shared.change(|state| {
                    state.formatted.insert(at, text);
                });
            }
            Task::Write(text) => {
                write.lock().unwrap_or_else(PoisonError::into_inner)(text)?;
                shared.change(|state| {
                    state.to_write += 1;
                    state.is_writing = false;
                });
            }
        }
        Ok(())
    };
    let work = || {
        let _guard = StopOnPanic(&shared);
        while let Some(task) = shared.wait_for_task() {
            if let Err(error) = step(task) {
                shared.stop(Some(error));
            }
        }
    };
    let have_panicked = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut done = 0;
        while let Some(written) = shared.wait_for_written(done) {
            done = written;
            progress(done);
        }
        let ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ended.filter(Result::is_err).count() > 0
    });
    match shared.lock().error.take() {
        Some(error) => Err(error),
        None if have_panicked => Err(io::Error::other("a thread that writes panicked")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Numbers and writes pieces some of which take long; returns what was written, and what was numbered.
    fn run_all(count: usize, fail_at: Option<usize>) -> (Vec<usize>, Vec<usize>, io::Result<()>) {
        let (mut written, mut numbered) = (Vec::new(), Vec::new());
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let steps = Steps {
            make: |at: usize| {
                let now = under_way.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                if at.is_multiple_of(7) {
                    thread::sleep(Duration::from_millis(2));
                }
                at
            },
            number: |at| {
                numbered.push(at);
                Ok(at)
            },
            format: |at| at * 2,
            write: |twice| {
                under_way.fetch_sub(1, Ordering::Relaxed);
                if Some(twice / 2) == fail_at {
                    return Err(io::Error::other("full"));
                }
                written.push(twice / 2);
                Ok(())
            },
        };
        let mut told = Vec::new();
        let result = run(count, 3, steps, |done| told.push(done));
        assert!(told.is_sorted_by(|a, b| a < b));
        if result.is_ok() {
            assert_eq!(told.last().copied().unwrap_or(0), count);
        }
        assert!(most.into_inner() <= 3 * UNDER_WAY);
        (written, numbered, result)
    }

    #[test]
    fn every_piece_in_order() {
        for count in [0, 1, 2, 500] {
            let (written, numbered, result) = run_all(count, None);
            result.unwrap();
            assert!(written.iter().copied().eq(0..count));
            assert_eq!(written, numbered);
        }
    }

    #[test]
    fn nothing_is_written_after_an_error() {
        let (written, _, result) = run_all(500, Some(100));
        assert_eq!(result.unwrap_err().to_string(), "full");
        assert!(written.into_iter().eq(0..100));
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let steps = Steps {
            make: |at: usize| assert_ne!(at, 50),
            number: Ok,
            format: |piece| piece,
            write: |()| Ok(()),
        };
        let error = run(500, 3, steps, |_| {}).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}
