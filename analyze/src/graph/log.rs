//! Numbers on their way into an array: what a walk has found, a byte or two for each number.
//!
//! Each run of pages has lists of its own, which are thousands of blocks of memory. An allocator does not give such blocks back to the
//! system one by one when they are freed, so that they would lie beside the array for good.

/// Numbers one after the other, small ones short (LEB128).
#[derive(Debug, Default)]
pub(super) struct Log(Vec<u8>);

impl Log {
    /// Appends a number.
    pub(super) fn push(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Appends a number that is probably near to another.
    pub(super) fn push_near(&mut self, number: usize, other: usize) {
        // The sign comes last, so that small distances are small numbers in both directions.
        let distance = number.wrapping_sub(other).cast_signed();
        self.push(((distance << 1) ^ (distance >> (isize::BITS - 1))).cast_unsigned());
    }

    /// Appends all numbers of another.
    pub(super) fn append(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Forgets all numbers.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Reads from the beginning.
    pub(super) fn read(&self) -> LogReader<'_> {
        LogReader(self.0.iter())
    }
}

/// Reads what was appended, in the same order.
#[derive(Debug)]
pub(super) struct LogReader<'a>(std::slice::Iter<'a, u8>);

impl LogReader<'_> {
    /// The next number; 0 behind the last.
    pub(super) fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        for byte in self.0.by_ref() {
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift >= usize::BITS {
                break;
            }
        }
        number
    }

    /// The next number, which was appended with [`Log::push_near`] and this other.
    pub(super) fn near(&mut self, other: usize) -> usize {
        let distance = self.number();
        other.wrapping_add((distance >> 1) ^ (distance & 1).wrapping_neg())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [
            0,
            1,
            0x7f,
            0x80,
            0x3fff,
            0x4000,
            1 << 28,
            usize::MAX >> 1,
            usize::MAX,
        ];
        let mut log = Log::default();
        for number in numbers {
            log.push(number);
            for other in numbers {
                log.push_near(number, other);
            }
        }
        let mut reader = log.read();
        for number in numbers {
            assert_eq!(reader.number(), number);
            for other in numbers {
                assert_eq!(reader.near(other), number);
            }
        }
        assert_eq!(reader.number(), 0);
    }

    #[test]
    fn near_numbers_are_short() {
        let mut log = Log::default();
        for distance in -64..64_isize {
            log.push_near(1_000_000_usize.wrapping_add_signed(distance), 1_000_000);
        }
        assert_eq!(log.0.len(), 128);
    }
}
