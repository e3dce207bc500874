//! `v8mini find`: objects by what they are, and what is in them.

use std::io::Write;

use anyhow::{Context, bail};
use clap::Args;
use regex::Regex;
use rustc_hash::{FxHashMap, FxHashSet};
use schemars::JsonSchema;
use serde::Serialize;

use super::file::{FileArgs, InputArgs};
use super::output::{DIM, HEADING, Outcome, Output, grouped};
use super::schema::Hex;
use super::search::{PropertyPattern, SizeRange, string_matches};
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::heap::{HeapObject, Visitor, walk};
use crate::inspect::{Options, describe, one_line};
use crate::v8::{Address, MapInfo, Objects};

/// Finds objects: by the text of strings, by a property and its value, by size, by type
///
/// If more than one is asked for, objects must be all of it: --type Session --property user=ada. Sizes are shallow.
#[derive(Debug, Args)]
pub(super) struct Find {
    #[command(flatten)]
    file: FileArgs,

    /// Strings that match this regular expression.
    #[arg(long, value_name = "REGEX")]
    string: Option<String>,

    /// Objects with a property of their own of this name; with =VALUE, of this value: a text, a number, true, null, an
    /// address.
    #[arg(long, value_name = "NAME[=VALUE]")]
    property: Option<String>,

    /// Objects of this size in bytes: '>1M', '>=4096', '<64', '=24', 1k..2k.
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    size: Option<String>,

    /// Objects of this class, as v8mini histogram shows it, or of this instance type of V8.
    #[arg(long = "type", value_name = "TYPE")]
    class: Option<String>,

    /// Show so many; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,

    /// Leave out so many before.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
}

#[derive(Serialize, JsonSchema)]
struct Found {
    /// Tagged.
    #[schemars(with = "Hex")]
    address: String,
    shallow_bytes: u64,
    /// What is in it, in one line for people.
    #[serde(serialize_with = "super::output::plain")]
    summary: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// All of them, shown or not.
    count: u64,
    shallow_bytes: u64,
    offset: usize,
    includes_unreachable: bool,
    objects: &'a [Found],
    coverage: CoverageReport,
    warnings: &'a [String],
}

/// What objects shall be.
#[derive(Default)]
struct Wanted {
    maps: Option<FxHashSet<Address>>,
    size: Option<SizeRange>,
    string: Option<Regex>,
    property: Option<PropertyPattern>,
}

impl Query for Find {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let wanted = self.wanted(session)?;
        let selection = self.file.selection(session)?;
        let tally = session.tally(selection);
        let verdict = Verdict::of(session, selection, &tally);
        let (finders, _) = walk(&session.objects, selection, || Finder {
            objects: &session.objects,
            wanted: &wanted,
            shapes: FxHashMap::default(),
            found: Vec::new(),
        });
        let found: Vec<(Address, u64)> = finders
            .into_iter()
            .flat_map(|finder| finder.found)
            .filter(|(address, _)| !tally.boilerplate_addresses.contains(address))
            .collect();
        let limit = match self.limit {
            0 => usize::MAX,
            limit => limit,
        };
        let shown: Vec<Found> = found
            .iter()
            .skip(self.offset)
            .take(limit)
            .map(|(address, size)| Found {
                address: address.to_string(),
                shallow_bytes: *size,
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
                count: found.len() as u64,
                shallow_bytes: bytes,
                offset: self.offset,
                includes_unreachable: true,
                objects: &shown,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            self.text(output, &shown, found.len(), bytes)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!found.is_empty()))
    }
}

