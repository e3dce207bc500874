//! `v8mini refs`: who refers to an object.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use rustc_hash::{FxHashMap, FxHashSet};
use schemars::JsonSchema;
use serde::Serialize;

use super::address::object_at;
use super::file::{FileArgs, InputArgs};
use super::output::{DIM, Outcome, Output, grouped};
use super::schema::Hex;
use super::search::PropertyPattern;
use super::session::{Query, Session};
use crate::graph::{EdgeKind, EdgeName, Referrer, referrers, referrers_of_referrers};
use crate::heap::{Classifier, HeapObject, PageSelection, Sample, Visitor, walk};
use crate::inspect::{Options, describe, describe_property, one_line};
use crate::v8::{Address, Objects, PropertyValue};

/// Most lines of a tree of references, and most objects that it is made of.
const MAX_LINES: usize = 10_000;
const MAX_OBJECTS: usize = 2_000;
/// Deepest level of a tree of references.
const MAX_DEPTH: usize = 100;

/// Shows who refers to an object: by which property, element, entry of a map, variable of a closure, or field of V8's own
///
/// ADDR asks who refers to that object; --name, which objects have a property of this name; --string and --type, who refers to any
/// string of this text, to any object of this class. Objects that are dead but not yet swept refer too.
#[derive(Debug, Args)]
pub(super) struct Refs {
    #[command(flatten)]
    file: FileArgs,

    /// Address of the object in hexadecimal, or global; a path of properties may follow.
    #[arg(value_name = "ADDR", required_unless_present_any = ["name", "string", "class"])]
    address: Option<String>,

    /// Objects with a property of this name.
    #[arg(long, value_name = "PROPERTY", conflicts_with_all = ["address", "string", "class"])]
    name: Option<String>,

    /// Who refers to a string of exactly this text.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["address", "class"])]
    string: Option<String>,

    /// Who refers to an object of this class, as v8mini histogram shows it.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "address")]
    class: Option<String>,

    /// Go on with who refers to those, as a tree.
    #[arg(long, short = 'r', conflicts_with = "name")]
    recursive: bool,

    /// Show so many who refer to one object; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

#[derive(Serialize, JsonSchema)]
struct Reference {
    /// Address of the object that refers, tagged.
    #[schemars(with = "Hex")]
    holder: String,
    /// Its class.
    class: String,
    /// As in DevTools: property, element, context, internal, hidden, shortcut, weak.
    kind: &'static str,
    name: String,
    /// Address of the object referred to; absent if the value is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    target: Option<String>,
    /// The value in one line for people.
    #[serde(serialize_with = "super::output::plain")]
    value: String,
    /// Who refers to the holder, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    referrers: Vec<Reference>,
    /// Whether the holder is shown elsewhere with those who refer to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    seen: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// Objects that refer, shown or not.
    count: usize,
    includes_unreachable: bool,
    references: &'a [Reference],
}

impl Query for Refs {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let limit = match self.limit {
            0 => usize::MAX,
            limit => limit,
        };
        let mut tree = Tree {
            session,
            selection,
            limit,
            above: None,
            seen: FxHashSet::default(),
            lines: 0,
        };
        let (references, count) = match &self.name {
            Some(name) => tree.by_name(name),
            None => {
                let targets = self.targets(session, selection)?;
                tree.seen.extend(&targets);
                tree.to(&targets, self.recursive)
            }
        };
        if self.file.json {
            output.json(&Report {
                count,
                includes_unreachable: true,
                references: &references,
            })?;
        } else {
            write(output, &references, 0)?;
            let shown: FxHashSet<&str> = references
                .iter()
                .map(|reference| reference.holder.as_str())
                .collect();
            if shown.len() < count {
                writeln!(
                    output,
                    "{DIM}… and {} more: --limit 0 shows all{DIM:#}",
                    grouped((count - shown.len()) as u64)
                )?;
            }
            writeln!(
                output,
                "\n{} objects refer, dead ones that are not yet swept included",
                grouped(count as u64)
            )?;
        }
        Ok(if count == 0 {
            Outcome::NothingFound
        } else {
            session.outcome_without_walk()
        })
    }
}

impl Refs {
    fn targets(
        &self,
        session: &Session,
        selection: PageSelection,
    ) -> anyhow::Result<FxHashSet<Address>> {
        let objects = &session.objects;
        if let Some(address) = &self.address {
            return Ok(std::iter::once(object_at(objects, address)?).collect());
        }
        if let Some(text) = &self.string {
            return Ok(strings_of_text(objects, selection, text));
        }
        let Some(class) = &self.class else {
            bail!("an address is missing, or one of --name, --string, --type");
        };
        let found = session.instances_of(selection, |shape| shape.class.name == *class);
        Ok(found.into_iter().collect())
    }
}

/// The strings of a text.
pub(crate) fn strings_of_text(
    objects: &Objects,
    selection: PageSelection,
    text: &str,
) -> FxHashSet<Address> {
    let length = text.encode_utf16().count();
    let (finders, _) = walk(objects, selection, || StringFinder {
        objects,
        text,
        length,
        found: Vec::new(),
    });
    finders
        .into_iter()
        .flat_map(|finder| finder.found)
        .collect()
}

struct StringFinder<'a> {
    objects: &'a Objects,
    text: &'a str,
    /// In code units.
    length: usize,
    found: Vec<Address>,
}

impl Visitor for StringFinder<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let objects = self.objects;
        let is_equal = objects.is_string_type(object.map.instance_type)
            && objects.string_length(object.address).ok() == Some(self.length as u64)
            && objects
                .read_string(object.address, self.length)
                .is_ok_and(|string| string.is(self.text));
        if is_equal {
            self.found.push(object.address);
        }
    }
}

