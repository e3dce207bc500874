//! Which way of writing numbers makes them small: estimated on samples.

use super::super::column::{Code32, From32};
use super::super::cursor::{put_number, zigzag};
use super::pool::Pooled;

/// Numbers that are looked at; half as many where a trial follows.
const SAMPLE: usize = 1024;
/// They are taken in so many runs.
const RUNS: usize = 4;
/// Of a column of so many numbers, the compressor is asked…
const TRIAL_FROM: usize = 2048;
/// …about so many of them…
const TRIAL: usize = 4 * 1024;
/// …written in so many ways…
const TRIALS: usize = 4;
/// …none of which seems to be so many times as long as the best.
const TRIAL_WITHIN: f32 = 1.5;
/// Places of the table that counts numbers; a power of two, twice the sample.
const PLACES: usize = 2 * SAMPLE;

/// Counts how often numbers occur.
pub(super) struct Estimator {
    places: Vec<Place>,
    round: u32,
    used: Vec<u32>,
    /// Logarithms to the base 2.
    logs: Vec<f32>,
    /// By how much *n* log *n* grows with the next *n*.
    steps: Vec<f32>,
    compressor: Option<Pooled>,
    /// A sample as one of the ways writes it.
    sample: Vec<u32>,
    /// All numbers as the way writes them that was chosen.
    written: Vec<u32>,
    /// What numbers are counted from, where they are picked.
    picked: Vec<u32>,
    /// Numbers as one of the ways writes them, the bytes of these, and those compressed.
    trial: Vec<u32>,
    bytes: Vec<u8>,
    compressed: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    round: u32,
    number: u32,
    count: u32,
}

impl Default for Estimator {
    fn default() -> Self {
        let log = |number: usize| {
            if number == 0 {
                0.0
            } else {
                (number as f32).log2()
            }
        };
        let whole = |number: usize| number as f32 * log(number);
        Self {
            places: vec![Place::default(); PLACES],
            round: 0,
            used: Vec::with_capacity(SAMPLE),
            logs: (0..=SAMPLE).map(log).collect(),
            steps: (0..SAMPLE).map(|n| whole(n + 1) - whole(n)).collect(),
            compressor: None,
            sample: Vec::with_capacity(SAMPLE),
            written: Vec::new(),
            picked: Vec::new(),
            trial: Vec::new(),
            bytes: Vec::new(),
            compressed: Vec::new(),
        }
    }
}

/// The runs of a column that are looked at.
fn runs(len: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let (count, run) = match len {
        0..=SAMPLE => (1, len),
        TRIAL_FROM.. => (RUNS, SAMPLE / 2 / RUNS),
        _ => (RUNS, SAMPLE / RUNS),
    };
    let step = (len - run) / count.max(2).saturating_sub(1);
    (0..count).map(move |index| index * step..index * step + run)
}

impl Estimator {
    fn log(&self, number: usize) -> f32 {
        self.logs.get(number).copied().unwrap_or(0.0)
    }

    /// Bits that a sample of numbers takes, written with variable length, and in so many planes.
    ///
    /// For numbers of variable length, one that comes again is a match for the compressor, whatever its length; for planes, each byte counts by itself.
    fn cost(&mut self, numbers: &[u32]) -> [(f32, u8); 2] {
        let len = numbers.len();
        self.round += 1;
        self.used.clear();
        let mut all = 0;
        for number in numbers {
            all |= *number;
            let hash = number.wrapping_mul(0x9E37_79B9) >> 16;
            let mut at = hash as usize % PLACES;
            while let Some(place) = self.places.get_mut(at) {
                if place.round != self.round {
                    *place = Place {
                        round: self.round,
                        number: *number,
                        count: 1,
                    };
                    self.used.push(at as u32);
                    break;
                }
                if place.number == *number {
                    place.count += 1;
                    break;
                }
                at = (at + 1) % PLACES;
            }
        }
        let mut variable = 0.0;
        for at in &self.used {
            let Some(place) = self.places.get(*at as usize) else {
                continue;
            };
            let first = 8.0 * bytes_of(place.number) as f32;
            let again = self.log(len) - self.log(place.count as usize);
            variable += first + (place.count - 1) as f32 * again.max(0.05);
        }
        let planes = planes_of(all);
        let planar = self.entropy(numbers, planes);
        // What is written in planes is slower to read.
        [(variable * 0.98, 0), (planar, planes)]
    }

