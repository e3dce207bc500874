//! The own texts of the last segments, from which later ones have copies.

use std::collections::VecDeque;

use super::super::Stream;
use super::super::copies::{TextCopy, put_copies};
use super::super::head::SourceRecord;
use super::SegmentDraft;
use super::repeats::{Entry, Place, Places, SEED, Table, same_end, same_start};
use crate::limits::{SEGMENT_SOURCES_MAX, SEGMENT_TEXT_MAX};

/// A segment names a source for the sake of so many bytes: whoever unpacks it has to unpack the source's text, too.
const SOURCE_FROM: usize = 1024;

/// So many places are looked up together.
const BATCH: usize = 16;

/// What the last segments say, so that the next ones need not say it again: 64 MiB of text at most.
///
/// Segments are handed over in the order of the file, each before the next is.
#[derive(Debug, Default)]
pub struct TextWindow {
    table: Table,
    texts: VecDeque<OwnText>,
    /// Where the next text begins, counted through all texts.
    end: u64,
    /// Bytes of all texts that are here.
    len: u64,
}

/// The own text of a segment.
#[derive(Debug)]
struct OwnText {
    start: u64,
    addr: u64,
    bytes: Vec<u8>,
    crc: u32,
}

/// A piece of a text that is in the window.
#[derive(Debug, Clone, Copy)]
struct Repeat {
    /// Where it is in the text.
    at: usize,
    len: usize,
    /// Number of the text in the window, and where it is there.
    source: usize,
    from: usize,
}

impl TextWindow {
    /// A window without texts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what earlier segments say, too, out of a segment's text, and keeps the rest for later ones.
    ///
    /// The segment must get into the file behind those, and before any later one.
    pub fn refer(&mut self, draft: &mut SegmentDraft) {
        let text = draft.streams.bytes(Stream::Text);
        let mut places = Vec::new();
        let mut repeats = self.find(text, &mut places);
        self.drop_weak(&mut repeats);
        let own = without(text, &repeats);
        if repeats.is_empty() {
            self.keep(draft.addr(), own, &places, &repeats);
            self.forget();
            return;
        }
        self.keep(draft.addr(), own.clone(), &places, &repeats);
        let (copies, sources) = self.describe(&repeats);
        let mut out = Vec::new();
        put_copies(&mut out, &copies, sources.len());
        draft.tables.sources = sources;
        draft.streams.of(Stream::Copies).extend(out);
        let mut mover = Mover::new(&repeats);
        draft
            .streams
            .replace(Stream::Text, own, |at| mover.moved(at));
        self.forget();
    }

