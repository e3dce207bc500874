//! The greatest few of very many, in bounded memory.

/// Keeps the items with the highest ranks; among equal ranks, the lowest items.
#[derive(Debug, Clone)]
pub struct Top<T> {
    limit: usize,
    items: Vec<(u64, T)>,
    /// Items of lower ranks are not among the kept.
    floor: u64,
}

impl<T: Ord> Top<T> {
    /// Room for `limit` items.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            items: Vec::new(),
            floor: 0,
        }
    }

    /// Whether an item of this rank may be among the kept: to be asked before it is made, if that is costly.
    pub const fn may_keep(&self, rank: u64) -> bool {
        rank >= self.floor && self.limit > 0
    }

    /// Adds an item.
    pub fn push(&mut self, rank: u64, item: T) {
        if !self.may_keep(rank) {
            return;
        }
        self.items.push((rank, item));
        if self.items.len() > self.limit.saturating_mul(2).max(64) {
            self.shrink();
        }
    }

    /// Adds what another one kept.
    pub fn merge(&mut self, other: Self) {
        for (rank, item) in other.items {
            self.push(rank, item);
        }
    }

    /// The items that were kept, highest rank first.
    pub fn into_sorted(mut self) -> Vec<(u64, T)> {
        self.shrink();
        self.items
    }

    fn shrink(&mut self) {
        self.items
            .sort_unstable_by(|(a, left), (b, right)| b.cmp(a).then_with(|| left.cmp(right)));
        self.items.truncate(self.limit);
        if self.items.len() == self.limit
            && let Some((least, _)) = self.items.last()
        {
            self.floor = *least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_stay() {
        let mut top = Top::new(3);
        let mut other = Top::new(3);
        for number in 0..1000_u64 {
            let half = if number % 2 == 0 {
                &mut top
            } else {
                &mut other
            };
            half.push(number / 2, number);
        }
        top.merge(other);
        assert!(!top.may_keep(3));
        assert_eq!(top.into_sorted(), [(499, 998), (499, 999), (498, 996)]);
        let mut none = Top::new(0);
        none.push(1, ());
        assert!(none.into_sorted().is_empty());
    }
}