/// The references that are shown, level by level.
struct Tree<'a> {
    session: &'a Session,
    selection: PageSelection,
    limit: usize,
    /// For a tree, who refers to every object of it.
    above: Option<FxHashMap<Address, Vec<Referrer>>>,
    /// Objects that are shown with those who refer to them.
    seen: FxHashSet<Address>,
    lines: usize,
}

impl Tree<'_> {
    fn to(&mut self, targets: &FxHashSet<Address>, recursive: bool) -> (Vec<Reference>, usize) {
        let session = self.session;
        let (found, count) = referrers(
            &session.objects,
            session.references(),
            self.selection,
            targets,
            self.limit,
        );
        if recursive {
            self.above = Some(referrers_of_referrers(
                &session.objects,
                session.references(),
                self.selection,
                &found.iter().map(|referrer| referrer.holder).collect(),
                MAX_OBJECTS,
                |_| true,
            ));
        }
        let references = found
            .into_iter()
            .map(|referrer| self.reference(&referrer, 0))
            .collect();
        (references, count)
    }

    fn reference(&mut self, referrer: &Referrer, depth: usize) -> Reference {
        self.lines += 1;
        let objects = &self.session.objects;
        let target = referrer.edge.target.object();
        let mut reference = Reference {
            holder: referrer.holder.to_string(),
            class: match referrer.edge.kind {
                // Up to V8 6 contexts look like arrays.
                EdgeKind::Context => "system / Context".to_owned(),
                _ => class_name(objects, referrer.holder),
            },
            kind: referrer.edge.kind.name(),
            name: edge_text(referrer.edge.kind, &referrer.edge.name),
            target: target.map(|target| target.to_string()),
            value: target.map_or_else(String::new, |target| in_one_line(objects, target)),
            referrers: Vec::new(),
            seen: false,
        };
        if self.above.is_some() && depth < MAX_DEPTH && self.lines < MAX_LINES {
            if self.seen.insert(referrer.holder) {
                let above = self.above.as_mut();
                let found = above.and_then(|above| above.remove(&referrer.holder));
                reference.referrers = found
                    .into_iter()
                    .flatten()
                    .take(self.limit)
                    .map(|referrer| self.reference(&referrer, depth + 1))
                    .collect();
            } else {
                reference.seen = true;
            }
        }
        reference
    }

    /// Objects with a property of a name.
    fn by_name(&self, name: &str) -> (Vec<Reference>, usize) {
        let found = properties_named(self.session, self.selection, name);
        let objects = &self.session.objects;
        let count = found.len();
        let references = found
            .into_iter()
            .take(self.limit)
            .map(|(holder, value)| {
                let target = match value {
                    PropertyValue::Tagged(word) => word.object(),
                    _ => None,
                };
                let description = describe_property(objects, value, &Options::ONE_LINE);
                Reference {
                    holder: holder.to_string(),
                    class: class_name(objects, holder),
                    kind: EdgeKind::Property.name(),
                    name: format!(".{name}"),
                    target: target.map(|target| target.to_string()),
                    value: one_line(&description),
                    referrers: Vec::new(),
                    seen: false,
                }
            })
            .collect();
        (references, count)
    }
}

/// The objects with a property of a name, and its value in each.
pub(crate) fn properties_named(
    session: &Session,
    selection: PageSelection,
    name: &str,
) -> Vec<(Address, PropertyValue)> {
    let objects = &session.objects;
    let pattern = PropertyPattern::parse(name);
    let candidates = session.instances_of(selection, |shape| {
        let is_dictionary = objects.map(shape.map).is_some_and(|map| map.is_dictionary);
        let has = |sample: Address| pattern.of(objects, sample).is_some();
        objects.is_receiver_type(shape.instance_type)
            && (is_dictionary || shape.sample.address.is_some_and(has))
    });
    candidates
        .into_iter()
        .filter_map(|object| Some((object, pattern.of(objects, object)?)))
        .collect()
}

/// The class of an object, as `v8mini histogram` has it.
pub(crate) fn class_name(objects: &Objects, object: Address) -> String {
    let sample = Sample {
        address: Some(object),
        is_the_only: false,
    };
    match objects.map_of(object) {
        Ok(map) => Classifier::new(objects).class_of(&map, sample).name,
        Err(_) => "?".to_owned(),
    }
}

fn in_one_line(objects: &Objects, object: Address) -> String {
    one_line(&describe(objects, object.tagged(), &Options::ONE_LINE))
}

/// The name of an edge behind the name of the object that has it.
fn edge_text(kind: EdgeKind, name: &EdgeName) -> String {
    match (kind, name) {
        (_, EdgeName::Index(index)) => format!("[{index}]"),
        (EdgeKind::Shortcut, EdgeName::Name(name)) if name.starts_with('[') => name.to_string(),
        (EdgeKind::Internal | EdgeKind::Hidden, EdgeName::Name(name)) => format!(".<{name}>"),
        (_, EdgeName::Name(name)) => format!(".{name}"),
    }
}

fn write(output: &mut Output, references: &[Reference], level: usize) -> anyhow::Result<()> {
    for reference in references {
        let indent = "  ".repeat(level);
        let weak = if reference.kind == EdgeKind::Weak.name() {
            " (weak)"
        } else {
            ""
        };
        let seen = if reference.seen { " [seen above]" } else { "" };
        writeln!(
            output,
            "{indent}{}: {}{} = {}{weak}{seen}",
            reference.holder, reference.class, reference.name, reference.value
        )?;
        write(output, &reference.referrers, level + 1)?;
    }
    Ok(())
}
