//! A path in words: which property, element, variable or field leads from one object to the next.

use super::{EdgeKind, EdgeName, References, edges_to};
use crate::v8::{Address, Objects};

/// V8's own objects between two of the program's are passed over, so many at most: a hash table and a property cell lie
/// between the global object and its properties.
const LOOK_AHEAD: usize = 3;

/// The name of a link from the key of a weak collection to its value.
pub const WEAK_VALUE: &str = "value in a WeakMap under this key";

/// One link of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What sort of reference it is.
    pub kind: EdgeKind,
    /// Its name.
    pub name: EdgeName,
    /// What it leads to.
    pub to: Address,
}

/// The links of a path, each of whose objects refers to the next. What an object holds by way of V8's own (the array of its
/// properties, the table of a `Map`) is one link.
pub fn links(objects: &Objects, references: &References, path: &[Address]) -> Vec<Link> {
    let mut links = Vec::new();
    let mut at = 0;
    while let Some((from, rest)) = path.get(at..).and_then(<[Address]>::split_first) {
        let near = rest.get(..rest.len().min(LOOK_AHEAD)).unwrap_or_default();
        let Some(next) = near.first() else { break };
        let edges = edges_to(objects, references, *from, near)
            .map(|edges| edges.list)
            .unwrap_or_default();
        // The one that goes the furthest, of those the one that the program knows.
        let best = edges
            .into_iter()
            .filter(|edge| edge.kind != EdgeKind::Weak)
            .filter_map(|edge| {
                let to = edge.target.object()?;
                let steps = near.iter().position(|near| *near == to)?;
                let own = matches!(edge.kind, EdgeKind::Internal | EdgeKind::Hidden);
                // To pass over what lies between takes a name that says so.
                (steps == 0 || !own).then_some((
                    (steps, !own, edge.kind != EdgeKind::Hidden),
                    edge,
                    to,
                ))
            })
            .max_by_key(|(order, ..)| *order);
        let link = match best {
            Some(((steps, ..), edge, to)) => {
                at += steps + 1;
                Link {
                    kind: edge.kind,
                    name: edge.name,
                    to,
                }
            }
            // The key of a weak collection does not refer to what it keeps alive.
            None => {
                at += 1;
                Link {
                    kind: EdgeKind::Internal,
                    name: WEAK_VALUE.into(),
                    to: *next,
                }
            }
        };
        links.push(link);
    }
    links
}
