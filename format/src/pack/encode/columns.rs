//! Groups and columns into streams.

use super::super::column::Column;
use super::super::cursor::put_number;
use super::super::group::{Class, Group, Tail};
use super::super::{BASES, SHORT_GROUPS, Stream, tag};
use super::cells::Cells;
use super::choose::Estimator;
use super::classify::{Codes, INTEGER, WORD, tag_of};
use super::groups::Grouping;
use super::streams::Streams;
use super::{RawItem, word};

/// What packing the columns needs.
pub(super) struct Packer<'a> {
    pub(super) memory: &'a [u8],
    pub(super) items: &'a [RawItem],
    pub(super) classes: &'a [Class],
    pub(super) grouping: &'a Grouping,
    pub(super) codes: &'a Codes,
    pub(super) streams: &'a mut Streams,
    pub(super) estimator: Estimator,
    pub(super) cells: Cells,
    pub(super) scratch: Scratch,
}

/// Room that is used again for each column.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) tags: Vec<u8>,
    pub(super) references: Vec<u32>,
    pub(super) own: Vec<u32>,
    pub(super) integers: Vec<u32>,
    /// Numbers of the rows that are integers.
    pub(super) integer_rows: Vec<u32>,
    pub(super) words: Vec<u64>,
}

/// An item of a group: where it is, its number as a target, and its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) at: u32,
    pub(super) target: u32,
    pub(super) size: u32,
}

/// What a column consists of, row by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathered<'a> {
    pub(super) words: &'a [u64],
    /// What each word is.
    pub(super) codes: &'a [u32],
    /// The number of each word's item, as a target.
    pub(super) targets: &'a [u32],
    /// The size of each word's item, times the hint's factor; empty if there is none.
    pub(super) sizes: &'a [u32],
}

/// What is known of a column beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hint {
    /// What the items' sizes are to be multiplied with to be near to a count in the column; 0 if they all have one size.
    pub(super) factor: u8,
    /// Whether it has 64-bit numbers.
    pub(super) numbers: bool,
    /// Whether later columns may count from its upper halves.
    pub(super) is_base: bool,
}

