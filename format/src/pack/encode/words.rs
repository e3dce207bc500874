//! The words of a column into streams.

use super::super::column::{Code32, Code64, Column, From32};
use super::super::{Stream, tag};
use super::choose::{Bases, Candidate, put_all};
use super::classify::{WORD, number as target_of, tag_of};
use super::columns::{Gathered, Hint, Packer, Scratch};

impl Packer<'_> {
    /// Packs a column; returns its upper halves if later ones may count from them.
    pub(super) fn column(
        &mut self,
        given: Gathered<'_>,
        bases: &[Vec<u32>],
        hint: Hint,
    ) -> Option<Vec<u32>> {
        let Gathered { words, codes, .. } = given;
        let raw = codes.iter().filter(|code| **code == WORD).count();
        let first = words.first().copied().unwrap_or(0);
        let is_reference = first & 1 == 1 && raw == 0;
        if !is_reference && words.iter().all(|word| *word == first) {
            Column::Constant(first).put(self.streams.of(Stream::Structure));
            return None;
        }
        if raw * 2 <= words.len() && !(hint.numbers && raw > 0) {
            let mut scratch = std::mem::take(&mut self.scratch);
            let uppers = self.values(&mut scratch, given, bases, hint);
            self.scratch = scratch;
            return uppers;
        }
        if hint.numbers {
            Column::Words.put(self.streams.of(Stream::Structure));
            self.words(words);
            return None;
        }
        Column::Halves.put(self.streams.of(Stream::Structure));
        let lower: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        let upper: Vec<u32> = words.iter().map(|word| (*word >> 32) as u32).collect();
        self.integers(&lower, None, &[], bases, 0);
        self.integers(&upper, None, given.sizes, bases, hint.factor);
        hint.is_base.then_some(upper)
    }

    fn values(
        &mut self,
        scratch: &mut Scratch,
        given: Gathered<'_>,
        bases: &[Vec<u32>],
        hint: Hint,
    ) -> Option<Vec<u32>> {
        let Gathered { sizes, .. } = given;
        let first = given.codes.first().copied().map_or(0, tag_of);
        if given.codes.iter().all(|code| tag_of(*code) == first) {
            return self.alike(scratch, first, given, bases, hint);
        }
        let Scratch {
            tags,
            references,
            own,
            integers,
            integer_rows,
            words,
        } = scratch;
        tags.clear();
        tags.extend(given.codes.iter().map(|code| tag_of(*code)));
        references.clear();
        own.clear();
        integers.clear();
        integer_rows.clear();
        words.clear();
        let cells = given.words.iter().zip(given.codes).zip(given.targets);
        for (number, ((word, code), target)) in (0..).zip(cells) {
            match tag_of(*code) {
                tag::INTEGER => {
                    integers.push((*word >> 32) as u32);
                    integer_rows.push(number);
                }
                tag::WORD => words.push(*word),
                tag::STRONG | tag::WEAK => {
                    references.push(target_of(*code));
                    own.push(*target);
                }
                _ => {}
            }
        }
        Column::Values { tag: None }.put(self.streams.of(Stream::Structure));
        let start = self.streams.of(Stream::Tags).len();
        self.streams.of(Stream::Tags).extend_from_slice(tags);
        self.streams.seal(Stream::Tags, start);
        self.references(references, own);
        if !integers.is_empty() {
            self.integers(integers, Some(integer_rows), sizes, bases, hint.factor);
        }
        if !words.is_empty() {
            self.words(words);
        }
        (hint.is_base && !integers.is_empty()).then(|| {
            let mut uppers = vec![0; given.words.len()];
            for (integer, row) in integers.iter().zip(&*integer_rows) {
                if let Some(upper) = uppers.get_mut(*row as usize) {
                    *upper = *integer;
                }
            }
            uppers
        })
    }

    /// Packs a column of words with one tag, as most are.
    fn alike(
        &mut self,
        scratch: &mut Scratch,
        tag: u8,
        given: Gathered<'_>,
        bases: &[Vec<u32>],
        hint: Hint,
    ) -> Option<Vec<u32>> {
        Column::Values { tag: Some(tag) }.put(self.streams.of(Stream::Structure));
        match tag {
            tag::INTEGER => {
                let integers = &mut scratch.integers;
                integers.clear();
                integers.extend(given.words.iter().map(|word| (*word >> 32) as u32));
                self.integers(integers, None, given.sizes, bases, hint.factor);
                return hint.is_base.then(|| integers.clone());
            }
            tag::WORD => self.words(given.words),
            tag::STRONG | tag::WEAK => {
                let references = &mut scratch.references;
                references.clear();
                references.extend(given.codes.iter().map(|code| target_of(*code)));
                self.references(references, given.targets);
            }
            _ => {}
        }
        None
    }

    /// Packs references; `own` are the numbers of the items that they are in.
    fn references(&mut self, references: &[u32], own: &[u32]) {
        if references.is_empty() {
            return;
        }
        let own = Bases::of_all(own);
        let candidates = [
            Candidate::new(From32::Zero),
            Candidate::new(From32::Last),
            Candidate::with(From32::Own(0), own),
            Candidate::with(From32::OwnLast(0), own),
        ];
        let chosen = self.estimator.choose(references, &candidates);
        self.write(chosen, Stream::References);
    }

    /// Packs integers, those of the rows with the numbers `of`, or of all. `sizes` are those of all items, times `factor`.
    fn integers(
        &mut self,
        integers: &[u32],
        of: Option<&[u32]>,
        sizes: &[u32],
        bases: &[Vec<u32>],
        factor: u8,
    ) {
        let mut candidates = vec![Candidate::new(From32::Zero), Candidate::new(From32::Last)];
        if factor > 0 {
            let sizes = Bases::new(sizes, of);
            candidates.push(Candidate::with(From32::Size(factor), sizes));
        }
        for (back, base) in (0..).zip(bases.iter().rev()) {
            let base = Bases::new(base, of);
            candidates.push(Candidate::with(From32::Own(back), base));
            candidates.push(Candidate::with(From32::OwnLast(back), base));
        }
        let chosen = self.estimator.choose(integers, &candidates);
        self.write(chosen, Stream::Integers);
    }

    fn write(&mut self, code: Code32, stream: Stream) {
        code.put(self.streams.of(Stream::Structure));
        let start = self.streams.of(stream).len();
        let numbers = self.estimator.written();
        put_all(self.streams.of(stream), numbers, code.planes);
        self.streams.seal(stream, start);
    }

    fn words(&mut self, words: &[u64]) {
        let code = Code64 {
            is_delta: false,
            is_planar: words.len() >= 16,
        };
        code.put(self.streams.of(Stream::Structure));
        let start = self.streams.of(Stream::Words).len();
        let out = self.streams.of(Stream::Words);
        if code.is_planar {
            for plane in 0..8 {
                out.extend(words.iter().map(|word| (word >> (8 * plane)) as u8));
            }
        } else {
            out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        self.streams.seal(Stream::Words, start);
    }
}
