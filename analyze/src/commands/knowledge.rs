//! What was found out about parts of the heap, each once: in this session, or by a command before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cache::{Cache, Reader, SectionKey, Stored, Writer};
use crate::heap::PageSelection;

/// What took less to find out is not kept: reading it back would be no faster, and most captures are small.
const WORTH_KEEPING: Duration = Duration::from_millis(250);

/// The answers to one question about different parts of the heap.
pub(super) struct Known<T>(Mutex<Vec<Answer<T>>>);

struct Answer<T> {
    selection: PageSelection,
    value: Arc<T>,
    /// Whether the next command should find it in the cache.
    keep: bool,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// The cache of the file, if it has one.
pub(super) struct Keeper {
    cache: Option<Mutex<Cache>>,
    worth_keeping: Duration,
}

impl Keeper {
    /// Keeps things in `cache`: all, or what took long.
    pub(super) fn new(cache: Option<Cache>, all: bool) -> Self {
        Self {
            cache: cache.map(Mutex::new),
            worth_keeping: if all { Duration::ZERO } else { WORTH_KEEPING },
        }
    }

    fn cache(&self) -> Option<MutexGuard<'_, Cache>> {
        let cache = self.cache.as_ref()?;
        Some(cache.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the cache has what is known of a part of the heap.
    pub(super) fn has<T: Stored>(&self, selection: PageSelection) -> bool {
        self.cache()
            .is_some_and(|cache| cache.has(key::<T>(selection)))
    }

    fn load<T: Stored>(&self, selection: PageSelection, context: T::Context) -> Option<T> {
        let bytes = self.get(key::<T>(selection))?;
        let mut reader = Reader::new(&bytes);
        T::read(&mut reader, context).filter(|_| reader.is_at_end())
    }

    /// What the cache has under a key.
    pub(super) fn get(&self, key: SectionKey) -> Option<Vec<u8>> {
        self.cache()?.get(key)
    }

    /// Whether what took so long should be kept.
    pub(super) fn is_worth_keeping(&self, time: Duration) -> bool {
        time >= self.worth_keeping
    }

    /// Writes down what is worth it. That it cannot be written is no error: the next command finds it out again.
    pub(super) fn write(&self, sections: &[(SectionKey, Vec<u8>)]) {
        if let Some(mut cache) = self.cache() {
            let _ = cache.add(sections);
        }
    }

    /// Whether anything can be kept.
    pub(super) fn is_some(&self) -> bool {
        self.cache.is_some()
    }
}

fn key<T: Stored>(selection: PageSelection) -> SectionKey {
    SectionKey {
        kind: T::KIND,
        heap: selection.heap,
    }
}

impl<T> Known<T> {
    fn answers(&self) -> MutexGuard<'_, Vec<Answer<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Stored> Known<T> {
    /// What is known of a part of the heap, if need be from the cache, else found out by `make`. `context` has what the kept
    /// refers to.
    pub(super) fn find(
        &self,
        keeper: &Keeper,
        selection: PageSelection,
        context: impl FnOnce() -> T::Context,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut answers = self.answers();
        if let Some(known) = answers.iter().find(|known| known.selection == selection) {
            return Arc::clone(&known.value);
        }
        let kept = match keeper.has::<T>(selection) {
            true => keeper.load(selection, context()),
            false => None,
        };
        let (value, keep) = match kept {
            Some(value) => (value, false),
            None => {
                let start = Instant::now();
                let value = make();
                (value, keeper.is_worth_keeping(start.elapsed()))
            }
        };
        let value = Arc::new(value);
        answers.push(Answer {
            selection,
            value: Arc::clone(&value),
            keep,
        });
        value
    }

    /// As [`Self::find`], for what refers to nothing.
    pub(super) fn find_plain(
        &self,
        keeper: &Keeper,
        selection: PageSelection,
        make: impl FnOnce() -> T,
    ) -> Arc<T>
    where
        T: Stored<Context = ()>,
    {
        self.find(keeper, selection, || (), make)
    }

    /// What is worth keeping and not yet kept, as columns; `also` are parts of the heap for which it is in any case. It is
    /// handed out once.
    pub(super) fn to_keep(
        &self,
        also: &[PageSelection],
        sections: &mut Vec<(SectionKey, Vec<u8>)>,
    ) -> Vec<PageSelection> {
        let mut kept = Vec::new();
        for answer in self.answers().iter_mut() {
            if !answer.keep && !also.contains(&answer.selection) {
                continue;
            }
            answer.keep = false;
            let mut writer = Writer::default();
            answer.value.write(&mut writer);
            sections.push((key::<T>(answer.selection), writer.finish()));
            kept.push(answer.selection);
        }
        kept
    }
}
