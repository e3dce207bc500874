//! Edges on their way: they stand behind the nodes in a snapshot, but are found together with them. Until all nodes are written they are in
//! a temporary file, a third as long as their text, which all cores make of it at last.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::Pool;
use super::json::{Lines, NUMBERS_PER_NODE};
use super::pipeline::{self, Steps};
use super::spool::{Out, Spool};

/// What an edge takes at most while it is packed: the first byte and two numbers.
const MOST_BYTES: usize = 17;
/// An edge's text is about so long.
const TEXT_BYTES: usize = 20;

/// An edge as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    /// The number of its kind, below 8.
    pub(super) kind: u8,
    /// The number of its name, or the number that it has instead of a name.
    pub(super) name: u64,
    /// The node that it leads to, by its place in the file.
    pub(super) to: u64,
}

/// Edges one after the other. Of each, the first byte has its kind and in how many bytes its two numbers are.
#[derive(Debug, Default)]
pub(super) struct PackedEdges(Vec<u8>);

impl PackedEdges {
    /// Forgets all, and has room for so many.
    pub(super) fn clear(&mut self, count: usize) {
        self.0.clear();
        self.0.reserve(count.saturating_mul(MOST_BYTES / 2));
    }

    pub(super) fn push(&mut self, edge: Edge) {
        let mut bytes = [0; MOST_BYTES];
        let (name, to) = (width_code(edge.name), width_code(edge.to));
        bytes[0] = edge.kind | name << 3 | to << 5;
        bytes[1..9].copy_from_slice(&edge.name.to_le_bytes());
        let middle = 1 + width(name);
        bytes[middle..middle + 8].copy_from_slice(&edge.to.to_le_bytes());
        self.0.extend_from_slice(&bytes[..middle + width(to)]);
    }

    /// Appends their text to `text`; `is_first` if no edges stand in front of them.
    fn format(&self, is_first: bool, text: &mut Vec<u8>) {
        let mut lines = Lines::new(text, is_first);
        let mut rest = self.0.as_slice();
        while let Some(edge) = pop(&mut rest) {
            let to = edge.to.wrapping_mul(NUMBERS_PER_NODE);
            lines.push(&[u64::from(edge.kind), edge.name, to]);
        }
    }
}

/// How a number below 2^(8 * [`width`]) is written.
const fn width_code(number: u64) -> u8 {
    match number {
        0..0x100 => 0,
        0x100..0x1_0000 => 1,
        0x1_0000..0x1_0000_0000 => 2,
        _ => 3,
    }
}

const fn width(code: u8) -> usize {
    1 << (code & 3)
}

/// Takes the first of some packed edges off.
fn pop(packed: &mut &[u8]) -> Option<Edge> {
    let (first, rest) = packed.split_first()?;
    let (name, rest) = number(rest, width(first >> 3))?;
    let (to, rest) = number(rest, width(first >> 5))?;
    *packed = rest;
    let kind = first & 7;
    Some(Edge { kind, name, to })
}

/// A number of so many bytes, 8 at most, and what is behind it.
fn number(packed: &[u8], width: usize) -> Option<(u64, &[u8])> {
    let number = match packed.first_chunk::<8>() {
        // More is read than wanted, and cut off again, which takes no decision.
        Some(word) => u64::from_le_bytes(*word) & (u64::MAX >> (64 - 8 * width)),
        None => {
            let mut word = [0; 8];
            word.get_mut(..width)?.copy_from_slice(packed.get(..width)?);
            u64::from_le_bytes(word)
        }
    };
    Some((number, packed.get(width..)?))
}

/// The edges of a snapshot in a temporary file, in pieces.
pub(super) struct EdgeSpool {
    spool: Spool,
    /// Of each piece, in bytes.
    lens: Vec<usize>,
}