    /// Bits of the lower bytes of the numbers, `planes` of each, each byte by itself.
    fn entropy(&self, numbers: &[u32], planes: u8) -> f32 {
        match planes {
            1 => self.entropy_of::<1>(numbers),
            2 => self.entropy_of::<2>(numbers),
            3 => self.entropy_of::<3>(numbers),
            _ => self.entropy_of::<4>(numbers),
        }
    }

    /// All planes in one pass: the sum of one does not wait for that of another.
    fn entropy_of<const PLANES: usize>(&self, numbers: &[u32]) -> f32 {
        let mut counts = [[0_u16; 256]; PLANES];
        // Of all bytes, n log n for each count that there is in the end: the sum of the steps up to there.
        let mut sums = [0.0; PLANES];
        for number in numbers {
            let bytes = number.to_le_bytes();
            for ((counts, sum), byte) in counts.iter_mut().zip(&mut sums).zip(bytes) {
                if let Some(count) = counts.get_mut(usize::from(byte)) {
                    *sum += self.steps.get(usize::from(*count)).copied().unwrap_or(0.0);
                    *count += 1;
                }
            }
        }
        let all = numbers.len() as f32 * self.log(numbers.len());
        sums.iter().map(|sum| all - sum).sum()
    }

    /// The best way to write numbers, among some; [`Self::written`] has them as it writes them.
    pub(super) fn choose(&mut self, numbers: &[u32], candidates: &[Candidate<'_>]) -> Code32 {
        let mut ways = Vec::with_capacity(2 * candidates.len());
        let mut sample = std::mem::take(&mut self.sample);
        for candidate in candidates {
            sample.clear();
            for run in runs(numbers.len()) {
                candidate.transform(numbers, run, &mut self.picked, &mut sample);
            }
            let costs = self.cost(&sample);
            ways.extend(costs.map(|(cost, planes)| (cost, *candidate, planes)));
        }
        self.sample = sample;
        ways.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
        let best = if numbers.len() >= TRIAL_FROM {
            self.try_out(numbers, &ways)
        } else {
            ways.first()
                .map(|(_, candidate, planes)| (*candidate, *planes))
        };
        let (candidate, planes) = best.unwrap_or((Candidate::new(From32::Zero), 0));
        self.written.clear();
        let all = 0..numbers.len();
        candidate.transform(numbers, all, &mut self.picked, &mut self.written);
        let planes = if planes == 0 {
            0
        } else {
            planes_of(self.written.iter().fold(0, |all, number| all | number))
        };
        Code32 {
            from: candidate.from,
            planes,
        }
    }

    /// All numbers as the way writes them that was chosen last.
    pub(super) fn written(&self) -> &[u32] {
        &self.written
    }

    /// Of the ways that seem to be the best, the one that the compressor makes least of.
    fn try_out<'a>(
        &mut self,
        numbers: &[u32],
        ways: &[(f32, Candidate<'a>, u8)],
    ) -> Option<(Candidate<'a>, u8)> {
        let middle = numbers.len().saturating_sub(TRIAL) / 2;
        let range = middle..numbers.len().min(middle + TRIAL);
        let least = ways.first()?.0;
        let close = ways
            .iter()
            .take_while(|(cost, ..)| *cost <= least * TRIAL_WITHIN);
        let mut best: Option<(usize, Candidate<'a>, u8)> = None;
        let mut close = close.take(TRIALS).peekable();
        let (_, only, planes) = **close.peek()?;
        let mut tried = 0;
        for (_, candidate, planes) in close {
            self.trial.clear();
            candidate.transform(numbers, range.clone(), &mut self.picked, &mut self.trial);
            self.bytes.clear();
            put_all(&mut self.bytes, &self.trial, *planes);
            let Some(size) = self.compressed_len() else {
                break;
            };
            tried += 1;
            if best.is_none_or(|(least, ..)| size < least) {
                best = Some((size, *candidate, *planes));
            }
        }
        match best {
            Some((_, candidate, planes)) if tried > 1 => Some((candidate, planes)),
            _ => Some((only, planes)),
        }
    }

    /// What the bytes are compressed to; `None` if zstd fails, as when memory is short.
    fn compressed_len(&mut self) -> Option<usize> {
        if self.compressor.is_none() {
            self.compressor = Pooled::new(1).ok();
        }
        self.compressed
            .resize(zstd::zstd_safe::compress_bound(self.bytes.len()), 0);
        let compressor = self.compressor.as_mut()?.get().ok()?;
        compressor
            .compress_to_buffer(&self.bytes, self.compressed.as_mut_slice())
            .ok()
    }
}

/// Writes numbers in planes; 0: with variable length.
pub(super) fn put_all(out: &mut Vec<u8>, numbers: &[u32], planes: u8) {
    if planes == 0 {
        // Nearly all have so many bytes at most.
        out.reserve(numbers.len() * 2);
        for number in numbers {
            put_number(out, u64::from(*number));
        }
    }
    for plane in 0..planes {
        out.extend(numbers.iter().map(|number| (number >> (8 * plane)) as u8));
    }
}

const fn bytes_of(number: u32) -> u32 {
    (32 - (number | 1).leading_zeros()).div_ceil(7)
}

/// How many bytes numbers take whose bits are these.
const fn planes_of(bits: u32) -> u8 {
    (32 - (bits | 1).leading_zeros()).div_ceil(8) as u8
}

/// What each number of a column is counted from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bases<'a> {
    values: &'a [u32],
    /// Which of them; `None`: each.
    picks: Option<&'a [u32]>,
}

impl<'a> Bases<'a> {
    /// Those of the values with the numbers `picks`, or of all.
    pub(super) const fn new(values: &'a [u32], picks: Option<&'a [u32]>) -> Self {
        Self { values, picks }
    }

    pub(super) const fn of_all(values: &'a [u32]) -> Self {
        Self::new(values, None)
    }

    /// Those of some numbers; `picked` is room for them.
    fn of<'b>(&self, range: std::ops::Range<usize>, picked: &'b mut Vec<u32>) -> &'b [u32]
    where
        'a: 'b,
    {
        let Some(picks) = self.picks else {
            return self.values.get(range).unwrap_or_default();
        };
        let picks = picks.get(range).unwrap_or_default().iter();
        picked.clear();
        picked.extend(picks.map(|pick| self.values.get(*pick as usize).copied().unwrap_or(0)));
        picked
    }
}

/// A way to write numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) from: From32,
    bases: Option<Bases<'a>>,
}

