//! Checks a layout on the very image: whether what it reads makes sense.
//!
//! The checks need nothing but facts that hold in every V8: a meta-map is its own map, the oddballs print their own names,
//! every program has an `Object` and an `Array`, and the objects of a page fill it.

use serde::Serialize;

use crate::heap::{ClassKind, Classifier, HeapObject, PageSelection, Sample, Tally, Visitor, walk};
use crate::layout::Field;
use crate::v8::{Address, Objects};

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, in a word or two.
    pub name: &'static str,
    /// Whether it came out as it must.
    pub passed: bool,
    /// What was found.
    pub detail: String,
}

/// Oddballs are no more than a handful in each read-only heap; more than this need not be looked at.
const ODDBALLS_LOOKED_AT: usize = 64;

/// Runs all checks.
pub fn self_check(objects: &Objects, tally: &Tally) -> Vec<Check> {
    vec![
        meta_maps(objects),
        oddballs(objects),
        constructors(objects, tally),
        coverage(tally),
    ]
}

fn meta_maps(objects: &Objects) -> Check {
    let found = objects.meta_maps();
    Check {
        name: "meta-maps",
        passed: !found.is_empty(),
        detail: match found.as_slice() {
            [] => "no object is its own map".to_owned(),
            [only] => format!("{only} is its own map"),
            more => format!("{} objects are their own maps", more.len()),
        },
    }
}

#[derive(Default)]
struct Oddballs {
    instance_type: Option<u16>,
    found: Vec<Address>,
}

impl Visitor for Oddballs {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if Some(object.map.instance_type) == self.instance_type
            && self.found.len() < ODDBALLS_LOOKED_AT
        {
            self.found.push(object.address);
        }
    }
}

fn oddballs(objects: &Objects) -> Check {
    let instance_type = objects.layout().types.number("ODDBALL_TYPE");
    let make = || Oddballs {
        instance_type,
        found: Vec::new(),
    };
    let (visitors, _) = walk(objects, PageSelection::default(), make);
    let mut names: Vec<String> = visitors
        .into_iter()
        .flat_map(|visitor| visitor.found)
        .filter_map(|oddball| {
            let name = objects
                .tagged_field(oddball, Field::OddballToString)
                .ok()?
                .strong()?;
            Some(objects.read_string(name, 32).ok()?.to_text())
        })
        .collect();
    names.sort();
    names.dedup();
    let wanted = ["false", "null", "true", "undefined"];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|name| !names.iter().any(|found| found == name))
        .collect();
    Check {
        name: "oddballs",
        passed: missing.is_empty(),
        detail: if missing.is_empty() {
            "true, false, null and undefined print their own names".to_owned()
        } else {
            format!(
                "none prints as {}; found: {}",
                missing.join(", "),
                names.join(", ")
            )
        },
    }
}

fn constructors(objects: &Objects, tally: &Tally) -> Check {
    let classifier = Classifier::new(objects);
    let mut wanted = vec!["Array", "Map", "Object"];
    for map in tally.by_map.keys().filter_map(|(map, _)| objects.map(*map)) {
        if wanted.is_empty() {
            break;
        }
        let class = classifier.class_of(&map, Sample::default());
        wanted.retain(|name| class.kind != ClassKind::Instance || class.name != *name);
    }
    Check {
        name: "constructors",
        passed: wanted.is_empty(),
        detail: if wanted.is_empty() {
            "instances of Object, Array and Map are found under their names".to_owned()
        } else {
            format!("no instance is found of {}", wanted.join(", "))
        },
    }
}

fn coverage(tally: &Tally) -> Check {
    let total = tally.coverage.total();
    Check {
        name: "coverage",
        passed: tally.coverage.ratio() >= 0.99,
        detail: format!(
            "{} of {} bytes of the pages are objects or known to be free",
            total.walked(),
            total.walkable()
        ),
    }
}
