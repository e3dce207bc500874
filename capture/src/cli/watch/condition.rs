//! When `watch` captures: conditions such as `heap>1.5G`, `rss>80%` and `growth>100M/10m`.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::linux::MemoryUse;
use indicatif::HumanBytes;
use jiff::SignedDuration;

use crate::cli::size::Size;

/// What is wrong with a condition, with what would be right.
const EXPECTED: &str = "expected heap>SIZE, rss>SIZE or growth>SIZE/TIME, where SIZE is a number of bytes or percent of the memory \
    that the process may use: heap>1.5G, rss>80%, growth>100M/10m";
/// Longest time over which growth is watched: every second's heap is remembered.
const MAX_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    /// Pages of the V8 heap.
    Heap,
    /// Memory of the process that is in RAM.
    Resident,
    /// What the heap is above the lowest that it was within this time.
    Growth(Duration),
}

/// What it is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Amount {
    Bytes(u64),
    /// Of the memory that the process may use.
    Percent(f64),
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    /// As it was given.
    text: String,
    metric: Metric,
    more_than: Amount,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, amount) = text.split_once('>').ok_or(EXPECTED)?;
        let (metric, amount) = match (name.trim(), amount.split_once('/')) {
            ("heap", None) => (Metric::Heap, amount),
            ("rss", None) => (Metric::Resident, amount),
            ("growth", Some((amount, time))) => {
                let window = duration(time.trim())?;
                if window > MAX_WINDOW {
                    return Err(format!("{time:?} is too long: expected no more than a day"));
                }
                (Metric::Growth(window), amount)
            }
            ("growth", None) => {
                return Err("over what time? For example growth>100M/10m".to_owned());
            }
            _ => return Err(EXPECTED.to_owned()),
        };
        Ok(Self {
            text: text.to_owned(),
            metric,
            more_than: amount.trim().parse()?,
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().map(|Size(bytes)| Self::Bytes(bytes));
        };
        percent
            .trim()
            .parse()
            .ok()
            .filter(|percent: &f64| (0.0..=100.0).contains(percent))
            .map(Self::Percent)
            .ok_or_else(|| format!("{text:?} is no share: expected 0% to 100%"))
    }
}

/// Parses a time, such as `500ms`, `30s`, `10m` or `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text:?} is no time: expected, for example, 500ms, 30s, 10m or 1h"))
}

/// A condition that came true.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Met {
    /// The condition as it was given.
    pub(super) condition: String,
    /// What it is about, in bytes.
    pub(super) value: u64,
    /// What this is more than, in bytes.
    pub(super) threshold: u64,
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, threshold) = (HumanBytes(self.value), HumanBytes(self.threshold));
        write!(f, "{} ({value}, more than {threshold})", self.condition)
    }
}

/// Conditions, and as much of the past as they are about.
#[derive(Debug)]
pub(super) struct Conditions(Vec<(Condition, LowestHeap)>);

impl Conditions {
    pub(super) fn new(conditions: &[Condition]) -> Self {
        Self(
            conditions
                .iter()
                .map(|condition| (condition.clone(), LowestHeap::default()))
                .collect(),
        )
    }

    /// Takes note of how much memory is used at `now`, and returns the first condition that is true.
    pub(super) fn observe(&mut self, now: Instant, memory: MemoryUse) -> Option<Met> {
        let mut met = None;
        for (condition, lowest) in &mut self.0 {
            let value = match condition.metric {
                Metric::Heap => memory.heap_bytes,
                Metric::Resident => memory.resident_bytes,
                Metric::Growth(window) => lowest.growth(now, memory.heap_bytes, window),
            };
            let threshold = match condition.more_than {
                Amount::Bytes(bytes) => bytes,
                Amount::Percent(percent) => (memory.limit_bytes as f64 * percent / 100.0) as u64,
            };
            if value > threshold && met.is_none() {
                met = Some(Met {
                    condition: condition.text.clone(),
                    value,
                    threshold,
                });
            }
        }
        met
    }

    /// Growth counts from what was measured at that time on: a capture was made then.
    ///
    /// Not from what is measured next: a process that leaks has grown until then.
    pub(super) fn restart(&mut self, at: Instant, memory: MemoryUse) {
        for (_, lowest) in &mut self.0 {
            *lowest = LowestHeap(VecDeque::from([(at, memory.heap_bytes)]));
        }
    }
}

