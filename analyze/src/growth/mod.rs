//! What grew from one capture to the next: classes counted in each, the trend over several, and which objects are new.

mod holders;
mod matching;
mod profile;
mod trend;

use std::collections::BTreeMap;

use crate::heap::Count;

pub use holders::{Held, Holders, holders_by_path, holders_by_reference, holders_of};
pub use matching::{Matched, match_objects, newcomers};
pub use profile::{By, Group, Profile, Role};
pub use trend::{Trend, Verdict};

/// One class of objects over all captures.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which objects.
    pub group: Group,
    /// How many there are, and how large they are together, in each capture.
    pub counts: Vec<Count>,
    /// What they retain together in each capture, in bytes, where that was found out.
    pub retained: Vec<u64>,
    /// Where it is going.
    pub trend: Trend,
}

impl Row {
    /// Growth of the shallow bytes from the first capture to the last.
    pub fn growth_bytes(&self) -> i64 {
        difference(&self.counts, |count| count.bytes)
    }

    /// Growth of what they retain from the first capture to the last.
    pub fn growth_retained(&self) -> i64 {
        let ends = (self.retained.first(), self.retained.last());
        let (Some(before), Some(after)) = ends else {
            return 0;
        };
        let size = i64::try_from(after.abs_diff(*before)).unwrap_or(i64::MAX);
        if after < before { -size } else { size }
    }

    /// Growth of the number of objects from the first capture to the last.
    pub fn growth_count(&self) -> i64 {
        difference(&self.counts, |count| count.count)
    }

    /// The objects of the last capture.
    pub fn last(&self) -> Count {
        self.counts.last().copied().unwrap_or_default()
    }

    /// The objects of the first capture.
    pub fn first(&self) -> Count {
        self.counts.first().copied().unwrap_or_default()
    }
}

fn difference(counts: &[Count], of: impl Fn(&Count) -> u64) -> i64 {
    let (Some(first), Some(last)) = (counts.first(), counts.last()) else {
        return 0;
    };
    let (before, after) = (of(first), of(last));
    let size = i64::try_from(after.abs_diff(before)).unwrap_or(i64::MAX);
    if after < before { -size } else { size }
}

/// Puts the profiles of several captures together, class by class. `times` says when each was made, in seconds; without
/// it, they count as equally far apart.
pub fn compare(profiles: &[Profile], times: Option<&[f64]>) -> Vec<Row> {
    let mut rows: BTreeMap<&Group, Vec<Count>> = BTreeMap::new();
    for (index, profile) in profiles.iter().enumerate() {
        for (group, count) in &profile.groups {
            let counts = rows
                .entry(group)
                .or_insert_with(|| vec![Count::default(); profiles.len()]);
            if let Some(slot) = counts.get_mut(index) {
                *slot = *count;
            }
        }
    }
    let equally: Vec<f64> = (0..profiles.len()).map(|index| index as f64).collect();
    let times = times
        .filter(|times| times.len() == profiles.len())
        .unwrap_or(&equally);
    rows.into_iter()
        .map(|(group, counts)| {
            let bytes: Vec<u64> = counts.iter().map(|count| count.bytes).collect();
            let retained = profiles
                .iter()
                .filter_map(|profile| profile.retained.as_ref())
                .map(|retained| retained.get(group).copied().unwrap_or(0));
            Row {
                retained: retained.collect(),
                group: group.clone(),
                trend: Trend::of(&bytes, times),
                counts,
            }
        })
        .collect()
}