impl Packer<'_> {
    /// Packs everything; returns the number of constants.
    pub(super) fn pack(mut self) -> u32 {
        let grouping = self.grouping;
        for (group, head) in grouping.groups.iter().zip(&grouping.heads) {
            let number = (*head != 0)
                .then(|| self.codes.number_of(head & !7))
                .flatten();
            let group = Group {
                head: number.map_or(0, |number| number + 1),
                ..*group
            };
            group.put(self.streams.of(Stream::Structure));
        }
        for constant in &self.codes.constants {
            put_number(self.streams.of(Stream::Structure), u64::from(*constant));
        }
        self.sequence();
        let mut last = 0;
        for far in &self.codes.far {
            put_number(self.streams.of(Stream::Far), (far - last) / 8);
            last = *far;
        }
        for (index, group) in grouping.groups.iter().enumerate() {
            self.group(index, group);
        }
        self.codes.constants.len() as u32
    }

    fn sequence(&mut self) {
        let sequence = self.streams.of(Stream::Sequence);
        for group in &self.grouping.of_item {
            let group = usize::from(*group);
            match group.checked_sub(SHORT_GROUPS) {
                None => sequence.push(group as u8),
                Some(rest) => {
                    sequence.extend([(SHORT_GROUPS + (rest >> 8)) as u8, rest as u8]);
                }
            }
        }
    }

    /// The items of a group.
    fn items(&self, group: usize) -> impl Iterator<Item = Row> + use<'_> {
        let numbers = self.grouping.items(group).iter();
        numbers.filter_map(|number| {
            let RawItem { at, size, .. } = *self.items.get(*number as usize)?;
            let target = *self.codes.targets.get(*number as usize)?;
            Some(Row { at, target, size })
        })
    }

    fn group(&mut self, index: usize, group: &Group) {
        let items: Vec<Row> = self.items(index).collect();
        let first = u32::from(group.head > 0);
        let lead = group.lead_words();
        if group.size == 0 {
            let sizes = self.streams.of(Stream::Sizes);
            for item in &items {
                put_number(sizes, u64::from(item.size - lead));
            }
        }
        let class = self.grouping.classes.get(index).copied().unwrap_or(0);
        let class = self
            .classes
            .get(class as usize)
            .copied()
            .unwrap_or_default();
        let factor = match group.tail {
            _ if group.size > 0 && !matches!(group.tail, Tail::Text8(_) | Tail::Text16(_)) => 0,
            Tail::Text8(_) | Tail::Bytes => 8,
            Tail::Text16(_) => 4,
            _ => 1,
        };
        let hint = Hint {
            factor,
            numbers: class.tail == Tail::Numbers,
            is_base: true,
        };
        self.lead(first, group.lead, &items, hint);
        self.tail(group, &items, hint);
    }

    /// Packs `count` columns, from that of the items' words with the number `first` on.
    fn lead(&mut self, first: u32, count: u32, items: &[Row], hint: Hint) {
        let targets: Vec<u32> = items.iter().map(|item| item.target).collect();
        let factor = u32::from(hint.factor);
        let sizes: Vec<u32> = match factor {
            0 => Vec::new(),
            _ => items
                .iter()
                .map(|item| item.size.wrapping_mul(factor))
                .collect(),
        };
        let mut bases: Vec<Vec<u32>> = Vec::new();
        let mut cells = std::mem::take(&mut self.cells);
        let together = Cells::columns(items.len());
        for from in (0..count).step_by(together) {
            let together = together.min((count - from) as usize);
            let memory = self.memory.as_chunks::<8>().0;
            cells.gather(memory, self.codes, items, first + from, together);
            for number in 0..together {
                let (words, codes) = cells.column(number);
                let given = Gathered {
                    words,
                    codes,
                    targets: &targets,
                    sizes: &sizes,
                };
                if let Some(uppers) = self.column(given, &bases, hint) {
                    if bases.len() == BASES {
                        bases.remove(0);
                    }
                    bases.push(uppers);
                }
            }
        }
        self.cells = cells;
    }

    /// Packs one of `phases` columns of the words behind the lead.
    fn tail_column(&mut self, items: &[Row], lead: u32, phases: (u32, u32), hint: Hint) {
        let mut cells = std::mem::take(&mut self.cells);
        let memory = self.memory.as_chunks::<8>().0;
        let codes = (!hint.numbers).then_some(self.codes);
        cells.gather_tail(memory, codes, items, lead, phases);
        let (words, codes) = cells.column(0);
        let given = Gathered {
            words,
            codes,
            targets: cells.targets(),
            sizes: &[],
        };
        self.column(given, &[], hint);
        self.cells = cells;
    }

    fn tail(&mut self, group: &Group, items: &[Row], hint: Hint) {
        let lead = group.lead_words();
        let hint = Hint {
            factor: 0,
            is_base: false,
            ..hint
        };
        match group.tail {
            Tail::None => {}
            Tail::Values => {
                let phases = self.phases(items, lead);
                self.streams.of(Stream::Structure).push(phases as u8);
                for phase in 0..phases {
                    self.tail_column(items, lead, (phases, phase), hint);
                }
            }
            Tail::Numbers => match self.only_word(items, lead) {
                Some(word) => Column::Constant(word).put(self.streams.of(Stream::Structure)),
                None => self.tail_column(items, lead, (1, 0), hint),
            },
            Tail::Bytes => {
                let start = self.streams.of(Stream::Bytes).len();
                for item in items {
                    let bytes = bytes(self.memory, item.at + lead, item.at + item.size);
                    self.streams.of(Stream::Bytes).extend_from_slice(bytes);
                }
                self.streams.seal(Stream::Bytes, start);
            }
            Tail::Text8(word) => self.text(items, lead, word, 1),
            Tail::Text16(word) => self.text(items, lead, word, 2),
        }
    }

    /// The word that the tails of items consist of, if there is only one.
    fn only_word(&self, items: &[Row], lead: u32) -> Option<u64> {
        let tail = |item: &Row| {
            let words = self.memory.as_chunks::<8>().0;
            let range = (item.at + lead) as usize..(item.at + item.size) as usize;
            words.get(range).unwrap_or_default()
        };
        let first = *items.iter().find_map(|item| tail(item).first())?;
        let same = |item: &Row| tail(item).iter().all(|word| *word == first);
        items.iter().all(same).then(|| u64::from_le_bytes(first))
    }

    fn text(&mut self, items: &[Row], lead: u32, count_word: u8, width: u64) {
        let memory = self.memory;
        let parts = || {
            items.iter().map(|item| {
                let all = bytes(memory, item.at + lead, item.at + item.size);
                let count = word(memory, item.at + u32::from(count_word)) >> 32;
                let len = match count_word {
                    0 => all.len(),
                    _ => usize::try_from(count * width).unwrap_or(usize::MAX),
                };
                all.split_at_checked(len)
            })
        };
        let start = self.streams.of(Stream::Text).len();
        let padded = parts()
            .flatten()
            .any(|(_, rest)| rest.iter().any(|byte| *byte != 0));
        self.streams.of(Stream::Structure).push(u8::from(padded));
        // Of characters of two bytes, all lower bytes come first: the upper ones are mostly 0.
        for plane in 0..width as usize {
            for (text, _) in parts().flatten() {
                let out = self.streams.of(Stream::Text);
                match width {
                    1 => out.extend_from_slice(text),
                    _ => out.extend(text.iter().skip(plane).step_by(2)),
                }
            }
        }
        if padded {
            for (_, rest) in parts().flatten() {
                self.streams.of(Stream::Bytes).extend_from_slice(rest);
            }
        }
        self.streams.seal(Stream::Text, start);
    }

    /// In how many columns arrays are best written: those of pairs and triples in two or three.
    fn phases(&self, items: &[Row], lead: u32) -> u32 {
        let mut best = (f32::INFINITY, 1);
        for phases in 1..=3_u32 {
            // Integer, word, constant or reference, by phase.
            let mut counts = [[0_u32; 64]; 3];
            let mut seen = 0;
            for item in items {
                for at in lead..item.size {
                    let kind = self.kind(item.at + at);
                    let phase = ((item.size - at) % phases) as usize;
                    if let Some(count) = counts
                        .get_mut(phase)
                        .and_then(|counts| counts.get_mut(usize::from(kind)))
                    {
                        *count += 1;
                    }
                }
                seen += item.size;
                if seen > 4096 {
                    break;
                }
            }
            let bits: f32 = counts.iter().map(|counts| entropy(counts)).sum();
            // Columns of their own cost something.
            let bits = bits * (1.0 + 0.03 * (phases - 1) as f32);
            if bits < best.0 {
                best = (bits, phases);
            }
        }
        best.1
    }

    /// What a word is, roughly.
    fn kind(&self, at: u32) -> u8 {
        match self.codes.of(at) {
            INTEGER => 0,
            WORD => 1,
            code => match tag_of(code).checked_sub(tag::CONSTANT) {
                None => 2,
                Some(constant) => 3 + (constant + tag::CONSTANT) % 61,
            },
        }
    }
}

fn bytes(memory: &[u8], from: u32, to: u32) -> &[u8] {
    memory
        .get(from as usize * 8..to as usize * 8)
        .unwrap_or_default()
}

/// Bits that symbols take which occur so often.
fn entropy(counts: &[u32]) -> f32 {
    let sum: u32 = counts.iter().sum();
    let bits = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| *count as f32 * (sum as f32 / *count as f32).log2());
    bits.sum()
}
