//! Which objects become nodes, where in the file, and with which size.

use crate::graph::{BitSet, Children, DominatorTree, Ephemeron, Ids, Nodes, References};
use crate::v8::{Address, Objects};

use super::ids::ObjectIds;
use super::places::Places;
use super::{Alive, Options, Source, release};

/// Stands for the place of what has none in the file.
pub(super) const NO_PLACE: u64 = u64::MAX;

/// What all batches share.
pub(super) struct Plan<'a> {
    pub(super) objects: &'a Objects,
    pub(super) references: &'a References,
    pub(super) nodes: &'a Nodes,
    pub(super) max_string: usize,
    ids: ObjectIds,
    /// Whether objects that are never collected have a size.
    has_sizes_of_immortals: bool,
    /// Nodes before the first object's.
    first: u64,
    /// One bit for each object: whether it becomes a node.
    kept: Vec<u64>,
    /// Nodes before each word of `kept`.
    ranks: Vec<usize>,
    places: Places,
    /// What is left out, by the object that dominates it: bytes in addition to its own. Empty if nothing is left out.
    folded: Vec<u64>,
    /// Bytes of what is left out and no single object dominates.
    pub(super) shared: u64,
    /// The dominator tree from above, if objects are left out.
    children: Option<Children>,
    /// Sorted by key, and sorted by table.
    by_key: Vec<Ephemeron>,
    by_table: Vec<Ephemeron>,
    /// The keys and tables of pairs.
    paired: BitSet,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        source: &Source<'a>,
        references: &'a References,
        first: u64,
        options: &Options,
    ) -> Self {
        let Source {
            objects,
            alive,
            ephemerons,
            ..
        } = *source;
        let nodes = alive.nodes();
        let count = nodes.len();
        let mut plan = Self {
            objects,
            references,
            nodes,
            max_string: options.max_string,
            ids: ObjectIds::new(objects.pages().pages()),
            has_sizes_of_immortals: release::has_sizes_of_immortals(objects),
            first,
            kept: vec![0; count.div_ceil(64)],
            ranks: Vec::with_capacity(count.div_ceil(64)),
            places: Places::default(),
            folded: Vec::new(),
            shared: 0,
            children: None,
            by_key: ephemerons.to_vec(),
            by_table: ephemerons.to_vec(),
            paired: BitSet::new(count),
        };
        for id in ephemerons.iter().flat_map(|pair| [pair.key, pair.table]) {
            plan.paired.insert(id);
        }
        plan.by_key
            .sort_unstable_by_key(|pair| (pair.key, pair.table));
        plan.by_table
            .sort_unstable_by_key(|pair| (pair.table, pair.key));
        match alive {
            Alive::All(reachable) => reachable.alive().for_each(|id| plan.keep(id)),
            Alive::Retaining { tree, at_least } => {
                plan.children = Some(tree.children());
                plan.folded = vec![0; count];
                for id in tree.alive() {
                    if tree.retained(id) >= at_least {
                        plan.keep(id);
                    } else {
                        plan.fold(id, tree, at_least);
                    }
                }
            }
        }
        let mut rank = 0;
        for word in &plan.kept {
            plan.ranks.push(rank);
            rank += word.count_ones() as usize;
        }
        let addresses = (0..).zip(nodes.addresses_from(0));
        let kept = addresses.filter(|(id, _)| plan.is_kept(*id));
        plan.places = Places::new(first, kept.map(|(_, address)| address));
        plan
    }

    fn keep(&mut self, id: usize) {
        if let Some(word) = self.kept.get_mut(id / 64) {
            *word |= 1 << (id % 64);
        }
    }

    fn is_kept(&self, id: usize) -> bool {
        let word = self.kept.get(id / 64);
        word.is_some_and(|word| word & 1 << (id % 64) != 0)
    }

    /// Adds the size of an object that is left out to that of the next object above it in the dominator tree that is not.
    /// Whoever dominates retains more. What no object dominates is added to that of the roots.
    fn fold(&mut self, id: usize, tree: &DominatorTree, at_least: u64) {
        let size = self.size(id);
        let mut above = tree.dominator(id);
        while let Some(object) = above {
            if tree.retained(object) >= at_least {
                if let Some(bytes) = self.folded.get_mut(object) {
                    *bytes += size;
                }
                return;
            }
            above = tree.dominator(object);
        }
        self.shared += size;
    }

    /// The size of an object, as V8 counts it, without what is left out because of it.
    fn size(&self, id: usize) -> u64 {
        if self.has_sizes_of_immortals || !self.nodes.is_immortal(id) {
            self.nodes.size(id)
        } else {
            0
        }
    }

    /// The objects that become nodes, in the order of the file, without so many of the first.
    pub(super) fn kept_from(&self, skipped: usize) -> impl Iterator<Item = usize> {
        // Of several words with this rank, all but the last are empty.
        let start = self.ranks.partition_point(|rank| *rank <= skipped);
        let start = start.saturating_sub(1);
        let rank = self.ranks.get(start).copied().unwrap_or(0);
        let words = (start..).zip(self.kept.get(start..).unwrap_or_default());
        words
            .flat_map(|(word, bits)| {
                (0..64)
                    .filter(move |bit| bits & (1 << bit) != 0)
                    .map(move |bit| word * 64 + bit)
            })
            .skip(skipped - rank)
    }

    /// How many objects become nodes.
    pub(super) fn kept_count(&self) -> u64 {
        self.kept
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    /// The place in the file of an object's node, by its number.
    pub(super) fn place_of(&self, id: usize) -> Option<u64> {
        let word = id / 64;
        let bits = *self.kept.get(word)?;
        let bit = 1_u64 << (id % 64);
        if bits & bit == 0 {
            return None;
        }
        let before = (bits & (bit - 1)).count_ones() as usize;
        Some(self.first + (*self.ranks.get(word)? + before) as u64)
    }

    /// The place in the file of the node of the object at an address.
    pub(super) fn place(&self, object: Address) -> Option<u64> {
        self.places.get(object)
    }

    /// The id of an object's node: see [`ObjectIds`]. Where there are more pages than ids can name, one that leads nowhere.
    pub(super) fn id(&self, object: Address, number: usize) -> u64 {
        match self.ids.id(object) {
            Some(id) => u64::from(id),
            None => u64::from(u32::MAX) + 2 + number as u64 * 2,
        }
    }

    /// The size of an object with all that is left out because of it, in bytes.
    pub(super) fn bytes(&self, id: usize) -> u64 {
        let folded = self.folded.get(id).copied().unwrap_or(0);
        self.size(id) + folded
    }

    /// The objects that an object dominates, where some are left out: the way to them may lead through those.
    pub(super) fn dominated(&self, id: Option<usize>) -> Ids<'_> {
        self.children
            .as_ref()
            .map_or_else(Ids::default, |children| children.of(id))
    }

    /// Whether an object is a key or a table of a pair: few are.
    pub(super) fn is_paired(&self, id: usize) -> bool {
        self.paired.contains(id)
    }

    /// The pairs in weak collections of which an object is the key.
    pub(super) fn pairs_of_key(&self, id: usize) -> &[Ephemeron] {
        equal_range(&self.by_key, id, |pair| pair.key)
    }

    /// The pairs in weak collections of which an object is the table.
    pub(super) fn pairs_of_table(&self, id: usize) -> &[Ephemeron] {
        equal_range(&self.by_table, id, |pair| pair.table)
    }
}

fn equal_range(pairs: &[Ephemeron], id: usize, of: impl Fn(&Ephemeron) -> usize) -> &[Ephemeron] {
    let start = pairs.partition_point(|pair| of(pair) < id);
    let rest = pairs.get(start..).unwrap_or_default();
    let len = rest.partition_point(|pair| of(pair) == id);
    rest.get(..len).unwrap_or_default()
}