impl<'a> Candidate<'a> {
    pub(super) const fn new(from: From32) -> Self {
        Self { from, bases: None }
    }

    pub(super) const fn with(from: From32, bases: Bases<'a>) -> Self {
        Self {
            from,
            bases: Some(bases),
        }
    }

    /// Appends some of the numbers as they are written; `picked` is room for what they are counted from.
    fn transform(
        &self,
        numbers: &[u32],
        range: std::ops::Range<usize>,
        picked: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        let bases = match &self.bases {
            Some(bases) => bases.of(range.clone(), picked),
            None => &[],
        };
        let numbers = numbers.get(range).unwrap_or_default();
        let pairs = || numbers.iter().zip(bases);
        let mut last = 0_u32;
        match self.from {
            From32::Zero => out.extend_from_slice(numbers),
            From32::Last => out.extend(numbers.iter().map(|number| {
                let delta = number.wrapping_sub(last);
                last = *number;
                zigzag(delta)
            })),
            From32::Own(_) => {
                out.extend(pairs().map(|(number, base)| zigzag(number.wrapping_sub(*base))));
            }
            From32::OwnLast(_) => out.extend(pairs().map(|(number, base)| {
                let distance = number.wrapping_sub(*base);
                let delta = distance.wrapping_sub(last);
                last = distance;
                zigzag(delta)
            })),
            From32::Size(_) => {
                out.extend(pairs().map(|(number, base)| zigzag(base.wrapping_sub(*number))));
            }
        }
    }
}
