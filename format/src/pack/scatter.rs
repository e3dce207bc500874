//! Columns back into memory.

use super::column::{Code32, Code64, Column, Cursors, From32};
use super::cursor::Fault;
use super::group::{Group, Tail};
use super::items::Item;
use super::{BASES, tag};

/// What unpacking the columns needs.
pub(crate) struct Scatter<'a> {
    pub(crate) cursors: Cursors<'a>,
    /// Addresses by number of the target.
    pub(crate) targets: &'a [u64],
    /// The words that tags stand for.
    pub(crate) constants: &'a [u64],
    pub(crate) memory: &'a mut [u8],
}

/// A word of a column: where it goes.
#[derive(Debug, Clone, Copy)]
struct Row {
    at: u32,
    target: u32,
    size: u32,
}

/// The upper halves of a column, for those that count from it.
type Uppers = Vec<u32>;

impl Scatter<'_> {
    /// Unpacks the items of a group.
    pub(crate) fn group(
        &mut self,
        group: &Group,
        head: Option<u64>,
        items: &[Item],
    ) -> Result<(), Fault> {
        if let Some(head) = head {
            for item in items {
                put(self.memory, item.at, head);
            }
        }
        let first = u32::from(head.is_some());
        let mut bases: Vec<Uppers> = Vec::new();
        let mut rows = Vec::with_capacity(items.len());
        for column in 0..group.lead {
            rows.clear();
            rows.extend(items.iter().map(|item| Row {
                at: item.at + first + column,
                target: item.target,
                size: item.size,
            }));
            let uppers = self.column(&rows, &bases, true)?;
            if let Some(uppers) = uppers {
                if bases.len() == BASES {
                    bases.remove(0);
                }
                bases.push(uppers);
            }
        }
        drop(bases);
        self.tail(group, items)
    }

    fn tail(&mut self, group: &Group, items: &[Item]) -> Result<(), Fault> {
        let lead = group.lead_words();
        match group.tail {
            Tail::None => Ok(()),
            Tail::Values => {
                let phases = u32::from(self.cursors.structure.byte()?);
                if !(1..=3).contains(&phases) {
                    return Err(format!("an array has {phases} columns"));
                }
                for phase in 0..phases {
                    let rows = tail_rows(items, lead, phases, phase);
                    self.column(&rows, &[], false)?;
                }
                Ok(())
            }
            Tail::Numbers => {
                let rows = tail_rows(items, lead, 1, 0);
                self.column(&rows, &[], false).map(|_| ())
            }
            Tail::Bytes => {
                for item in items {
                    let (from, to) = (item.at + lead, item.at + item.size);
                    let len = (to - from) as usize * 8;
                    let bytes = self.cursors.bytes.take(len)?;
                    copy(self.memory, from, bytes);
                }
                Ok(())
            }
            Tail::Text8(word) => self.text(items, lead, word, 1),
            Tail::Text16(word) => self.text(items, lead, word, 2),
        }
    }

    fn text(&mut self, items: &[Item], lead: u32, word: u8, width: u64) -> Result<(), Fault> {
        let has_padding = self.cursors.structure.byte()? != 0;
        let mut lens = Vec::with_capacity(items.len());
        let mut sum = 0;
        for item in items {
            let room = (item.size - lead) as usize * 8;
            let len = if word == 0 {
                room
            } else {
                let count = get(self.memory, item.at + u32::from(word)) >> 32;
                usize::try_from(count * width)
                    .ok()
                    .filter(|len| *len <= room)
                    .ok_or_else(|| {
                        format!("a text of {count} characters does not fit into its item")
                    })?
            };
            lens.push(len);
            sum += len;
        }
        // Of characters of two bytes, all lower bytes come first.
        let mut lower = self.cursors.text.take(sum / width as usize)?;
        let mut upper = self.cursors.text.take(sum - lower.len())?;
        for (item, len) in items.iter().zip(lens) {
            let from = (item.at + lead) as usize * 8;
            let room = (item.size - lead) as usize * 8;
            let count = len / width as usize;
            let (Some((low, low_rest)), Some(text)) = (
                lower.split_at_checked(count),
                self.memory.get_mut(from..from + len),
            ) else {
                return Err("its texts end early".to_owned());
            };
            lower = low_rest;
            if width == 1 {
                text.copy_from_slice(low);
            } else if let Some((high, high_rest)) = upper.split_at_checked(count) {
                upper = high_rest;
                let pairs = text.as_chunks_mut::<2>().0.iter_mut();
                for (pair, (low, high)) in pairs.zip(low.iter().zip(high)) {
                    *pair = [*low, *high];
                }
            }
            if has_padding {
                let padding = self.cursors.bytes.take(room - len)?;
                if let Some(room) = self.memory.get_mut(from + len..from + room) {
                    room.copy_from_slice(padding);
                }
            }
        }
        Ok(())
    }

    /// Unpacks one column. Returns its upper halves if later columns may count from them.
    fn column(
        &mut self,
        rows: &[Row],
        bases: &[Uppers],
        wants_uppers: bool,
    ) -> Result<Option<Uppers>, Fault> {
        match Column::get(&mut self.cursors.structure)? {
            Column::Constant(word) => {
                for row in rows {
                    put(self.memory, row.at, word);
                }
                Ok(None)
            }
            Column::Words => {
                let code = Code64::get(&mut self.cursors.structure)?;
                let words = code.read(rows.len(), &mut self.cursors.words)?;
                for (row, word) in rows.iter().zip(words) {
                    put(self.memory, row.at, word);
                }
                Ok(None)
            }
            Column::Halves => {
                let all = || rows.iter().enumerate();
                let lower = self.integers(rows.len(), all(), bases)?;
                let upper = self.integers(rows.len(), all(), bases)?;
                for ((row, lower), upper) in rows.iter().zip(lower).zip(&upper) {
                    put(
                        self.memory,
                        row.at,
                        u64::from(lower) | u64::from(*upper) << 32,
                    );
                }
                Ok(Some(upper))
            }
            Column::Values { tag } => self.values(rows, tag, bases, wants_uppers),
        }
    }

    /// Reads integers, one for each of `count` rows, given with their numbers in the column.
    fn integers<'r>(
        &mut self,
        count: usize,
        rows: impl Iterator<Item = (usize, &'r Row)>,
        bases: &[Uppers],
    ) -> Result<Vec<u32>, Fault> {
        let code = Code32::get(&mut self.cursors.structure)?;
        let mut numbers = code.read(count, &mut self.cursors.integers)?;
        let base = |back: u8| {
            bases
                .len()
                .checked_sub(1 + usize::from(back))
                .and_then(|index| bases.get(index))
                .ok_or_else(|| format!("integers are counted from column -{back}, which is none"))
        };
        match code.from {
            From32::Zero => {}
            From32::Last => sum_up(&mut numbers),
            From32::Own(back) => {
                let base = base(back)?;
                for (number, (index, _)) in numbers.iter_mut().zip(rows) {
                    let base = base.get(index).copied().unwrap_or(0);
                    *number = number.wrapping_add(base);
                }
            }
            From32::OwnLast(back) => {
                let base = base(back)?;
                sum_up(&mut numbers);
                for (number, (index, _)) in numbers.iter_mut().zip(rows) {
                    let base = base.get(index).copied().unwrap_or(0);
                    *number = number.wrapping_add(base);
                }
            }
            From32::Size(factor) => {
                for (number, (_, row)) in numbers.iter_mut().zip(rows) {
                    let size = row.size.wrapping_mul(u32::from(factor));
                    *number = size.wrapping_sub(*number);
                }
            }
        }
        Ok(numbers)
    }

    fn values(
        &mut self,
        rows: &[Row],
        same: Option<u8>,
        bases: &[Uppers],
        wants_uppers: bool,
    ) -> Result<Option<Uppers>, Fault> {
        let repeated;
        let tags = match same {
            None => self.cursors.tags.take(rows.len())?,
            Some(tag) => {
                repeated = vec![tag; rows.len()];
                &repeated
            }
        };
        let mut counts = [0_usize; 3];
        for tag in tags {
            let kind = match *tag {
                tag::INTEGER => 0,
                tag::WORD => 1,
                tag::STRONG | tag::WEAK => 2,
                _ => continue,
            };
            if let Some(count) = counts.get_mut(kind) {
                *count += 1;
            }
        }
        let [integers, words, references] = counts;
        let with_tag = |wanted: fn(u8) -> bool| {
            let rows = rows.iter().enumerate().zip(tags);
            rows.filter(move |(_, tag)| wanted(**tag))
                .map(|(row, _)| row)
        };
        let references = if references > 0 {
            let is_reference = |tag| matches!(tag, tag::STRONG | tag::WEAK);
            self.references(references, with_tag(is_reference))?
        } else {
            Vec::new()
        };
        let integers = if integers > 0 {
            self.integers(integers, with_tag(|tag| tag == tag::INTEGER), bases)?
        } else {
            Vec::new()
        };
        let words = if words > 0 {
            let code = Code64::get(&mut self.cursors.structure)?;
            code.read(words, &mut self.cursors.words)?
        } else {
            Vec::new()
        };
        let mut uppers =
            (wants_uppers && !integers.is_empty()).then(|| Vec::with_capacity(rows.len()));
        let (mut references, mut integers, mut words) =
            (references.iter(), integers.iter(), words.iter());
        for (row, tag) in rows.iter().zip(tags) {
            let mut upper = 0;
            let word = match *tag {
                tag::INTEGER => {
                    upper = integers.next().copied().unwrap_or(0);
                    u64::from(upper) << 32
                }
                tag::WORD => words.next().copied().unwrap_or(0),
                tag @ (tag::STRONG | tag::WEAK) => {
                    let number = references.next().copied().unwrap_or(0);
                    let address = self.targets.get(number as usize).ok_or_else(|| {
                        format!(
                            "a reference leads to target {number}, of {}",
                            self.targets.len()
                        )
                    })?;
                    address | if tag == tag::WEAK { 3 } else { 1 }
                }
                tag => {
                    let constant = self.constants.get(usize::from(tag - tag::CONSTANT));
                    *constant.ok_or_else(|| format!("tag {tag} is unknown"))?
                }
            };
            put(self.memory, row.at, word);
            if let Some(uppers) = &mut uppers {
                uppers.push(upper);
            }
        }
        Ok(uppers)
    }

    /// Reads references, one for each of `count` rows.
    fn references<'r>(
        &mut self,
        count: usize,
        rows: impl Iterator<Item = (usize, &'r Row)>,
    ) -> Result<Vec<u32>, Fault> {
        let code = Code32::get(&mut self.cursors.structure)?;
        let mut numbers = code.read(count, &mut self.cursors.references)?;
        match code.from {
            From32::Zero => {}
            From32::Last => sum_up(&mut numbers),
            From32::Own(_) => {
                for (number, (_, row)) in numbers.iter_mut().zip(rows) {
                    *number = number.wrapping_add(row.target);
                }
            }
            From32::OwnLast(_) => {
                sum_up(&mut numbers);
                for (number, (_, row)) in numbers.iter_mut().zip(rows) {
                    *number = number.wrapping_add(row.target);
                }
            }
            From32::Size(_) => return Err("references are counted from sizes".to_owned()),
        }
        Ok(numbers)
    }
}

