//! What holds objects that are new: the ways to them from the roots, those together that are alike.

use rustc_hash::FxHashSet;

use crate::graph::{
    EdgeKind, EdgeName, Graph, Link, Paths, References, RootKind, links, referrers,
};
use crate::heap::{ClassKind, Classifier, PageSelection, Sample};
use crate::v8::{Address, Objects};

/// Of the new objects of a class, so many are looked at.
const SAMPLES: usize = 32;
/// Of a longer way, so many objects at each end are told.
const END: usize = 40;
/// Of those that refer to the looked-at ones, so many are named.
const REFERRERS: usize = 64;

/// A way that leads to new objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Why the first object is alive; `None` if only the last step is known.
    pub root: Option<RootKind>,
    /// The way in words; indexes and keys are left out, so that objects of one array are on one way.
    pub path: String,
    /// The nearest object on the way that was there before, at the same address and of the same class, and its class: what has
    /// got more to hold.
    pub holder: Option<(Address, String)>,
    /// How many of the looked-at objects it leads to.
    pub objects: usize,
}

/// What holds new objects of a class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// How many of them were looked at.
    pub looked_at: usize,
    /// Those of them that nothing holds: they are dead, and not yet swept.
    pub dead: usize,
    /// The ways to the others, the one to most of them first.
    pub list: Vec<Held>,
}

impl Holders {
    fn add(&mut self, found: Held) {
        let known = self
            .list
            .iter_mut()
            .find(|held| held.root == found.root && held.path == found.path);
        match known {
            Some(held) => {
                held.objects += 1;
                held.holder = held.holder.take().or(found.holder);
            }
            None => self.list.push(found),
        }
    }

    fn sort(&mut self) {
        self.list
            .sort_by(|a, b| (b.objects, &a.path).cmp(&(a.objects, &b.path)));
    }
}

/// What holds some of these objects, by the shortest ways from the roots. `was_there` tells of an object whether an earlier
/// capture has one of its class at its address.
pub fn holders_by_path(
    objects: &Objects,
    references: &References,
    (graph, paths): (&Graph, &Paths),
    new: &[Address],
    was_there: impl Fn(Address) -> bool,
) -> Holders {
    let mut holders = Holders::default();
    for address in spread(new) {
        holders.looked_at += 1;
        let way = graph.nodes().id(address).and_then(|id| paths.to(id));
        match way.and_then(|way| along(objects, references, graph, way, &was_there)) {
            Some(held) => holders.add(held),
            None => holders.dead += 1,
        }
    }
    holders.sort();
    holders
}

/// Who refers to these objects: one step only, but found without a graph. `None` for what nobody refers to.
pub fn holders_by_reference(
    objects: &Objects,
    references: &References,
    new: &FxHashSet<Address>,
    was_there: impl Fn(Address) -> bool,
) -> Vec<(Address, Held)> {
    let (found, _) = referrers(
        objects,
        references,
        PageSelection::default(),
        new,
        REFERRERS,
    );
    let strong = found
        .into_iter()
        .filter(|referrer| referrer.edge.kind != EdgeKind::Weak);
    strong
        .filter_map(|referrer| {
            let target = referrer.edge.target.object()?;
            let class = class_name(objects, referrer.holder);
            let step = step(referrer.edge.kind, &referrer.edge.name);
            let holder = was_there(referrer.holder).then(|| (referrer.holder, class.clone()));
            Some((
                target,
                Held {
                    root: None,
                    path: format!("{class}{step}"),
                    holder,
                    objects: 1,
                },
            ))
        })
        .collect()
}

/// Puts together what holds the objects of one class.
pub fn holders_of(found: &[(Address, Held)], new: &[Address]) -> Holders {
    let mut holders = Holders {
        looked_at: new.len(),
        ..Holders::default()
    };
    for address in new {
        let mut of_it = found.iter().filter(|(target, _)| target == address);
        if let Some((_, held)) = of_it.next() {
            holders.add(held.clone());
        } else {
            holders.dead += 1;
        }
    }
    holders.sort();
    holders
}

/// Some of the objects, from the first to the last.
fn spread(new: &[Address]) -> impl Iterator<Item = Address> {
    let step = new.len().div_ceil(SAMPLES).max(1);
    new.iter().step_by(step).copied()
}