/// The heap's lowest sizes within a time: each is lower than all later ones, so the first is the lowest.
#[derive(Debug, Default)]
struct LowestHeap(VecDeque<(Instant, u64)>);

impl LowestHeap {
    /// How much more `heap` is than the lowest within `window`, itself included.
    fn growth(&mut self, now: Instant, heap: u64, window: Duration) -> u64 {
        while self.0.back().is_some_and(|(_, size)| *size >= heap) {
            self.0.pop_back();
        }
        self.0.push_back((now, heap));
        let is_old = |at: Instant| now.saturating_duration_since(at) > window;
        while self.0.front().is_some_and(|(at, _)| is_old(*at)) {
            self.0.pop_front();
        }
        let lowest = self.0.front().map_or(heap, |(_, size)| *size);
        heap.saturating_sub(lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn memory(heap_bytes: u64, resident_bytes: u64) -> MemoryUse {
        MemoryUse {
            heap_bytes,
            resident_bytes,
            limit_bytes: 1000 * MIB,
        }
    }

    fn conditions(texts: &[&str]) -> Conditions {
        let parsed: Vec<Condition> = texts.iter().map(|text| text.parse().unwrap()).collect();
        Conditions::new(&parsed)
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in [
            "",
            "heap",
            "heap<1G",
            "heap>",
            "heap>much",
            "heap>-1M",
            "heap>1G/10m",
            "rss>101%",
            "rss>-1%",
            "rss>NaN%",
            "cpu>80%",
            "growth>100M",
            "growth>100M/0s",
            "growth>100M/-1m",
            "growth>100M/soon",
            "growth>100M/25h",
            "growth>100M/10m/10m",
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(!error.is_empty(), "{text}");
        }
        let spaced: Condition = " heap > 1.5G ".parse().unwrap();
        assert_eq!(spaced.more_than, Amount::Bytes(3 << 29));
    }

    #[test]
    fn sizes_and_shares() {
        let now = Instant::now();
        let mut heap = conditions(&["heap>100M", "rss>80%"]);
        assert_eq!(heap.observe(now, memory(100 * MIB, 800 * MIB)), None);
        let met = heap.observe(now, memory(101 * MIB, 801 * MIB)).unwrap();
        assert_eq!(
            (met.condition.as_str(), met.value),
            ("heap>100M", 101 * MIB)
        );
        let met = heap.observe(now, memory(0, 801 * MIB)).unwrap();
        assert_eq!(met.condition, "rss>80%");
        assert_eq!(met.threshold, 800 * MIB);
    }

    #[test]
    fn growth_is_over_the_lowest_within_the_window() {
        let start = Instant::now();
        let mut growth = conditions(&["growth>100M/10s"]);
        let mut at = |seconds: u64, heap: u64| {
            let now = start + Duration::from_secs(seconds);
            growth
                .observe(now, memory(heap * MIB, 0))
                .map(|met| met.value / MIB)
        };
        assert_eq!(at(0, 300), None);
        assert_eq!(at(2, 200), None);
        assert_eq!(at(4, 300), None);
        assert_eq!(at(5, 301), Some(101));
        // What is older than ten seconds does not count: 300 at 4 s is the lowest now.
        assert_eq!(at(13, 350), None);
        assert_eq!(at(14, 401), Some(101));
        assert_eq!(at(40, 1000), None);
    }

    #[test]
    fn growth_counts_anew() {
        let now = Instant::now();
        let mut growth = conditions(&["growth>1M/1h"]);
        assert_eq!(growth.observe(now, memory(MIB, 0)), None);
        assert!(growth.observe(now, memory(3 * MIB, 0)).is_some());
        growth.restart(now, memory(3 * MIB, 0));
        assert_eq!(growth.observe(now, memory(4 * MIB, 0)), None);
        // What grew until the next look counts, too.
        growth.restart(now, memory(3 * MIB, 0));
        let met = growth.observe(now, memory(6 * MIB, 0)).unwrap();
        assert_eq!(met.value, 3 * MIB);
    }
}