    /// What is repeated, in order and disjoint; `places` gets those that were looked up in vain.
    fn find(&self, text: &[u8], places: &mut Vec<(usize, u64)>) -> Vec<Repeat> {
        let mut repeats: Vec<Repeat> = Vec::new();
        let mut done = 0;
        let mut next = Places::new(text, 0);
        let mut batch: Vec<Place> = Vec::with_capacity(BATCH);
        let mut entries: Vec<Entry> = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            batch.extend((&mut next).take(BATCH));
            let Some(last) = batch.last().map(|place| place.at) else {
                return repeats;
            };
            // Each look into the table waits for memory, several together no longer.
            entries.clear();
            entries.extend(batch.iter().map(|place| self.table.get(place.hash)));
            for (place, entry) in batch.iter().zip(&entries) {
                if place.at < done {
                    continue;
                }
                let position = entry.of(place.hash);
                match position.and_then(|position| self.repeat(text, place.at, position, done)) {
                    Some(repeat) => {
                        done = repeat.at + repeat.len;
                        repeats.push(repeat);
                    }
                    None => places.push((place.at, place.hash)),
                }
            }
            if done > last {
                next = Places::new(text, done);
            }
        }
    }

    /// What of the text around a place is in the window, from `done` on.
    fn repeat(&self, text: &[u8], at: usize, position: u32, done: usize) -> Option<Repeat> {
        let back = (self.end as u32).wrapping_sub(position);
        let position = self.end.checked_sub(u64::from(back))?;
        let after = self.texts.partition_point(|text| text.start <= position);
        let source = after.checked_sub(1)?;
        let there = self.texts.get(source)?;
        let from = usize::try_from(position - there.start).ok()?;
        let (before, behind) = there.bytes.split_at_checked(from)?;
        let len = same_start(text.get(at..)?, behind);
        if len < SEED {
            return None;
        }
        let earlier = same_end(text.get(done..at)?, before);
        Some(Repeat {
            at: at - earlier,
            len: len + earlier,
            source,
            from: from - earlier,
        })
    }

    /// Leaves out what is not worth naming a source.
    fn drop_weak(&self, repeats: &mut Vec<Repeat>) {
        let mut sums = vec![0; self.texts.len()];
        for repeat in repeats.iter() {
            if let Some(sum) = sums.get_mut(repeat.source) {
                *sum += repeat.len;
            }
        }
        repeats.retain(|repeat| {
            sums.get(repeat.source)
                .is_some_and(|sum| *sum >= SOURCE_FROM)
        });
    }

    /// Keeps an own text, and where its places are.
    fn keep(&mut self, addr: u64, own: Vec<u8>, places: &[(usize, u64)], repeats: &[Repeat]) {
        if own.is_empty() {
            return;
        }
        let mut mover = Mover::new(repeats);
        for (at, hash) in places {
            // Places at the bounds of what was taken out are not together any more; comparing shows it.
            let position = self.end + mover.moved(*at) as u64;
            self.table.put(*hash, position as u32);
        }
        let (start, len) = (self.end, own.len() as u64);
        self.texts.push_back(OwnText {
            start,
            addr,
            crc: crc32fast::hash(&own),
            bytes: own,
        });
        self.end += len;
        self.len += len;
    }

    /// Drops the oldest texts, those that are too many.
    fn forget(&mut self) {
        while self.len > SEGMENT_TEXT_MAX || self.texts.len() as u64 > SEGMENT_SOURCES_MAX {
            let Some(text) = self.texts.pop_front() else {
                break;
            };
            self.len -= text.bytes.len() as u64;
        }
    }

    /// Repeats as copies, and the sources of these.
    fn describe(&self, repeats: &[Repeat]) -> (Vec<TextCopy>, Vec<SourceRecord>) {
        let mut numbers = vec![None; self.texts.len()];
        let mut sources = Vec::new();
        let mut copies = Vec::with_capacity(repeats.len());
        let mut done = 0;
        for repeat in repeats {
            let (Some(number), Some(text)) = (
                numbers.get_mut(repeat.source),
                self.texts.get(repeat.source),
            ) else {
                continue;
            };
            let source = *number.get_or_insert_with(|| {
                sources.push(SourceRecord {
                    addr: text.addr,
                    text_len: text.bytes.len() as u32,
                    text_crc: text.crc,
                });
                sources.len() as u32 - 1
            });
            copies.push(TextCopy {
                own: (repeat.at - done) as u32,
                len: repeat.len as u32,
                source,
                at: repeat.from as u32,
            });
            done = repeat.at + repeat.len;
        }
        (copies, sources)
    }
}

/// A text without its repeats.
fn without(text: &[u8], repeats: &[Repeat]) -> Vec<u8> {
    let repeated: usize = repeats.iter().map(|repeat| repeat.len).sum();
    let mut own = Vec::with_capacity(text.len() - repeated);
    let mut done = 0;
    for repeat in repeats {
        own.extend_from_slice(text.get(done..repeat.at).unwrap_or_default());
        done = repeat.at + repeat.len;
    }
    own.extend_from_slice(text.get(done..).unwrap_or_default());
    own
}

/// Where places of a text are in what is left of it; asked in rising order.
struct Mover<'a> {
    repeats: &'a [Repeat],
    /// Bytes that were taken out so far.
    taken: usize,
}

impl<'a> Mover<'a> {
    const fn new(repeats: &'a [Repeat]) -> Self {
        Self { repeats, taken: 0 }
    }

    fn moved(&mut self, at: usize) -> usize {
        while let [first, rest @ ..] = self.repeats
            && first.at + first.len <= at
        {
            self.taken += first.len;
            self.repeats = rest;
        }
        let start = self.repeats.first().map_or(at, |first| first.at.min(at));
        start - self.taken
    }
}
