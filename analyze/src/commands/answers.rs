//! Answers that took long, kept as they were given: whoever asks the same of the same file again has them at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::output::{Outcome, Text};
use crate::cache::{Reader, SectionKey, Writer};

/// Names answers in a cache, where other kinds of sections have numbers of their own.
const KIND: u32 = 64;
/// So many bytes of answers are kept.
const MAX_BYTES: usize = 16 << 20;

/// An answer, and the question.
pub(super) struct Answer {
    /// The command and its arguments.
    question: String,
    pub(super) text: Text,
    pub(super) outcome: Outcome,
}

impl Answer {
    pub(super) const fn new(question: String, text: Text, outcome: Outcome) -> Self {
        Self {
            question,
            text,
            outcome,
        }
    }

    /// Where a cache has the answer to a question.
    pub(super) fn key(question: &str) -> SectionKey {
        let hash = blake3::hash(question.as_bytes());
        let number = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        SectionKey {
            kind: KIND,
            heap: Some(u64::from_le_bytes(number)),
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.text(&self.question);
        to.number(self.outcome.code().into());
        to.number(self.text.is_json.into());
        to.blob(&self.text.bytes);
        to.finish()
    }

    /// The answer to a question; `None` if it is one to another.
    pub(super) fn read(bytes: &[u8], question: &str) -> Option<Self> {
        let mut from = Reader::new(bytes);
        let question = from.text().filter(|other| other == question)?;
        let outcome = Outcome::from_code(from.number()?)?;
        let is_json = from.number()? == 1;
        let bytes = from.blob()?;
        from.is_at_end().then_some(Self {
            question,
            text: Text { bytes, is_json },
            outcome,
        })
    }
}

/// The answers of a session.
#[derive(Default)]
pub(super) struct Answers(Mutex<Vec<(Arc<Answer>, bool)>>);

impl Answers {
    fn list(&self) -> MutexGuard<'_, Vec<(Arc<Answer>, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question that was asked before.
    pub(super) fn get(&self, question: &str) -> Option<Arc<Answer>> {
        let list = self.list();
        let known = list
            .iter()
            .find(|(answer, _)| answer.question == question)?;
        Some(Arc::clone(&known.0))
    }

    /// Remembers an answer; `keep` says whether the next command should find it in the cache. Too many are forgotten.
    pub(super) fn add(&self, answer: Arc<Answer>, keep: bool) {
        let mut list = self.list();
        list.push((answer, keep));
        let bytes = |list: &[(Arc<Answer>, bool)]| -> usize {
            list.iter().map(|(answer, _)| answer.text.bytes.len()).sum()
        };
        while bytes(&list) > MAX_BYTES {
            list.remove(0);
        }
    }

    /// What is to be kept, as sections of a cache. It is handed out once.
    pub(super) fn to_keep(&self, sections: &mut Vec<(SectionKey, Vec<u8>)>) {
        for (answer, keep) in self.list().iter_mut().filter(|(_, keep)| *keep) {
            *keep = false;
            sections.push((Answer::key(&answer.question), answer.write()));
        }
    }
}
