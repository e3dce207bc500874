//! The words of a column into streams.

use super::super::column::{Code32, Code64, Column, From32};
use super::super::{Stream, tag};
use super::choose::{Bases, Candidate, put_all};
use super::classify::{WORD, number as target_of, tag_of};
use super::columns::{Hint, Packer, Row, Scratch};

impl Packer<'_> {
    /// Packs a column, the words at a distance into its rows; returns its upper halves if later ones may count from them.
    pub(super) fn column(
        &mut self,
        rows: &[Row],
        distance: u32,
        bases: &[Vec<u32>],
        hint: Hint,
    ) -> Option<Vec<u32>> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let uppers = self.column_with(&mut scratch, rows, distance, bases, hint);
        self.scratch = scratch;
        uppers
    }

    fn column_with(
        &mut self,
        scratch: &mut Scratch,
        rows: &[Row],
        distance: u32,
        bases: &[Vec<u32>],
        hint: Hint,
    ) -> Option<Vec<u32>> {
        let Scratch { all, codes, .. } = &mut *scratch;
        let memory = self.memory.as_chunks::<8>().0;
        all.clear();
        all.extend(rows.iter().map(|row| {
            let word = memory.get((row.at + distance) as usize);
            word.map_or(0, |word| u64::from_le_bytes(*word))
        }));
        codes.clear();
        if hint.numbers && !hint.is_base {
            // Their words were not coded: nothing in them is a reference.
            codes.resize(rows.len(), WORD);
        } else {
            codes.extend(rows.iter().map(|row| self.codes.of(row.at + distance)));
        }
        let raw = codes.iter().filter(|code| **code == WORD).count();
        let first = all.first().copied().unwrap_or(0);
        let is_reference = first & 1 == 1 && raw == 0;
        if !is_reference && all.iter().all(|word| *word == first) {
            Column::Constant(first).put(self.streams.of(Stream::Structure));
            return None;
        }
        if raw * 2 <= rows.len() && !(hint.numbers && raw > 0) {
            return self.values(scratch, rows, bases, hint);
        }
        if hint.numbers {
            Column::Words.put(self.streams.of(Stream::Structure));
            self.words(all);
            return None;
        }
        Column::Halves.put(self.streams.of(Stream::Structure));
        let lower: Vec<u32> = all.iter().map(|word| *word as u32).collect();
        let upper: Vec<u32> = all.iter().map(|word| (*word >> 32) as u32).collect();
        self.integers(&lower, None, rows, bases, 0);
        self.integers(&upper, None, rows, bases, hint.factor);
        hint.is_base.then_some(upper)
    }

    fn values(
        &mut self,
        scratch: &mut Scratch,
        rows: &[Row],
        bases: &[Vec<u32>],
        hint: Hint,
    ) -> Option<Vec<u32>> {
        let Scratch {
            all,
            codes,
            tags,
            references,
            own,
            integers,
            integer_rows,
            words,
        } = scratch;
        tags.clear();
        tags.extend(codes.iter().map(|code| tag_of(*code)));
        references.clear();
        own.clear();
        integers.clear();
        integer_rows.clear();
        words.clear();
        for (((number, row), word), code) in (0..).zip(rows).zip(&*all).zip(&*codes) {
            match tag_of(*code) {
                tag::INTEGER => {
                    integers.push((*word >> 32) as u32);
                    integer_rows.push(number);
                }
                tag::WORD => words.push(*word),
                tag::STRONG | tag::WEAK => {
                    references.push(target_of(*code));
                    own.push(row.target);
                }
                _ => {}
            }
        }
        let first = tags
            .first()
            .copied()
            .filter(|first| tags.iter().all(|tag| tag == first));
        Column::Values { tag: first }.put(self.streams.of(Stream::Structure));
        if first.is_none() {
            let start = self.streams.of(Stream::Tags).len();
            self.streams.of(Stream::Tags).extend_from_slice(tags);
            self.streams.seal(Stream::Tags, start);
        }
        if !references.is_empty() {
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
        if integers.len() == rows.len() {
            self.integers(integers, None, rows, bases, hint.factor);
        } else if !integers.is_empty() {
            self.integers(integers, Some(integer_rows), rows, bases, hint.factor);
        }
        if !words.is_empty() {
            self.words(words);
        }
        (hint.is_base && !integers.is_empty()).then(|| {
            let mut uppers = vec![0; rows.len()];
            for (integer, row) in integers.iter().zip(&*integer_rows) {
                if let Some(upper) = uppers.get_mut(*row as usize) {
                    *upper = *integer;
                }
            }
            uppers
        })
    }

    /// Packs integers, those of the rows with the numbers `of`, or of all.
    fn integers(
        &mut self,
        integers: &[u32],
        of: Option<&[u32]>,
        rows: &[Row],
        bases: &[Vec<u32>],
        factor: u8,
    ) {
        let sizes: Vec<u32> = if factor > 0 {
            let sizes = rows.iter().map(|row| row.size);
            sizes
                .map(|size| size.wrapping_mul(u32::from(factor)))
                .collect()
        } else {
            Vec::new()
        };
        let mut candidates = vec![Candidate::new(From32::Zero), Candidate::new(From32::Last)];
        if factor > 0 {
            let sizes = Bases::new(&sizes, of);
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
