//! Graphs whose numbers are wide against the same with narrow ones: whatever is asked, the answers are equal.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::bits::BitSet;
use super::csr::{Adjacency, Lists};
use super::ids::Either;
use super::index::{Marks, ObjectIndex};
use super::{DominatorTree, Ephemeron, Graph, Nodes, Paths, RootKind, Width};
use crate::cache::{Reader, Stored, Writer};
use crate::v8::Address;

/// Groups of objects by which retained sizes are asked for.
const GROUPS: usize = 3;

const KINDS: [RootKind; 3] = [RootKind::Global, RootKind::Stack, RootKind::Microtask];

/// What a graph is made of.
#[derive(Debug, Clone)]
struct Made {
    /// Of each object: words, map, what it refers to.
    objects: Vec<(u32, u32, Vec<usize>)>,
    roots: BTreeSet<(RootKind, usize)>,
    ephemerons: Vec<Ephemeron>,
    /// Objects that are nothing but the stores of others.
    stores: BTreeSet<usize>,
    outside: BTreeSet<usize>,
}

fn made() -> impl Strategy<Value = Made> {
    (1_usize..40).prop_flat_map(|count| {
        let id = 0..count;
        let targets = prop::collection::vec(id.clone(), 0..4);
        let objects = prop::collection::vec((1_u32..9, 0..GROUPS as u32, targets), count);
        let roots = (prop::sample::select(&KINDS), id.clone());
        let ephemerons = (id.clone(), id.clone(), id.clone());
        (
            objects,
            prop::collection::btree_set(roots, 0..4),
            prop::collection::vec(ephemerons, 0..4),
            prop::collection::btree_set(id.clone(), 0..4),
            prop::collection::btree_set(id, 0..3),
        )
            .prop_map(|(objects, roots, ephemerons, stores, outside)| Made {
                objects,
                roots,
                ephemerons: (ephemerons.into_iter())
                    .map(|(key, value, table)| Ephemeron { key, value, table })
                    .collect(),
                stores,
                outside,
            })
    })
}

impl Made {
    fn nodes(&self, width: Width) -> Nodes {
        let mut marks = Marks::default();
        let mut address = 0x1234_0000;
        marks.page(address);
        for (words, ..) in &self.objects {
            marks.object(Address(address));
            address += u64::from(*words) * 8;
        }
        Nodes {
            width,
            index: ObjectIndex::new(vec![marks], width),
            sizes: self.objects.iter().map(|(words, ..)| *words).collect(),
            maps: self.objects.iter().map(|(_, map, _)| *map).collect(),
            map_addresses: (1..=GROUPS as u64).map(|map| Address(map * 80)).collect(),
            ..Nodes::default()
        }
    }

    fn graph(&self, width: Width) -> Graph {
        // As if two runs of pages had been walked.
        let parts = self.objects.chunks(self.objects.len().div_ceil(2));
        let mut first = 0;
        let lists = parts
            .map(|part| {
                let mut lists = Lists::default();
                lists.begin_at(first);
                first += part.len();
                for (_, _, targets) in part {
                    targets.iter().for_each(|target| lists.push(*target));
                    lists.end(None);
                }
                lists
            })
            .collect();
        let nodes = self.nodes(width);
        let (as_store, otherwise) = (BitSet::new(nodes.len()), BitSet::new(nodes.len()));
        for store in &self.stores {
            as_store.insert(*store);
        }
        for (id, _) in self.objects.iter().enumerate().step_by(2) {
            otherwise.insert(id);
        }
        Graph {
            nodes: Arc::new(nodes),
            edges: match width {
                Width::Narrow => Either::Narrow(Adjacency::from_parts(lists)),
                Width::Wide => Either::Wide(Adjacency::from_parts(lists)),
            },
            roots: self.roots.iter().map(|(kind, id)| (*id, *kind)).collect(),
            missing_roots: vec!["some".to_owned()],
            ephemerons: self.ephemerons.clone(),
            as_store,
            otherwise,
            outside: self.outside.iter().map(|id| (*id, 1 << 40)).collect(),
        }
    }
}

/// What is written and read back.
fn kept<T: Stored>(value: &T, context: T::Context) -> T {
    let mut writer = Writer::default();
    value.write(&mut writer);
    let bytes = writer.finish();
    let mut reader = Reader::new(&bytes);
    let read = T::read(&mut reader, context).unwrap();
    assert!(reader.is_at_end());
    read
}

/// All that can be asked of nodes.
fn of_nodes(nodes: &Nodes) -> impl PartialEq + std::fmt::Debug + use<> {
    let ids = 0..nodes.len();
    let addresses: Vec<_> = ids.clone().map(|id| nodes.address(id)).collect();
    let back: Vec<_> = addresses.iter().map(|at| nodes.id(at.unwrap())).collect();
    assert!(back.into_iter().eq(ids.clone().map(Some)));
    let facts: Vec<_> = ids.map(|id| (nodes.size(id), nodes.map(id))).collect();
    (addresses, facts)
}

