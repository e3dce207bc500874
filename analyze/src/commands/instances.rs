//! `v8mini instances`: the objects of one class.

use std::cmp::Reverse;
use std::io::Write;

use clap::{Args, ValueEnum};
use rustc_hash::FxHashSet;
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, HEADING, Outcome, Output, grouped};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::heap::{Classifier, Sample, Tally};
use crate::inspect::{Options, describe, one_line};
use crate::v8::Address;

/// Lists the objects of one class: their addresses, their sizes and what is in them, in one line each
///
/// TYPE is a name as `v8mini histogram` shows it, such as Socket, Foo.prototype, (string) or 'system / Context'.
#[derive(Debug, Args)]
pub(super) struct Instances {
    #[command(flatten)]
    file: FileArgs,

    /// The class.
    #[arg(value_name = "TYPE")]
    class: String,

    /// Show so many; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,

    /// Which comes first: what lies first in memory, the largest itself, or what retains the most.
    #[arg(long, value_name = "KEY", default_value = "address")]
    sort: Sort,

    /// Leave out so many before.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The place in memory.
    Address,
    /// The most bytes.
    Size,
    /// The most retained bytes, which are shown, too.
    Retained,
}

#[derive(Serialize, JsonSchema)]
struct Instance {
    /// Tagged.
    #[schemars(with = "Hex")]
    address: String,
    shallow_bytes: u64,
    /// What would be free if it were gone, for --sort retained; 0 if it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    retained_bytes: Option<u64>,
    /// What is in it, in one line for people.
    #[serde(serialize_with = "super::output::plain")]
    summary: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    class: &'a str,
    /// All of them, shown or not.
    count: u64,
    shallow_bytes: u64,
    offset: usize,
    includes_unreachable: bool,
    instances: &'a [Instance],
    coverage: CoverageReport,
    warnings: &'a [String],
}

impl Query for Instances {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let tally = session.tally(selection);
        let verdict = Verdict::of(session, selection, &tally);
        let (maps, boilerplates) = self.maps(session, &tally);
        let mut found = session.objects_of(selection, &maps);
        found.retain(|(address, _)| tally.boilerplate_addresses.contains(address) == boilerplates);
        if found.is_empty() {
            self.name_similar_classes(session, &tally);
        }
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let tree = match self.sort {
            Sort::Retained => Some(session.dominators(selection)),
            Sort::Address | Sort::Size => None,
        };
        let retained = |address| {
            let tree = tree.as_ref()?;
            Some(tree.retained(tree.nodes().id(address)?))
        };
        match self.sort {
            Sort::Address => {}
            Sort::Size => found.sort_by_key(|(_, size)| Reverse(*size)),
            Sort::Retained => found.sort_by_cached_key(|(address, _)| Reverse(retained(*address))),
        }
        let shown: Vec<Instance> = found
            .iter()
            .skip(self.offset)
            .take(limit)
            .map(|(address, size)| Instance {
                address: address.to_string(),
                shallow_bytes: *size,
                retained_bytes: retained(*address),
                summary: one_line(&describe(
                    &session.objects,
                    address.tagged(),
                    &Options::ONE_LINE,
                )),
            })
            .collect();
        let bytes = found.iter().map(|(_, size)| size).sum();
        if self.file.json {
            output.json(&Report {
                class: &self.class,
                count: found.len() as u64,
                shallow_bytes: bytes,
                offset: self.offset,
                includes_unreachable: true,
                instances: &shown,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            if !shown.is_empty() {
                write!(output, "{HEADING}{:>8}  ", "Bytes")?;
                if tree.is_some() {
                    write!(output, "{:>14}  ", "Retained bytes")?;
                }
                writeln!(output, "Object{HEADING:#}")?;
            }
            for instance in &shown {
                if let Some(retained) = instance.retained_bytes {
                    writeln!(
                        output,
                        "{DIM}{:>8}{DIM:#}  {:>14}  {}",
                        grouped(instance.shallow_bytes),
                        grouped(retained),
                        instance.summary
                    )?;
                    continue;
                }
                writeln!(
                    output,
                    "{DIM}{:>8}{DIM:#}  {}",
                    grouped(instance.shallow_bytes),
                    instance.summary
                )?;
            }
            let (first, last) = (
                self.offset.saturating_add(1),
                self.offset.saturating_add(shown.len()),
            );
            match shown.len() {
                0 if found.is_empty() => {}
                0 => writeln!(
                    output,
                    "none from --offset {} on: there are {}",
                    self.offset,
                    found.len()
                )?,
                _ => writeln!(
                    output,
                    "\n{} to {} of {} instances of {}, {} bytes, dead ones that are not yet swept included",
                    grouped(first as u64),
                    grouped(last as u64),
                    grouped(found.len() as u64),
                    self.class,
                    grouped(bytes)
                )?,
            }
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!found.is_empty()))
    }
}

impl Instances {
    /// The maps of the class, and whether it is a class of boilerplates.
    fn maps(&self, session: &Session, tally: &Tally) -> (FxHashSet<Address>, bool) {
        let objects = &session.objects;
        let classifier = Classifier::new(objects);
        let instances: FxHashSet<Address> = tally
            .by_map
            .iter()
            .filter(|((map, _), count)| {
                let sample = tally.sample(count);
                objects
                    .map(*map)
                    .is_some_and(|map| classifier.class_of(&map, sample).name == self.class)
            })
            .map(|((map, _), _)| *map)
            .collect();
        if !instances.is_empty() {
            return (instances, false);
        }
        let boilerplates = tally
            .boilerplates
            .keys()
            .map(|(map, _)| *map)
            .filter(|map| {
                objects
                    .map(*map)
                    .is_some_and(|map| classifier.boilerplate_class_of(&map).name == self.class)
            });
        (boilerplates.collect(), true)
    }

    /// Nothing was found: perhaps the name was not quite right.
    fn name_similar_classes(&self, session: &Session, tally: &Tally) {
        let classifier = Classifier::new(&session.objects);
        let wanted = self.class.to_lowercase();
        let mut similar: Vec<String> = tally
            .by_map
            .keys()
            .filter_map(|(map, _)| session.objects.map(*map))
            .map(|map| classifier.class_of(&map, Sample::default()).name)
            .filter(|name| name.to_lowercase().contains(&wanted))
            .collect();
        similar.sort();
        similar.dedup();
        similar.truncate(10);
        let hint = if similar.is_empty() {
            "v8mini histogram --limit 0 lists all classes".to_owned()
        } else {
            format!("classes with a similar name: {}", similar.join(", "))
        };
        anstream::eprintln!("there are no instances of '{}'; {hint}", self.class);
    }
}
