//! Columns back into memory.

use super::column::{Code32, Code64, Column, Cursors, From32};
use super::cursor::Fault;
use super::group::{Group, Tail};
use super::items::Item;
use super::rows::{Rows, get, put, room, tail_rows};
use super::{BASES, tag};

/// What unpacking the columns needs.
pub(crate) struct Scatter<'a> {
    pub(crate) cursors: Cursors<'a>,
    /// Addresses by number of the target.
    pub(crate) targets: &'a [u64],
    /// The words that tags stand for.
    pub(crate) constants: &'a [u64],
    /// All zero as yet.
    pub(crate) memory: &'a mut [[u8; 8]],
    pub(crate) scratch: Scratch,
}

/// Room that is used again for each column.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    rows: Vec<Item>,
    /// Numbers of the rows that are integers, words, references and constants.
    kinds: [Vec<u32>; 4],
    references: Vec<u32>,
    /// For integers that no later column counts from.
    integers: Vec<u32>,
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
        for column in 0..group.lead {
            let column = Rows::of(items, first + column);
            let kind = Column::get(&mut self.cursors.structure)?;
            if let Some(uppers) = self.column(kind, column, &bases, true)? {
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
                    self.tail_column(items, lead, phases, phase)?;
                }
                Ok(())
            }
            Tail::Numbers => self.tail_column(items, lead, 1, 0),
            Tail::Bytes => {
                for item in items {
                    let room = room(self.memory, item, lead);
                    let bytes = self.cursors.bytes.take(room.len())?;
                    room.copy_from_slice(bytes);
                }
                Ok(())
            }
            Tail::Text8(word) => self.text(items, lead, word, 1),
            Tail::Text16(word) => self.text(items, lead, word, 2),
        }
    }

    /// Unpacks one of `phases` columns of the items' words behind the first `lead`.
    fn tail_column(
        &mut self,
        items: &[Item],
        lead: u32,
        phases: u32,
        phase: u32,
    ) -> Result<(), Fault> {
        let kind = Column::get(&mut self.cursors.structure)?;
        if kind == Column::Constant(0) {
            // There may be much of it, and it is there already.
            return Ok(());
        }
        let mut rows = std::mem::take(&mut self.scratch.rows);
        tail_rows(items, lead, phases, phase, &mut rows);
        let uppers = self.column(kind, Rows::of(&rows, 0), &[], false);
        self.scratch.rows = rows;
        uppers.map(|_| ())
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
            let count = len / width as usize;
            let room = room(self.memory, item, lead);
            let (Some((low, low_rest)), Some((text, padding))) = (
                lower.split_at_checked(count),
                room.split_at_mut_checked(len),
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
                padding.copy_from_slice(self.cursors.bytes.take(padding.len())?);
            }
        }
        Ok(())
    }

    /// Unpacks one column. Returns its upper halves if later columns may count from them.
    fn column(
        &mut self,
        kind: Column,
        rows: Rows<'_>,
        bases: &[Uppers],
        wants_uppers: bool,
    ) -> Result<Option<Uppers>, Fault> {
        match kind {
            Column::Constant(0) => Ok(None),
            Column::Constant(word) => {
                rows.put(self.memory, std::iter::repeat(word));
                Ok(None)
            }
            Column::Words => {
                self.words(rows)?;
                Ok(None)
            }
            Column::Halves => {
                let (mut lower, mut upper) = (Vec::new(), Vec::new());
                self.integers(rows, bases, &mut lower)?;
                self.integers(rows, bases, &mut upper)?;
                let words = lower.iter().zip(&upper);
                let words = words.map(|(lower, upper)| u64::from(*lower) | u64::from(*upper) << 32);
                rows.put(self.memory, words);
                Ok(Some(upper))
            }
            Column::Values { tag: Some(tag) } => self.alike(rows, tag, bases, wants_uppers),
            Column::Values { tag: None } => self.values(rows, bases, wants_uppers),
        }
    }

    /// Unpacks values that all have one tag.
    fn alike(
        &mut self,
        rows: Rows<'_>,
        tag: u8,
        bases: &[Uppers],
        wants_uppers: bool,
    ) -> Result<Option<Uppers>, Fault> {
        match tag {
            _ if rows.len() == 0 => {}
            tag::INTEGER => {
                let mut integers = self.room_for_integers(wants_uppers);
                self.integers(rows, bases, &mut integers)?;
                rows.put(
                    self.memory,
                    integers.iter().map(|upper| u64::from(*upper) << 32),
                );
                if wants_uppers {
                    return Ok(Some(integers));
                }
                self.scratch.integers = integers;
            }
            tag::WORD => self.words(rows)?,
            tag::STRONG | tag::WEAK => {
                let mark = if tag == tag::WEAK { 3 } else { 1 };
                self.references(rows, |_| mark)?;
            }
            tag => {
                let word = self.constant(tag)?;
                rows.put(self.memory, std::iter::repeat(word));
            }
        }
        Ok(None)
    }

    /// Unpacks values with a tag each.
    fn values(
        &mut self,
        rows: Rows<'_>,
        bases: &[Uppers],
        wants_uppers: bool,
    ) -> Result<Option<Uppers>, Fault> {
        let tags = self.cursors.tags.take(rows.len())?;
        let mut kinds = std::mem::take(&mut self.scratch.kinds);
        for kind in &mut kinds {
            kind.clear();
        }
        let [integers, words, references, constants] = &mut kinds;
        for (number, tag) in (0..).zip(tags) {
            match *tag {
                tag::INTEGER => integers.push(number),
                tag::WORD => words.push(number),
                tag::STRONG | tag::WEAK => references.push(number),
                _ => constants.push(number),
            }
        }
        if !references.is_empty() {
            let mark = |row: u32| match tags.get(row as usize) {
                Some(&tag::WEAK) => 3,
                _ => 1,
            };
            self.references(rows.picked(references), mark)?;
        }
        let mut uppers = None;
        if !integers.is_empty() {
            let mut numbers = std::mem::take(&mut self.scratch.integers);
            let rows = rows.picked(integers);
            self.integers(rows, bases, &mut numbers)?;
            rows.put(
                self.memory,
                numbers.iter().map(|upper| u64::from(*upper) << 32),
            );
            if wants_uppers {
                let mut all = vec![0; tags.len()];
                for (number, row) in numbers.iter().zip(&*integers) {
                    if let Some(upper) = all.get_mut(*row as usize) {
                        *upper = *number;
                    }
                }
                uppers = Some(all);
            }
            self.scratch.integers = numbers;
        }
        if !words.is_empty() {
            self.words(rows.picked(words))?;
        }
        for row in &*constants {
            let (Some(tag), Some(item)) = (tags.get(*row as usize), rows.all.get(*row as usize))
            else {
                continue;
            };
            let word = self.constant(*tag)?;
            put(self.memory, item.at + rows.distance, word);
        }
        self.scratch.kinds = kinds;
        Ok(uppers)
    }

    /// The word that a tag stands for.
    fn constant(&self, tag: u8) -> Result<u64, Fault> {
        let number = usize::from(tag - tag::CONSTANT);
        let constant = self.constants.get(number).copied();
        constant.ok_or_else(|| format!("tag {tag} is unknown"))
    }

    /// Unpacks words that are words.
    fn words(&mut self, rows: Rows<'_>) -> Result<(), Fault> {
        let code = Code64::get(&mut self.cursors.structure)?;
        let words = code.read(rows.len(), &mut self.cursors.words)?;
        rows.put(self.memory, words.into_iter());
        Ok(())
    }

    fn room_for_integers(&mut self, wants_uppers: bool) -> Vec<u32> {
        if wants_uppers {
            Vec::new()
        } else {
            std::mem::take(&mut self.scratch.integers)
        }
    }

    /// Reads integers, one for each of the rows.
    fn integers(
        &mut self,
        rows: Rows<'_>,
        bases: &[Uppers],
        numbers: &mut Vec<u32>,
    ) -> Result<(), Fault> {
        let code = Code32::get(&mut self.cursors.structure)?;
        code.read(rows.len(), &mut self.cursors.integers, numbers)?;
        if code.from.is_summed() {
            sum_up(numbers);
        }
        match code.from {
            From32::Zero | From32::Last => {}
            From32::Own(back) | From32::OwnLast(back) => {
                let index = bases.len().checked_sub(1 + usize::from(back));
                let base = index.and_then(|index| bases.get(index)).ok_or_else(|| {
                    format!("integers are counted from column -{back}, which is none")
                })?;
                match rows.picks {
                    None => add(numbers, base.iter().copied()),
                    Some(picks) => add(
                        numbers,
                        picks
                            .iter()
                            .map(|row| base.get(*row as usize).copied().unwrap_or(0)),
                    ),
                }
            }
            From32::Size(factor) => {
                rows.zip(numbers.iter_mut(), |row, number| {
                    let size = row.size.wrapping_mul(u32::from(factor));
                    *number = size.wrapping_sub(*number);
                });
            }
        }
        Ok(())
    }

    /// Unpacks references; `mark` is what is added to the address in the row with a number.
    fn references(&mut self, rows: Rows<'_>, mark: impl Fn(u32) -> u64) -> Result<(), Fault> {
        let code = Code32::get(&mut self.cursors.structure)?;
        let mut numbers = std::mem::take(&mut self.scratch.references);
        code.read(rows.len(), &mut self.cursors.references, &mut numbers)?;
        if code.from.is_summed() {
            sum_up(&mut numbers);
        }
        match code.from {
            From32::Zero | From32::Last => {}
            From32::Own(_) | From32::OwnLast(_) => {
                rows.zip(numbers.iter_mut(), |row, number| {
                    *number = number.wrapping_add(row.target);
                });
            }
            From32::Size(_) => return Err("references are counted from sizes".to_owned()),
        }
        let most = numbers.iter().copied().max().unwrap_or(0);
        if most as usize >= self.targets.len() {
            return Err(format!(
                "a reference leads to target {most}, of {}",
                self.targets.len()
            ));
        }
        let address = |number: &u32| self.targets.get(*number as usize).copied().unwrap_or(0);
        let addresses = numbers.iter().map(address);
        match rows.picks {
            None => rows.put(self.memory, addresses.map(|address| address | mark(0))),
            Some(picks) => {
                let words = addresses.zip(picks);
                rows.put(
                    self.memory,
                    words.map(|(address, row)| address | mark(*row)),
                );
            }
        }
        self.scratch.references = numbers;
        Ok(())
    }
}

fn add(numbers: &mut [u32], bases: impl Iterator<Item = u32>) {
    for (number, base) in numbers.iter_mut().zip(bases) {
        *number = number.wrapping_add(base);
    }
}

fn sum_up(numbers: &mut [u32]) {
    let mut last = 0_u32;
    for number in numbers {
        last = last.wrapping_add(*number);
        *number = last;
    }
}