fn along(
    objects: &Objects,
    references: &References,
    graph: &Graph,
    (root, way): (RootKind, Vec<usize>),
    was_there: &impl Fn(Address) -> bool,
) -> Option<Held> {
    let addresses: Vec<Address> = way
        .iter()
        .filter_map(|id| graph.nodes().address(*id))
        .collect();
    let first = *addresses.first()?;
    let steps: Vec<Link> = if addresses.len() <= 2 * END {
        links(objects, references, &addresses)
    } else {
        let mut both = links(objects, references, addresses.get(..END)?);
        both.extend(links(
            objects,
            references,
            addresses.get(addresses.len() - END..)?,
        ));
        both
    };
    let mut path = class_name(objects, first);
    let mut last = String::new();
    let mut is_repeated = false;
    for link in &steps {
        let next = step(link.kind, &link.name);
        // A list leads from one to the next, however long it is.
        if next == last && link.kind != EdgeKind::Element {
            if !is_repeated {
                path += " (again and again)";
                is_repeated = true;
            }
            continue;
        }
        is_repeated = false;
        path += &next;
        last = next;
    }
    let before = steps.iter().rev().skip(1).map(|link| link.to);
    let holder = before
        .chain([first])
        .find(|object| is_known_to_programs(objects, *object) && was_there(*object));
    Some(Held {
        root: Some(root),
        path,
        holder: holder.map(|object| (object, class_name(objects, object))),
        objects: 1,
    })
}

/// One step of a way. Indexes and keys differ from object to object.
fn step(kind: EdgeKind, name: &EdgeName) -> String {
    match (kind, name) {
        (EdgeKind::Element, _) | (_, EdgeName::Index(_)) => "[…]".to_owned(),
        (EdgeKind::Context, name) => format!(" → variable {name}"),
        (EdgeKind::Property, name) => format!(".{name}"),
        (EdgeKind::Shortcut, EdgeName::Name(name)) if name.starts_with('[') => "[…]".to_owned(),
        (EdgeKind::Shortcut, EdgeName::Name(name)) if name.starts_with("(key ") => {
            " → (a key)".to_owned()
        }
        (_, EdgeName::Name(name)) => format!(" → {name}"),
    }
}

fn is_known_to_programs(objects: &Objects, address: Address) -> bool {
    let sample = Sample {
        address: Some(address),
        is_the_only: false,
    };
    objects.map_of(address).is_ok_and(|map| {
        let class = Classifier::new(objects).class_of(&map, sample);
        matches!(class.kind, ClassKind::Instance | ClassKind::Function)
    })
}

/// The class of an object, or the name of a function.
fn class_name(objects: &Objects, address: Address) -> String {
    let Ok(map) = objects.map_of(address) else {
        return "?".to_owned();
    };
    if objects.is_function_type(map.instance_type)
        && let Ok(function) = objects.read_function(address)
        && !function.name.is_empty()
    {
        return format!("{}()", function.name);
    }
    let sample = Sample {
        address: Some(address),
        is_the_only: false,
    };
    Classifier::new(objects).class_of(&map, sample).name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_and_keys_are_left_out() {
        for (kind, name, text) in [
            (EdgeKind::Element, EdgeName::from(17_u64), "[…]"),
            (EdgeKind::Shortcut, "[\"user-1\"]".into(), "[…]"),
            (EdgeKind::Shortcut, "(key 3)".into(), " → (a key)"),
            (EdgeKind::Property, "sessions".into(), ".sessions"),
            (EdgeKind::Context, "cache".into(), " → variable cache"),
            (EdgeKind::Internal, "table".into(), " → table"),
        ] {
            assert_eq!(step(kind, &name), text);
        }
    }

    #[test]
    fn few_are_taken_from_many() {
        let many: Vec<Address> = (0..1000).map(Address).collect();
        assert_eq!(spread(&many).count(), SAMPLES);
        assert_eq!(spread(&many[..5]).count(), 5);
        assert_eq!(spread(&[]).count(), 0);
    }

    #[test]
    fn ways_that_are_alike_are_one() {
        let held = |path: &str| Held {
            root: None,
            path: path.to_owned(),
            holder: None,
            objects: 1,
        };
        let found = [
            (Address(8), held("a")),
            (Address(16), held("b")),
            (Address(24), held("b")),
        ];
        let new: Vec<Address> = [8, 16, 24, 32].map(Address).to_vec();
        let holders = holders_of(&found, &new);
        assert_eq!((holders.looked_at, holders.dead), (4, 1));
        let list: Vec<_> = holders
            .list
            .iter()
            .map(|held| (held.path.as_str(), held.objects))
            .collect();
        assert_eq!(list, [("b", 2), ("a", 1)]);
    }
}
