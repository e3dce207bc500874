//! Dates.

use jiff::Timestamp;
use jiff::tz::Offset;

use super::{Address, Number, ObjectError, Objects, Tagged};
use crate::layout::{Encoding, Field};

/// Milliseconds in 400 Gregorian years, after which the calendar repeats itself.
const CYCLE_MS: i64 = 146_097 * 86_400_000;
const CYCLE_YEARS: i64 = 400;
/// The language's time values end here, at 100,000,000 days before and after the epoch.
const MAX_TIME_MS: i64 = 8_640_000_000_000_000;

impl Objects {
    /// The time value of the `Date` at `address`, in milliseconds since the epoch; NaN if it is invalid.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_date(&self, address: Address) -> Result<Number, ObjectError> {
        let place = self.layout().place(Field::DateValue)?;
        let word = self.load(address, place)?;
        if place.encoding == Encoding::U64 {
            return Ok(Number::Double(word));
        }
        // V8 up to 12 keeps any number there, and undefined while the object is being made.
        Ok(self
            .read_number(Tagged(word))?
            .unwrap_or(Number::Double(f64::NAN.to_bits())))
    }
}

/// A time value as `Date.prototype.toISOString` says it; `None` if it is no valid time.
pub fn iso_string(time: Number) -> Option<String> {
    let ms = time.to_integer().filter(|ms| ms.abs() <= MAX_TIME_MS)?;
    // Years beyond 9999 are beyond jiff too: the same date some cycles earlier or later has the same month and day.
    let cycles = ms.div_euclid(CYCLE_MS);
    let instant = Timestamp::from_millisecond(ms.rem_euclid(CYCLE_MS)).ok()?;
    let date = Offset::UTC.to_datetime(instant);
    let year = i64::from(date.year()) + cycles * CYCLE_YEARS;
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{}{:06}", if year < 0 { '-' } else { '+' }, year.abs()),
    };
    Some(format!(
        "{year}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.month(),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        date.millisecond()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_to_iso_string_does() {
        for (ms, text) in [
            (0.0, Some("1970-01-01T00:00:00.000Z")),
            (1_234_567_890_123.0, Some("2009-02-13T23:31:30.123Z")),
            (-62_135_596_800_000.0, Some("0001-01-01T00:00:00.000Z")),
            (-62_198_755_200_000.0, Some("-000001-01-01T00:00:00.000Z")),
            (8.64e15, Some("+275760-09-13T00:00:00.000Z")),
            (-8.64e15, Some("-271821-04-20T00:00:00.000Z")),
            (8.64e15 + 1.0, None),
            (f64::NAN, None),
        ] {
            assert_eq!(iso_string(Number::Double(ms.to_bits())).as_deref(), text);
        }
    }
}
