//! Numbers of objects: of 32 bits while a heap has no more objects than these can tell apart, of 64 after.
//!
//! Whoever uses the graph knows an object by a `usize`. Where a number is kept for each object or each reference, all of them are as
//! narrow as the greatest allows ([`Numbers`], [`Ids`]). Algorithms are written once for both widths ([`Id`]) and compiled twice: which
//! width it is, is looked at where an algorithm begins, not for each number.

use std::fmt::Debug;
use std::hash::Hash;
use std::slice;

use crate::cache::{Coding, Number, Reader, Writer};

/// How many bits a number of a heap's objects has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// 32.
    #[default]
    Narrow,
    /// 64.
    Wide,
}

impl Width {
    /// The narrowest that has room for all numbers up to `most`, and for those that stand for no object.
    pub fn of(most: usize) -> Self {
        match most < u32::DEAD.at() {
            true => Self::Narrow,
            false => Self::Wide,
        }
    }
}

/// A number as it is kept.
pub(super) trait Id: Number + Ord + Hash + Debug + 'static {
    /// The first object, and the number of none in a preorder.
    const ZERO: Self;
    /// Stands for no object. None has so great a number.
    const NONE: Self;
    /// Stands for no object either, where two such numbers are needed. All smaller ones may be objects'.
    const DEAD: Self;

    /// Of a `usize` that fits, which whoever chose the [`Width`] has seen to.
    fn of(number: usize) -> Self {
        Self::from_u64(number as u64)
    }

    /// As a `usize`.
    fn at(self) -> usize {
        // What is wider than the address space was never made of a `usize`.
        self.to_u64() as usize
    }

    /// As a `usize`, if it is not [`Self::NONE`].
    fn some(self) -> Option<usize> {
        (self != Self::NONE).then(|| self.at())
    }

    /// Keeps numbers whose width is not known any more from their type.
    fn keep(numbers: Vec<Self>) -> Numbers;

    /// Shows numbers to whoever need not know their width.
    fn show(numbers: &[Self]) -> Ids<'_>;
}

macro_rules! id {
    ($number:ty, $width:ident) => {
        impl Id for $number {
            const ZERO: Self = 0;
            const NONE: Self = Self::MAX;
            const DEAD: Self = Self::MAX - 1;

            fn keep(numbers: Vec<Self>) -> Numbers {
                Either::$width(numbers)
            }

            fn show(numbers: &[Self]) -> Ids<'_> {
                Ids(Either::$width(numbers))
            }
        }
    };
}
id!(u32, Narrow);
id!(u64, Wide);

/// Something that has numbers of the one width or of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Either<N, W> {
    Narrow(N),
    Wide(W),
}

/// What an expression makes of the content of an [`Either`], which has the same type for both.
macro_rules! either {
    ($either:expr, $content:ident => $then:expr) => {
        match $either {
            Either::Narrow($content) => $then,
            Either::Wide($content) => $then,
        }
    };
}
pub(super) use either;

/// What an expression makes of the content of an [`Either`], as another [`Either`].
macro_rules! map_either {
    ($either:expr, $content:ident => $then:expr) => {
        match $either {
            Either::Narrow($content) => Either::Narrow($then),
            Either::Wide($content) => Either::Wide($then),
        }
    };
}
pub(super) use map_either;

/// Numbers in a row.
pub(crate) type Numbers = Either<Vec<u32>, Vec<u64>>;

impl Numbers {
    /// None yet, with room for so many.
    pub(crate) fn with_capacity(width: Width, capacity: usize) -> Self {
        match width {
            Width::Narrow => Self::Narrow(Vec::with_capacity(capacity)),
            Width::Wide => Self::Wide(Vec::with_capacity(capacity)),
        }
    }

    /// Adds a number, which fits the width.
    pub(crate) fn push(&mut self, number: usize) {
        either!(self, numbers => numbers.push(Id::of(number)));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        either!(self, numbers => numbers.len())
    }

    /// The number in a place.
    pub(crate) fn get(&self, place: usize) -> Option<usize> {
        either!(self, numbers => numbers.get(place).map(|number| number.at()))
    }