impl EdgeSpool {
    /// An empty one.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub(super) fn new(directory: Option<&Path>) -> io::Result<Self> {
        let spool = Spool::new(directory)?;
        let lens = Vec::new();
        Ok(Self { spool, lens })
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn push(&mut self, edges: &PackedEdges) -> io::Result<()> {
        self.lens.push(edges.0.len());
        self.spool.write_all(&edges.0)
    }

    /// Writes the text of all of them, on so many threads, and says how many bytes it has.
    ///
    /// # Errors
    /// As reading and writing.
    pub(super) fn write_to(self, out: &mut Out<'_>, threads: usize) -> io::Result<u64> {
        let file = Mutex::new(self.spool.into_file()?);
        let starts = self.lens.iter().scan(0, |end, len| {
            let start = *end;
            *end += *len as u64;
            Some(start)
        });
        let pieces: Vec<(u64, usize)> = starts.zip(self.lens.iter().copied()).collect();
        let (packed, texts) = (Pool::default(), Pool::default());
        let mut written = 0;
        let steps = Steps {
            make: |at: usize| {
                let mut edges: PackedEdges = packed.take(PackedEdges::default);
                let (start, len) = pieces.get(at).copied().unwrap_or_default();
                edges.0.resize(len, 0);
                let file = file.lock().unwrap_or_else(PoisonError::into_inner);
                read_at(&file, start, &mut edges.0).map(|()| (at == 0, edges))
            },
            number: |piece| piece,
            format: |(is_first, edges): (bool, PackedEdges)| {
                let mut text: Vec<u8> = texts.take(Vec::new);
                text.clear();
                text.reserve(edges.0.len() / 7 * TEXT_BYTES);
                edges.format(is_first, &mut text);
                packed.give(edges);
                text
            },
            write: |text: Vec<u8>| {
                written += text.len() as u64;
                out.write_all(&text)?;
                texts.give(text);
                Ok(())
            },
        };
        pipeline::run(pieces.len(), threads, steps, |_| {})?;
        Ok(written)
    }
}

fn read_at(mut file: &File, start: u64, to: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_come_back_as_text() {
        let numbers = [
            0,
            1,
            0xff,
            0x100,
            0xffff,
            0x1_0000,
            u64::from(u32::MAX),
            1 << 32,
        ];
        let mut spool = EdgeSpool::new(None).unwrap();
        let mut expected = Vec::new();
        for (kind, name) in (0..8).zip(numbers) {
            let mut packed = PackedEdges::default();
            packed.clear(numbers.len());
            for to in numbers {
                packed.push(Edge { kind, name, to });
                expected.push(format!("{kind},{name},{}", to * NUMBERS_PER_NODE));
            }
            let mut rest = packed.0.as_slice();
            for to in numbers {
                assert_eq!(pop(&mut rest), Some(Edge { kind, name, to }));
            }
            assert_eq!(pop(&mut rest), None);
            spool.push(&packed).unwrap();
        }
        let mut text = Vec::new();
        let written = spool.write_to(&mut Out::Stream(&mut text), 3).unwrap();
        assert_eq!(written, text.len() as u64);
        assert_eq!(String::from_utf8(text).unwrap(), expected.join("\n,"));
    }

    #[test]
    fn the_largest_edge_is_packed_whole_and_a_torn_one_is_none() {
        let edge = Edge {
            kind: 7,
            name: u64::MAX,
            to: u64::MAX,
        };
        let mut packed = PackedEdges::default();
        packed.push(edge);
        assert_eq!(packed.0.len(), MOST_BYTES);
        assert_eq!(pop(&mut packed.0.as_slice()), Some(edge));
        for len in 0..MOST_BYTES {
            assert_eq!(pop(&mut &packed.0[..len]), None);
        }
    }

    #[test]
    fn no_edges_are_no_text() {
        let mut text = Vec::new();
        let spool = EdgeSpool::new(None).unwrap();
        assert_eq!(spool.write_to(&mut Out::Stream(&mut text), 2).unwrap(), 0);
        assert!(text.is_empty());
    }
}
