//! The words of a column into streams.

use super::super::column::{Code32, Code64, Column, From32};
use super::super::{Stream, tag};
use super::choose::{Candidate, put_all};
use super::classify::{INTEGER, REFERENCE, WORD};
use super::columns::{Hint, Packer, Row, Scratch};
use super::word;

impl Packer<'_> {
    /// Packs a column; returns its upper halves if later ones may count from them.
    pub(super) fn column(
        &mut self,
        rows: &[Row],
        bases: &[Vec<u32>],
        hint: Hint,
    ) -> Option<Vec<u32>> {
        let mut raw = 0;
        let mut same = true;
        let first = rows.first().map_or(0, |row| word(self.memory, row.at));
        for row in rows {
            same &= word(self.memory, row.at) == first;
            let code = self.codes.codes.get(row.at as usize);
            raw += usize::from(code == Some(&WORD));
        }
        if hint.numbers && !hint.is_base {
            // Their words were not coded: nothing in them is a reference.
            raw = rows.len();
        }
        let is_reference = first & 1 == 1 && raw == 0;
        if same && !is_reference {
            Column::Constant(first).put(self.streams.of(Stream::Structure));
            return None;
        }
        if raw * 2 <= rows.len() && !(hint.numbers && raw > 0) {
            return self.values(rows, bases, hint);
        }
        if hint.numbers {
            Column::Words.put(self.streams.of(Stream::Structure));
            let words: Vec<u64> = rows.iter().map(|row| word(self.memory, row.at)).collect();
            self.words(&words);
            return None;
        }
        Column::Halves.put(self.streams.of(Stream::Structure));
        let mut lower = Vec::with_capacity(rows.len());
        let mut upper = Vec::with_capacity(rows.len());
        for row in rows {
            let word = word(self.memory, row.at);
            lower.push(word as u32);
            upper.push((word >> 32) as u32);
        }
        let numbers = 0..rows.len() as u32;
        self.integers(&lower, numbers.clone(), rows, bases, 0);
        self.integers(&upper, numbers, rows, bases, hint.factor);
        hint.is_base.then_some(upper)
    }

    fn values(&mut self, rows: &[Row], bases: &[Vec<u32>], hint: Hint) -> Option<Vec<u32>> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let Scratch {
            tags,
            references,
            own,
            integers,
            integer_rows,
            words,
        } = &mut scratch;
        tags.clear();
        references.clear();
        own.clear();
        integers.clear();
        integer_rows.clear();
        words.clear();
        for (number, row) in (0..).zip(rows) {
            let code = self.codes.codes.get(row.at as usize).copied();
            let tag = match code.unwrap_or(WORD) {
                INTEGER => {
                    integers.push((word(self.memory, row.at) >> 32) as u32);
                    integer_rows.push(number);
                    tag::INTEGER
                }
                WORD => {
                    words.push(word(self.memory, row.at));
                    tag::WORD
                }
                code => {
                    let target = ((code - REFERENCE) / 2) as usize;
                    let is_weak = (code - REFERENCE) & 1 == 1;
                    let constant = self.codes.tags.get(target).copied().unwrap_or(0);
                    if constant != 0 && !is_weak {
                        constant
                    } else {
                        references.push(self.codes.numbers.get(target).copied().unwrap_or(0));
                        own.push(row.target);
                        if is_weak { tag::WEAK } else { tag::STRONG }
                    }
                }
            };
            tags.push(tag);
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
            let candidates = [
                Candidate::new(From32::Zero),
                Candidate::new(From32::Last),
                Candidate::with(From32::Own(0), own),
                Candidate::with(From32::OwnLast(0), own),
            ];
            let chosen = self.estimator.choose(references, &candidates);
            self.write(chosen.code, &chosen.written, Stream::References);
        }
        let (integers, integer_rows) = (
            std::mem::take(&mut scratch.integers),
            std::mem::take(&mut scratch.integer_rows),
        );
        let words = std::mem::take(&mut scratch.words);
        self.scratch = scratch;
        if !integers.is_empty() {
            self.integers(
                &integers,
                integer_rows.iter().copied(),
                rows,
                bases,
                hint.factor,
            );
        }
        if !words.is_empty() {
            self.words(&words);
        }
        let uppers = (hint.is_base && !integers.is_empty()).then(|| {
            let mut uppers = vec![0; rows.len()];
            for (integer, row) in integers.iter().zip(&integer_rows) {
                if let Some(upper) = uppers.get_mut(*row as usize) {
                    *upper = *integer;
                }
            }
            uppers
        });
        self.scratch.integers = integers;
        self.scratch.integer_rows = integer_rows;
        self.scratch.words = words;
        uppers
    }

    /// Packs integers, those of the rows with the numbers `of`.
    fn integers(
        &mut self,
        integers: &[u32],
        of: impl Iterator<Item = u32> + Clone,
        rows: &[Row],
        bases: &[Vec<u32>],
        factor: u8,
    ) {
        let picked: Vec<Vec<u32>> = bases
            .iter()
            .rev()
            .map(|base| {
                let base = of.clone().map(|row| base.get(row as usize).copied());
                base.map(Option::unwrap_or_default).collect()
            })
            .collect();
        let sizes: Vec<u32> = if factor > 0 {
            of.map(|row| rows.get(row as usize).map_or(0, |row| row.size))
                .map(|size| size.wrapping_mul(u32::from(factor)))
                .collect()
        } else {
            Vec::new()
        };
        let mut candidates = vec![Candidate::new(From32::Zero), Candidate::new(From32::Last)];
        if factor > 0 {
            candidates.push(Candidate::with(From32::Size(factor), &sizes));
        }
        for (back, base) in (0..).zip(&picked) {
            candidates.push(Candidate::with(From32::Own(back), base));
            candidates.push(Candidate::with(From32::OwnLast(back), base));
        }
        let chosen = self.estimator.choose(integers, &candidates);
        self.write(chosen.code, &chosen.written, Stream::Integers);
    }

    fn write(&mut self, code: Code32, numbers: &[u32], stream: Stream) {
        code.put(self.streams.of(Stream::Structure));
        let start = self.streams.of(stream).len();
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