/// The words of items behind the first `lead`: those of one of `phases` columns, counted from the items' ends.
fn tail_rows(items: &[Item], lead: u32, phases: u32, phase: u32) -> Vec<Row> {
    let of = |item: &Item| {
        let Item { at, size, target } = *item;
        let first = (lead..size).find(move |word| (size - word) % phases == phase);
        let words = first.into_iter().flat_map(move |first| first..size);
        words.step_by(phases as usize).map(move |word| Row {
            at: at + word,
            target,
            size,
        })
    };
    items.iter().flat_map(of).collect()
}

fn sum_up(numbers: &mut [u32]) {
    let mut last = 0_u32;
    for number in numbers {
        last = last.wrapping_add(*number);
        *number = last;
    }
}

/// Writes a word of the memory.
#[inline]
fn put(memory: &mut [u8], at: u32, word: u64) {
    let at = at as usize * 8;
    if let Some(room) = memory.get_mut(at..at + 8) {
        room.copy_from_slice(&word.to_le_bytes());
    }
}

/// A word of the memory.
#[inline]
fn get(memory: &[u8], at: u32) -> u64 {
    let at = at as usize * 8;
    let word = memory.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

fn copy(memory: &mut [u8], at: u32, bytes: &[u8]) {
    let at = at as usize * 8;
    if let Some(room) = memory.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}