impl Find {
    fn wanted(&self, session: &Session) -> anyhow::Result<Wanted> {
        let wanted =
            Wanted {
                maps: self.class.as_deref().map(|class| maps_of(session, class)),
                size: self.size.as_deref().map(SizeRange::parse).transpose()?,
                string: match &self.string {
                    Some(pattern) => Some(Regex::new(pattern).with_context(|| {
                        format!("--string: '{pattern}' is no regular expression")
                    })?),
                    None => None,
                },
                property: self.property.as_deref().map(PropertyPattern::parse),
            };
        if wanted.maps.is_none()
            && wanted.size.is_none()
            && wanted.string.is_none()
            && wanted.property.is_none()
        {
            bail!("what is to be found? --string, --property, --size or --type says it");
        }
        Ok(wanted)
    }

    fn text(
        &self,
        output: &mut Output,
        shown: &[Found],
        count: usize,
        bytes: u64,
    ) -> anyhow::Result<()> {
        if !shown.is_empty() {
            writeln!(output, "{HEADING}{:>8}  Object{HEADING:#}", "Bytes")?;
        }
        for object in shown {
            // A string has no address in its text.
            let address = if object.summary.contains(&object.address) {
                String::new()
            } else {
                format!("  {DIM}{}{DIM:#}", object.address)
            };
            writeln!(
                output,
                "{DIM}{:>8}{DIM:#}{address}  {}",
                grouped(object.shallow_bytes),
                object.summary
            )?;
        }
        match (shown.len(), count) {
            (_, 0) => writeln!(output, "nothing was found")?,
            (0, _) => writeln!(
                output,
                "none from --offset {} on: there are {count}",
                self.offset
            )?,
            (shown, _) => writeln!(
                output,
                "\n{} to {} of {} objects, {} bytes, dead ones that are not yet swept included",
                grouped(self.offset as u64 + 1),
                grouped((self.offset + shown) as u64),
                grouped(count as u64),
                grouped(bytes)
            )?,
        }
        Ok(())
    }
}

/// The maps of a class, or of an instance type.
fn maps_of(session: &Session, class: &str) -> FxHashSet<Address> {
    session
        .population()
        .shapes
        .iter()
        .filter(|shape| {
            shape.class.name == class || session.objects.type_name(shape.instance_type) == class
        })
        .map(|shape| shape.map)
        .collect()
}

/// Whether objects of a map may be what is wanted.
#[derive(Clone, Copy)]
struct Shape {
    is_string: bool,
    /// Whether they may have the wanted property: a dictionary tells only object by object.
    may_have_property: bool,
}

struct Finder<'a> {
    objects: &'a Objects,
    wanted: &'a Wanted,
    /// By the map's index in the walk.
    shapes: FxHashMap<usize, Shape>,
    found: Vec<(Address, u64)>,
}

impl Finder<'_> {
    fn shape(&self, object: Address, map: &MapInfo) -> Shape {
        let objects = self.objects;
        let has = |pattern: &PropertyPattern| {
            // Indices are not in the map.
            map.is_dictionary
                || pattern.name.parse::<u64>().is_ok()
                || PropertyPattern::parse(&pattern.name)
                    .of(objects, object)
                    .is_some()
        };
        Shape {
            is_string: objects.is_string_type(map.instance_type),
            may_have_property: objects.is_receiver_type(map.instance_type)
                && self.wanted.property.as_ref().is_none_or(has),
        }
    }
}

impl Visitor for Finder<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let wanted = self.wanted;
        let fits = |maps: &FxHashSet<Address>| maps.contains(&object.map.address);
        if !wanted.maps.as_ref().is_none_or(fits)
            || !wanted.size.is_none_or(|range| range.contains(object.size))
        {
            return;
        }
        let shape = match self.shapes.get(&object.map_index) {
            Some(shape) => *shape,
            None => {
                let shape = self.shape(object.address, object.map);
                self.shapes.insert(object.map_index, shape);
                shape
            }
        };
        if let Some(pattern) = &wanted.string
            && !(shape.is_string && string_matches(self.objects, object.address, pattern))
        {
            return;
        }
        if let Some(pattern) = &wanted.property
            && !(shape.may_have_property && pattern.of(self.objects, object.address).is_some())
        {
            return;
        }
        self.found.push((object.address, object.size));
    }
}
