//! Whether something grows steadily, or only warmed up.

/// Less growth than this part of the size is none…
const NOISE_PART: f64 = 0.01;
/// …nor is less than so many bytes.
const NOISE_BYTES: f64 = 1024.0;
/// With at most this part of the mean rate in its last interval, growth has come to its end.
const SETTLED: f64 = 0.1;
/// With at most this part, it slows down.
const SLOWING: f64 = 0.5;

/// What becomes of the size of something over several captures, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// There was none in the first capture, and there is in the last of two.
    New,
    /// There was some in the first capture, and none in the last.
    Gone,
    /// It is larger in the last of two captures.
    Grew,
    /// It is smaller in the last capture.
    Shrank,
    /// It grew in each interval, and in the last about as fast as before: what a leak does.
    Steady,
    /// It grew in each interval, but slower in the last.
    Slowing,
    /// It grew, but hardly in the last interval: what a program does until it has loaded everything and filled its caches.
    WarmUp,
    /// It is larger in the end, but was smaller in between than before.
    Fluctuating,
    /// It is as large as it was.
    Stable,
}

impl Verdict {
    /// The verdict as text and JSON have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Grew => "grew",
            Self::Shrank => "shrank",
            Self::Steady => "steady growth",
            Self::Slowing => "slowing",
            Self::WarmUp => "warm-up",
            Self::Fluctuating => "fluctuating",
            Self::Stable => "stable",
        }
    }
}

/// How a size develops over several captures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// In one word.
    pub verdict: Verdict,
    /// Bytes per unit of time, by least squares over all captures.
    pub slope: f64,
    /// Part of all growth that happened in the last interval; `None` if there was no growth or only one interval.
    pub last_share: Option<f64>,
    /// Whether it never became smaller.
    pub is_monotone: bool,
}

impl Trend {
    /// The trend of sizes in bytes at the given times, of which there are as many, in ascending order.
    pub fn of(sizes: &[u64], times: &[f64]) -> Self {
        let values: Vec<f64> = sizes.iter().map(|size| *size as f64).collect();
        let first = values.first().copied().unwrap_or(0.0);
        let last = values.last().copied().unwrap_or(0.0);
        let growth = last - first;
        let noise = NOISE_BYTES.max(first.max(last) * NOISE_PART);
        let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let is_monotone = steps.iter().all(|step| *step >= 0.0);
        let last_step = steps.last().copied().unwrap_or(0.0);
        let last_share = (growth > 0.0 && steps.len() > 1).then_some(last_step / growth);
        let verdict = if first == 0.0 && last > 0.0 && steps.len() < 2 {
            Verdict::New
        } else if last == 0.0 && first > 0.0 {
            Verdict::Gone
        } else if growth.abs() < noise {
            Verdict::Stable
        } else if growth < 0.0 {
            Verdict::Shrank
        } else if steps.len() < 2 {
            Verdict::Grew
        } else {
            over_several(&steps, times, growth)
        };
        Self {
            verdict,
            slope: slope(&values, times),
            last_share,
            is_monotone,
        }
    }
}

/// The verdict on what has grown over two intervals or more.
fn over_several(steps: &[f64], times: &[f64], growth: f64) -> Verdict {
    let whole = match (times.first(), times.last()) {
        (Some(first), Some(last)) if last > first => last - first,
        _ => return Verdict::Grew,
    };
    let mean_rate = growth / whole;
    let rate = |index: usize| {
        let time = match (times.get(index), times.get(index + 1)) {
            (Some(from), Some(to)) if to > from => to - from,
            _ => whole / steps.len() as f64,
        };
        steps.get(index).copied().unwrap_or(0.0) / time
    };
    let last_rate = rate(steps.len() - 1);
    // A little less in between, as after a collection, is no shrinking.
    let dips = steps.iter().any(|step| *step < -NOISE_PART * growth);
    if last_rate <= SETTLED * mean_rate {
        if dips && last_rate < 0.0 {
            Verdict::Fluctuating
        } else {
            Verdict::WarmUp
        }
    } else if dips {
        Verdict::Fluctuating
    } else if last_rate <= SLOWING * mean_rate {
        Verdict::Slowing
    } else if (0..steps.len()).all(|index| rate(index) > SETTLED * mean_rate) {
        Verdict::Steady
    } else {
        Verdict::Grew
    }
}

/// Least squares.
fn slope(values: &[f64], times: &[f64]) -> f64 {
    let n = values.len().min(times.len()) as f64;
    if n < 2.0 {
        return 0.0;
    }
    let mean = |list: &[f64]| list.iter().sum::<f64>() / n;
    let (mean_value, mean_time) = (mean(values), mean(times));
    let (mut above, mut below) = (0.0, 0.0);
    for (value, time) in values.iter().zip(times) {
        above += (time - mean_time) * (value - mean_value);
        below += (time - mean_time) * (time - mean_time);
    }
    if below == 0.0 { 0.0 } else { above / below }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sizes: &[u64]) -> Verdict {
        let times: Vec<f64> = (0..sizes.len()).map(|index| index as f64 * 60.0).collect();
        Trend::of(sizes, &times).verdict
    }

    #[test]
    fn growth_is_told_from_warm_up() {
        assert_eq!(verdict(&[1_000_000, 2_000_000, 3_000_000]), Verdict::Steady);
        assert_eq!(verdict(&[0, 2_000_000, 4_100_000]), Verdict::Steady);
        assert_eq!(verdict(&[1_000_000, 3_000_000, 3_010_000]), Verdict::WarmUp);
        assert_eq!(
            verdict(&[1_000_000, 3_000_000, 3_500_000, 3_900_000]),
            Verdict::Slowing
        );
        assert_eq!(
            verdict(&[1_000_000, 3_000_000, 1_500_000, 2_900_000]),
            Verdict::Fluctuating
        );
        assert_eq!(verdict(&[1_000_000, 1_000_900, 1_000_100]), Verdict::Stable);
        assert_eq!(verdict(&[3_000_000, 2_000_000]), Verdict::Shrank);
        assert_eq!(verdict(&[0, 2_000_000]), Verdict::New);
        assert_eq!(verdict(&[2_000_000, 0]), Verdict::Gone);
        assert_eq!(verdict(&[2_000_000, 4_000_000]), Verdict::Grew);
    }

    #[test]
    fn intervals_of_different_length_are_told_by_rate() {
        // An hour of warm-up, then a short interval at the same rate.
        let steady = Trend::of(&[0, 3_600_000, 3_660_000], &[0.0, 3600.0, 3660.0]);
        assert_eq!(steady.verdict, Verdict::Steady);
        assert!((steady.slope - 1000.0).abs() < 1.0);
        assert!(steady.last_share.is_some_and(|share| share < 0.02));
    }

    #[test]
    fn odd_input_has_a_trend_too() {
        assert_eq!(Trend::of(&[], &[]).verdict, Verdict::Stable);
        assert_eq!(Trend::of(&[5], &[1.0]).slope, 0.0);
        let same_time = Trend::of(&[1, 100_000, 200_000], &[7.0, 7.0, 7.0]);
        assert_eq!((same_time.verdict, same_time.slope), (Verdict::Grew, 0.0));
    }
}
