//! Ranges of addresses from a capture: in any order, overlapping as they like.

use std::ops::Range;

/// The same addresses as sorted, disjoint, non-empty ranges, so that each can be found by bisection and is met once: a
/// hostile capture may hold a million that all cover one page.
pub(crate) fn disjoint(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::disjoint;

    #[test]
    fn overlapping_ranges_become_one() {
        let backwards = std::ops::Range { start: 30, end: 20 };
        assert_eq!(
            disjoint(vec![5..9, 20..20, 1..3, 2..4, 6..7, 9..10, backwards]),
            [1..4, 5..10]
        );
    }
}