/// All that can be asked of a graph.
fn of_graph(graph: &Graph) -> impl PartialEq + std::fmt::Debug + use<> {
    let ids = 0..graph.nodes().len();
    let targets: Vec<_> = ids.clone().map(|id| graph.targets(id).to_vec()).collect();
    let sources: Vec<_> = ids.map(|id| graph.sources(id)).collect();
    assert!(graph.targets(graph.nodes().len()).is_empty());
    // No object has this number, though its lower half is one.
    assert!(graph.targets(1 << 32).is_empty());
    (
        (targets, sources, graph.edge_count()),
        (graph.roots().to_vec(), graph.missing_roots().to_vec()),
        (graph.ephemerons().to_vec(), graph.outside.clone()),
        (graph.as_store.words(), graph.otherwise.words()),
    )
}

/// All that can be asked of a dominator tree.
fn of_tree(tree: &DominatorTree) -> impl PartialEq + std::fmt::Debug + use<> {
    let ids = 0..tree.nodes().len();
    let children = tree.children();
    let below = |id| {
        let mut below = children.of(id).to_vec();
        below.sort_unstable();
        below
    };
    assert!(below(None).into_iter().eq(tree.top()));
    assert!(!tree.is_alive(1 << 32));
    (
        ids.clone()
            .map(|id| (tree.dominator(id), tree.retained(id), tree.is_alive(id)))
            .collect::<Vec<_>>(),
        ids.map(|id| below(Some(id))).collect::<Vec<_>>(),
        (tree.alive().collect::<Vec<_>>(), tree.live_bytes()),
        (tree.dead().collect::<Vec<_>>(), below(None)),
        tree.retained_by_group(GROUPS, |id| Some(tree.nodes().map(id))),
        tree.missing_roots().to_vec(),
    )
}

/// All that can be asked of paths.
fn of_paths(paths: &Paths) -> impl PartialEq + std::fmt::Debug + use<> {
    let ids = 0..paths.nodes().len();
    (
        ids.map(|id| (paths.previous(id), paths.to(id), paths.root_kind(id)))
            .collect::<Vec<_>>(),
        paths.missing_roots().to_vec(),
    )
}

proptest! {
    #[test]
    fn both_widths_answer_alike(made in made()) {
        let (narrow, wide) = (made.graph(Width::Narrow), made.graph(Width::Wide));
        prop_assert!(matches!(wide.edges, Either::Wide(_)));
        prop_assert_eq!(of_nodes(narrow.nodes()), of_nodes(wide.nodes()));
        prop_assert_eq!(of_graph(&narrow), of_graph(&wide));
        let paths = [&narrow, &wide].map(|graph| {
            Paths::around(graph, |id| graph.nodes().map(id) == 0)
        });
        prop_assert_eq!(of_paths(&paths[0]), of_paths(&paths[1]));
        let trees = [narrow.dominators(), wide.dominators()];
        let facts = of_tree(&trees[0]);
        prop_assert_eq!(&facts, &of_tree(&trees[1]));
        // In both ways in which a tree is made.
        prop_assert_eq!(&facts, &of_tree(&narrow.into_dominators()));
        prop_assert_eq!(&facts, &of_tree(&wide.into_dominators()));
        for width in [Width::Narrow, Width::Wide] {
            let reachable = made.graph(width).into_reachable();
            prop_assert!(reachable.alive().eq(trees[0].alive()));
        }
    }

    #[test]
    fn both_widths_come_back_from_a_cache(made in made()) {
        for width in [Width::Narrow, Width::Wide] {
            let graph = made.graph(width);
            let nodes = Arc::new(kept(graph.nodes(), ()));
            prop_assert_eq!(nodes.width(), width);
            prop_assert_eq!(of_nodes(graph.nodes()), of_nodes(&nodes));
            let read = kept(&graph, Arc::clone(&nodes));
            prop_assert_eq!(of_graph(&graph), of_graph(&read));
            let paths = Paths::around(&graph, |id| graph.nodes().map(id) == 0);
            prop_assert_eq!(of_paths(&paths), of_paths(&kept(&paths, Arc::clone(&nodes))));
            let tree = graph.dominators();
            prop_assert_eq!(of_tree(&tree), of_tree(&kept(&tree, nodes)));
        }
    }
}

#[test]
fn narrow_columns_are_not_taken_for_wide_ones() {
    let made = Made {
        objects: vec![(2, 0, vec![1]), (2, 1, vec![0, 0])],
        roots: BTreeSet::from([(RootKind::Global, 0)]),
        ephemerons: Vec::new(),
        stores: BTreeSet::new(),
        outside: BTreeSet::new(),
    };
    let mut writer = Writer::default();
    made.graph(Width::Narrow).dominators().write(&mut writer);
    let bytes = writer.finish();
    let read = |width| DominatorTree::read(&mut Reader::new(&bytes), Arc::new(made.nodes(width)));
    assert!(read(Width::Narrow).is_some());
    assert!(read(Width::Wide).is_none());
}
