//! Checks a layout on the very image: whether what it reads makes sense.
//!
//! The checks need nothing but facts that hold in every V8: a meta-map is its own map, the oddballs print their own names,
//! every program has an `Object` and an `Array`, and the objects of a page fill it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::heap::{PageSelection, Tally};
use crate::layout::Field;
use crate::v8::{Address, Objects};

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What was checked, in a word or two.
    pub name: &'static str,
    /// Whether it came out as it must.
    pub passed: bool,
    /// What was found.
    pub detail: String,
}

/// There are a handful of oddballs in each isolate; in a damaged heap there may seem to be many.
const ODDBALLS_LOOKED_AT: usize = 64;

/// Under this part of the bytes walked, figures are called incomplete.
pub const ENOUGH_COVERAGE: f64 = 0.99;

/// Runs all checks on what was counted of the selected pages.
pub fn self_check(objects: &Objects, selection: PageSelection, tally: &Tally) -> Vec<Check> {
    let mut checks = vec![meta_maps(objects, tally)];
    // From V8 10 on the oddballs lie in pages that belong to no isolate.
    if selection == PageSelection::default() {
        checks.push(oddballs(objects, tally));
    }
    checks.push(constructors(objects, tally));
    checks.push(coverage(tally));
    checks
}

fn meta_maps(objects: &Objects, tally: &Tally) -> Check {
    // They are known once other maps have been looked at, which a walk does; but what was counted may come from a cache.
    for (map, _) in tally.by_map.keys() {
        objects.map(*map);
    }
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

fn oddballs(objects: &Objects, tally: &Tally) -> Check {
    let name = |oddball: &Address| {
        let name = objects
            .tagged_field(*oddball, Field::OddballToString)
            .ok()?;
        Some(objects.read_string(name.strong()?, 32).ok()?.to_text())
    };
    let oddballs = tally.oddballs.iter().take(ODDBALLS_LOOKED_AT);
    let mut names: Vec<String> = oddballs.filter_map(name).collect();
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
    // Types whose instances have a constructor of a known name in every program. The name has to be read from there: that
    // `JS_MAP_TYPE` is a map is no proof that names can be read.
    let mut wanted = vec![
        ("JS_ARRAY_TYPE", "Array"),
        ("JS_OBJECT_TYPE", "Object"),
        ("JS_MAP_TYPE", "Map"),
    ];
    let mut program_classes = 0;
    for map in tally.by_map.keys().filter_map(|(map, _)| objects.map(*map)) {
        if map.is_prototype || !objects.is_receiver_type(map.instance_type) {
            continue;
        }
        let Some(name) = objects.class_name(&map) else {
            continue;
        };
        let found = wanted.iter().position(|(type_name, wanted)| {
            objects.is_type(map.instance_type, type_name) && name == *wanted
        });
        if let Some(index) = found {
            wanted.remove(index);
        } else if name != "Object" && objects.is_type(map.instance_type, "JS_OBJECT_TYPE") {
            program_classes += 1;
        }
    }
    let names: Vec<&str> = wanted.iter().map(|(_, name)| *name).collect();
    Check {
        name: "constructors",
        passed: wanted.is_empty() && program_classes > 0,
        detail: if !wanted.is_empty() {
            format!(
                "no constructor is found under the name of {}",
                names.join(", ")
            )
        } else if program_classes == 0 {
            "no class of the program has a name; Node.js itself has dozens".to_owned()
        } else {
            "Object, Array, Map and the classes of the program are found under their names"
                .to_owned()
        },
    }
}

fn coverage(tally: &Tally) -> Check {
    let total = tally.coverage.total();
    Check {
        name: "coverage",
        passed: tally.coverage.ratio() >= ENOUGH_COVERAGE,
        detail: format!(
            "{} of {} bytes of the pages are objects or known to be free",
            total.walked(),
            total.walkable()
        ),
    }
}
