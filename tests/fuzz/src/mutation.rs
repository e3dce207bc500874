//! Changes to the words of a heap, made from any bytes.

use v8mini_format::memory::MemoryExt;

use crate::image::Bytes;
use crate::seeds::Seed;

/// Bytes that make one change.
pub const OP_LEN: usize = 12;
/// More changes than this are not made to one image.
const MAX_OPS: usize = 256;

/// What is done to one word.
#[derive(Debug, Clone, Copy)]
struct Op {
    /// Which word: its number among those that are not zero.
    word: usize,
    kind: u8,
    value: u64,
}

impl Op {
    fn read(bytes: &[u8; OP_LEN]) -> Self {
        let [a, b, c, kind, value @ ..] = *bytes;
        Self {
            word: u32::from_le_bytes([a, b, c, 0]) as usize,
            kind,
            value: u64::from_le_bytes(value),
        }
    }

    /// What stands in the word afterwards. Wild values are the exception: they are refused at the first look, while those
    /// that a heap could hold lead deep into the code.
    fn apply(self, seed: &Seed, old: u64) -> u64 {
        let object = seed.object(self.value as usize) | 1;
        match self.kind % 8 {
            0 => self.value,
            // Another object, its inside, or its map.
            1 => object,
            2 => object.wrapping_add(self.value >> 32 & 0xf8),
            3 => seed.bytes.read_u64(object - 1).unwrap_or(object),
            // A Smi; a little more or less; other bits.
            4 => self.value << 32,
            5 => old.wrapping_add_signed(i64::from(self.value as i16)),
            6 => old ^ (1 << (self.value % 64)),
            // A word from elsewhere.
            _ => {
                let from = seed.word(self.value as usize);
                seed.bytes.read_u64(from).unwrap_or(old)
            }
        }
    }
}

/// The seed's memory with the changes that `data` asks for, and where they were made.
pub fn mutate(seed: &Seed, data: &[u8]) -> (Bytes, Vec<u64>) {
    let mut bytes = seed.bytes.clone();
    let mut changed = Vec::new();
    let (ops, _) = data.as_chunks::<OP_LEN>();
    for op in ops.iter().take(MAX_OPS).map(Op::read) {
        let addr = seed.word(op.word);
        let old = bytes.read_u64(addr).unwrap_or(0);
        bytes.set_word(addr, op.apply(seed, old));
        changed.push(addr);
    }
    (bytes, changed)
}

/// A small generator of random numbers, the same everywhere and always (SplitMix64, by Sebastiano Vigna).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// `len` random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.number() as u8).collect()
    }
}
