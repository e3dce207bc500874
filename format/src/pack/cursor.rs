//! Reading and writing the streams of a segment.

/// What is wrong with a segment, in words for a person.
pub(crate) type Fault = String;

/// A stream, read front to back.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    name: &'static str,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8], name: &'static str) -> Self {
        Self { rest: bytes, name }
    }

    fn ended(&self) -> Fault {
        format!("its stream of {} ends early", self.name)
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                Ok(*byte)
            }
            None => Err(self.ended()),
        }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.ended()),
        }
    }

    /// The next variable-length number.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(format!(
            "a number in its stream of {} is too long",
            self.name
        ))
    }

    /// The next variable-length number, of 32 bits.
    #[inline]
    pub(crate) fn small(&mut self) -> Result<u32, Fault> {
        // Most numbers have one byte or two.
        if let [first, rest @ ..] = self.rest
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u32::from(*first));
        }
        if let [first, second, rest @ ..] = self.rest
            && *second < 0x80
        {
            self.rest = rest;
            return Ok(u32::from(*first & 0x7F) | u32::from(*second) << 7);
        }
        let number = self.number()?;
        u32::try_from(number)
            .map_err(|_| format!("a number in its stream of {} is too large", self.name))
    }

    /// Appends the next `count` variable-length numbers, of 32 bits, to `out`.
    pub(crate) fn small_numbers(&mut self, count: usize, out: &mut Vec<u32>) -> Result<(), Fault> {
        const LONG: u64 = 0x8080_8080_8080_8080;
        // Each has a byte.
        if count > self.rest.len() {
            return Err(self.ended());
        }
        out.reserve(count);
        let mut left = count;
        while left > 0 {
            // Often there are eight of one byte.
            if let Some((eight, rest)) = self.rest.split_first_chunk::<8>()
                && left >= 8
                && u64::from_le_bytes(*eight) & LONG == 0
            {
                out.extend(eight.iter().map(|byte| u32::from(*byte)));
                self.rest = rest;
                left -= 8;
            } else {
                out.push(self.small()?);
                left -= 1;
            }
        }
        Ok(())
    }

    /// Whether everything was read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Appends a variable-length number: seven bits a byte, the lowest first.
#[inline]
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed number as one that is small where its magnitude is.
#[inline]
pub(crate) const fn zigzag(value: u32) -> u32 {
    (value << 1) ^ (((value as i32) >> 31) as u32)
}

/// The reverse of [`zigzag`].
#[inline]
pub(crate) const fn unzigzag(value: u32) -> u32 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, 127, 128, 16383, 16384, u64::from(u32::MAX), u64::MAX];
        for number in numbers {
            put_number(&mut bytes, number);
        }
        let mut cursor = Cursor::new(&bytes, "numbers");
        for number in numbers {
            assert_eq!(cursor.number().unwrap(), number);
        }
        assert!(cursor.is_empty() && cursor.number().is_err() && cursor.take(1).is_err());
        let mut cursor = Cursor::new(&bytes, "numbers");
        for number in &numbers[..7] {
            assert_eq!(u64::from(cursor.small().unwrap()), *number);
        }
        assert!(cursor.small().is_err());
        let mut together = Vec::new();
        let mut cursor = Cursor::new(&bytes, "numbers");
        cursor.small_numbers(7, &mut together).unwrap();
        assert!(
            together
                .iter()
                .map(|n| u64::from(*n))
                .eq(numbers[..7].iter().copied())
        );
        assert!(cursor.small_numbers(1, &mut together).is_err());
        assert!(cursor.small_numbers(usize::MAX, &mut together).is_err());
        // Eight short ones at a time, where there are so many.
        let short: Vec<u8> = (0..21).collect();
        let mut cursor = Cursor::new(&short, "numbers");
        let mut together = Vec::new();
        cursor.small_numbers(20, &mut together).unwrap();
        assert!(together.into_iter().eq(0..20));
        assert_eq!(cursor.byte().unwrap(), 20);
        assert!(Cursor::new(&[0xFF; 11], "numbers").number().is_err());
    }

    #[test]
    fn zigzag_goes_back() {
        for value in [0, 1, u32::MAX, 5, 1 << 31, (1 << 31) - 1] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!([zigzag(0), zigzag(u32::MAX), zigzag(1)], [0, 1, 2]);
    }
}