    /// All of them.
    pub(crate) fn show(&self) -> Ids<'_> {
        either!(self, numbers => Id::show(numbers))
    }

    /// Writes them as a column of a cache.
    pub(super) fn write(&self, to: &mut Writer, coding: Coding) {
        either!(self, numbers => to.column(numbers, coding));
    }

    /// Reads what [`Self::write`] wrote with numbers of this width.
    pub(super) fn read(from: &mut Reader<'_>, width: Width) -> Option<Self> {
        Some(match width {
            Width::Narrow => Self::Narrow(from.column()?),
            Width::Wide => Self::Wide(from.column()?),
        })
    }
}

/// Numbers of objects, in a row somewhere in the graph.
#[derive(Debug, Clone, Copy)]
pub struct Ids<'a>(Either<&'a [u32], &'a [u64]>);

impl Default for Ids<'_> {
    fn default() -> Self {
        Self(Either::Narrow(&[]))
    }
}

impl<'a> Ids<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        either!(self.0, ids => ids.len())
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// One after the other.
    pub fn iter(self) -> IdIter<'a> {
        IdIter(map_either!(self.0, ids => ids.iter()))
    }

    /// All of them, to be kept or put in order.
    pub fn to_vec(self) -> Vec<usize> {
        self.iter().collect()
    }
}

impl<'a> IntoIterator for Ids<'a> {
    type Item = usize;
    type IntoIter = IdIter<'a>;

    fn into_iter(self) -> IdIter<'a> {
        self.iter()
    }
}

/// See [`Ids::iter`].
#[derive(Debug, Clone)]
pub struct IdIter<'a>(Either<slice::Iter<'a, u32>, slice::Iter<'a, u64>>);

impl Iterator for IdIter<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        either!(&mut self.0, ids => ids.next().map(|id| id.at()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        either!(&self.0, ids => ids.size_hint())
    }

    // Here the width is looked at once, not for each number.
    fn fold<B, F: FnMut(B, usize) -> B>(self, first: B, mut add: F) -> B {
        either!(self.0, ids => ids.fold(first, |sum, id| add(sum, id.at())))
    }
}

impl DoubleEndedIterator for IdIter<'_> {
    fn next_back(&mut self) -> Option<usize> {
        either!(&mut self.0, ids => ids.next_back().map(|id| id.at()))
    }
}

impl ExactSizeIterator for IdIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_wide_once_they_have_to_be() {
        for (most, width) in [
            (0, Width::Narrow),
            (0xffff_fffd, Width::Narrow),
            // These two stand for no object.
            (0xffff_fffe, Width::Wide),
            (0xffff_ffff, Width::Wide),
            (0x1_0000_0000, Width::Wide),
        ] {
            assert_eq!(Width::of(most), width, "{most:#x}");
            let mut numbers = Numbers::with_capacity(width, 2);
            numbers.push(most);
            assert_eq!((numbers.get(0), numbers.get(1)), (Some(most), None));
        }
    }

    #[test]
    fn both_widths_look_alike() {
        for width in [Width::Narrow, Width::Wide] {
            let mut numbers = Numbers::with_capacity(width, 0);
            (0..9).for_each(|number| numbers.push(number * 7));
            let ids = numbers.show();
            assert_eq!((ids.len(), ids.is_empty(), numbers.len()), (9, false, 9));
            let all: Vec<usize> = (0..9).map(|number| number * 7).collect();
            assert_eq!(ids.to_vec(), all);
            assert!(ids.iter().rev().eq(all.iter().rev().copied()));
            let mut rest = ids.iter();
            assert_eq!((rest.next(), rest.next_back()), (Some(0), Some(56)));
            assert_eq!((rest.len(), rest.sum::<usize>()), (7, 7 * 28));
            let mut writer = Writer::default();
            numbers.write(&mut writer, Coding::Delta);
            let bytes = writer.finish();
            let read = Numbers::read(&mut Reader::new(&bytes), width);
            assert_eq!(read, Some(numbers));
        }
        assert!(Ids::default().is_empty());
    }
}
