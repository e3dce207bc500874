//! `v8mini path`: what keeps an object alive, link by link.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::address::object_at;
use super::dominators::summary;
use super::file::{FileArgs, InputArgs};
use super::output::{DIM, HEADING, Outcome, Output, grouped};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::graph::{EdgeKind, Graph, Link, Nodes, Paths, References, RootKind, links};
use crate::heap::{Classes, Classifier, Sample};
use crate::v8::{Address, Objects};

/// Of a longer path, only the beginning and the end are looked at; each has so many objects.
const MAX_END: usize = 500;

/// Shows what keeps an object alive: the shortest path from a root to it, property by property
///
/// Weak references keep nothing alive and are left out; paths that begin at a global object come first. With --type, the
/// paths to all objects of a class are put together where they lead through the same classes.
#[derive(Debug, Args)]
pub(super) struct Path {
    #[command(flatten)]
    file: FileArgs,

    /// Address of the object in hexadecimal, as v8mini instances prints it, or global; a path of properties may follow.
    #[arg(value_name = "ADDR", required_unless_present = "class")]
    address: Option<String>,

    /// All objects of this class, as v8mini histogram names it.
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "address")]
    class: Option<String>,

    /// Not only the shortest path: one by way of each object that refers to it.
    #[arg(long, conflicts_with = "class")]
    all: bool,

    /// Show so many paths; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// A link of a path.
#[derive(Debug, Serialize, JsonSchema)]
struct Step {
    kind: &'static str,
    name: String,
    /// How many links of this kind and name follow each other, between objects of one class.
    repeats: usize,
    /// What the last of them leads to, tagged.
    #[schemars(with = "Hex")]
    address: String,
    class: String,
}

/// A path from a root.
#[derive(Debug, Serialize, JsonSchema)]
struct Route {
    /// Why the first object is alive.
    root: &'static str,
    /// The first object, tagged.
    #[schemars(with = "Hex")]
    address: String,
    class: String,
    steps: Vec<Step>,
    /// Objects in the middle that were left out.
    omitted: usize,
    /// How many objects are reached this way, for --type.
    objects: u64,
    shallow_bytes: u64,
    /// What the path leads to, in one line for people.
    #[serde(serialize_with = "super::output::plain")]
    summary: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// How many paths there are, shown or not.
    count: usize,
    paths: &'a [Route],
    /// Objects of the class that are dead, for --type.
    dead_objects: u64,
    coverage: CoverageReport,
    warnings: &'a [String],
}

/// A path as numbers, and what it stands for.
struct Found {
    root: RootKind,
    path: Vec<usize>,
    objects: u64,
    bytes: u64,
}

impl Query for Path {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let object = match &self.address {
            Some(text) => Some(object_at(&session.objects, text)?),
            None => None,
        };
        let paths = session.paths(selection);
        let nodes = paths.nodes();
        let verdict = Verdict::of_reachability(session, selection, paths.missing_roots());
        let mut dead = 0;
        let found = match (object, &self.class) {
            (Some(object), _) => {
                let Some(id) = nodes.id(object) else {
                    bail!("{object} is not in the part of the heap that was selected");
                };
                if self.all {
                    by_retainer(&session.graph(selection), &paths, id)
                } else {
                    paths
                        .to(id)
                        .map(|path| one(nodes, path))
                        .into_iter()
                        .collect()
                }
            }
            (None, Some(class)) => {
                let tally = session.tally(selection);
                let classes = Classes::new(&session.objects, &tally);
                by_class(&paths, &classes, class, &mut dead)
            }
            (None, None) => Vec::new(),
        };
        let references = session.references();
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let shown: Vec<Route> = found
            .iter()
            .take(limit)
            .filter_map(|found| route(session, references, nodes, found))
            .collect();
        if self.file.json {
            output.json(&Report {
                count: found.len(),
                paths: &shown,
                dead_objects: dead,
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            if let (Some(object), true) = (object, found.is_empty()) {
                writeln!(
                    output,
                    "{object} is dead: no root leads to it, and the next collection would free it"
                )?;
            }
            for route in &shown {
                route.write(output, self.class.is_some())?;
            }
            if shown.len() < found.len() {
                writeln!(
                    output,
                    "{DIM}… and {} more paths: --limit 0 shows all{DIM:#}",
                    grouped((found.len() - shown.len()) as u64)
                )?;
            }
            if dead > 0 {
                writeln!(output, "{} more are dead but not yet swept", grouped(dead))?;
            }
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!found.is_empty()))
    }
}

fn one(nodes: &Nodes, (root, path): (RootKind, Vec<usize>)) -> Found {
    Found {
        root,
        bytes: path.last().map_or(0, |id| nodes.size(*id)),
        path,
        objects: 1,
    }
}

/// A path by way of each object that refers to one: the shortest to that object, and one link more.
fn by_retainer(graph: &Graph, paths: &Paths, id: usize) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    if let Some((root, path)) = paths.to(id)
        && path.len() == 1
    {
        found.push(one(paths.nodes(), (root, path)));
    }
    for retainer in graph.sources(id) {
        if let Some((root, mut path)) = paths.to(retainer)
            // Whoever is kept alive by the object does not keep it.
            && !path.contains(&id)
        {
            path.push(id);
            found.push(one(paths.nodes(), (root, path)));
        }
    }
    found.sort_by(|a, b| (a.root, a.path.len(), &a.path).cmp(&(b.root, b.path.len(), &b.path)));
    found
}

/// The paths to all objects of a class, those together that lead through the same classes.
fn by_class(paths: &Paths, classes: &Classes, name: &str, dead: &mut u64) -> Vec<Found> {
    let nodes = paths.nodes();
    let class_of = classes.of_nodes(nodes);
    let of_class = |id: &usize| {
        class_of(*id)
            .and_then(|number| classes.list().get(number))
            .is_some_and(|class| class.name == name)
    };
    let mut groups: FxHashMap<u64, (usize, u64, u64)> = FxHashMap::default();
    let mut signatures = Signatures::default();
    for id in (0..nodes.len()).filter(of_class) {
        let Some(signature) = signatures.of(paths, &class_of, id) else {
            *dead += 1;
            continue;
        };
        let (_, count, bytes) = groups.entry(signature).or_insert((id, 0, 0));
        *count += 1;
        *bytes += nodes.size(id);
    }
    let mut found: Vec<Found> = groups
        .into_values()
        .filter_map(|(example, objects, bytes)| {
            let (root, path) = paths.to(example)?;
            Some(Found {
                root,
                path,
                objects,
                bytes,
            })
        })
        .collect();
    found.sort_by(|a, b| (b.objects, &a.path).cmp(&(a.objects, &b.path)));
    found
}

/// Through which classes the path to an object leads, runs of one class as one, as a number.
#[derive(Default)]
struct Signatures(FxHashMap<usize, u64>);

impl Signatures {
    fn of(
        &mut self,
        paths: &Paths,
        class_of: impl Fn(usize) -> Option<usize>,
        id: usize,
    ) -> Option<u64> {
        // Up to an object whose signature is known, and down again.
        let mut way = Vec::new();
        let mut at = id;
        let mut signature = loop {
            if let Some(known) = self.0.get(&at) {
                break *known;
            }
            way.push(at);
            match paths.previous(at)? {
                previous if previous == at => break paths.root_kind(at)? as u64,
                previous => at = previous,
            }
        };
        let mut above = way.last().and_then(|last| paths.previous(*last));
        while let Some(id) = way.pop() {
            let class = class_of(id);
            if above == Some(id) || above.and_then(&class_of) != class {
                let class = class.map_or(u64::MAX, |class| class as u64);
                // FNV-1a, by words.
                signature = (signature ^ class)
                    .wrapping_mul(0x0100_0000_01b3)
                    .rotate_left(29);
            }
            self.0.insert(id, signature);
            above = Some(id);
        }
        Some(signature)
    }
}

/// A path in words.
fn route(
    session: &Session,
    references: &References,
    nodes: &Nodes,
    found: &Found,
) -> Option<Route> {
    let objects = &session.objects;
    let addresses: Vec<Address> = found
        .path
        .iter()
        .filter_map(|id| nodes.address(*id))
        .collect();
    let (first, last) = (*addresses.first()?, *addresses.last()?);
    let omitted = addresses.len().saturating_sub(2 * MAX_END);
    let steps = if omitted == 0 {
        steps(objects, &links(objects, references, &addresses))
    } else {
        let beginning = links(objects, references, addresses.get(..MAX_END)?);
        let end = links(
            objects,
            references,
            addresses.get(addresses.len() - MAX_END..)?,
        );
        let mut both = steps(objects, &beginning);
        both.extend(steps(objects, &end));
        both
    };
    Some(Route {
        root: found.root.name(),
        address: first.to_string(),
        class: class_name(objects, first),
        steps,
        omitted,
        objects: found.objects,
        shallow_bytes: found.bytes,
        summary: summary(session, last),
    })
}

/// The links, runs of the same name and class as one.
fn steps(objects: &Objects, links: &[Link]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for link in links {
        let (kind, name) = (link.kind.name(), label(link));
        let class = class_name(objects, link.to);
        match steps.last_mut() {
            Some(last) if last.kind == kind && last.name == name && last.class == class => {
                last.repeats += 1;
                last.address = link.to.to_string();
            }
            _ => steps.push(Step {
                kind,
                name,
                repeats: 1,
                address: link.to.to_string(),
                class,
            }),
        }
    }
    steps
}

/// `[17]` for elements and entries, else the name.
fn label(link: &Link) -> String {
    match link.kind {
        EdgeKind::Element => format!("[{}]", link.name),
        _ => link.name.to_string(),
    }
}

/// The class of an object, or the name of a function.
pub(crate) fn class_name(objects: &Objects, address: Address) -> String {
    let Ok(map) = objects.map_of(address) else {
        return "?".to_owned();
    };
    let sample = Sample {
        address: Some(address),
        is_the_only: false,
    };
    let class = Classifier::new(objects).class_of(&map, sample).name;
    if objects.is_function_type(map.instance_type)
        && let Ok(function) = objects.read_function(address)
    {
        return match function.name.as_str() {
            "" => "(anonymous function)".to_owned(),
            name => format!("{name}()"),
        };
    }
    class
}

impl Step {
    /// How the text marks the link: variables and V8's own fields are no properties.
    fn mark(&self) -> String {
        let times = match self.repeats {
            1 => String::new(),
            repeats => format!(" ×{}", grouped(repeats as u64)),
        };
        match self.kind {
            "context" => format!("{} (variable){times}", self.name),
            "internal" | "hidden" => format!("{} (internal){times}", self.name),
            _ => format!("{}{times}", self.name),
        }
    }
}

impl Route {
    fn write(&self, output: &mut Output, with_count: bool) -> anyhow::Result<()> {
        if with_count {
            writeln!(
                output,
                "{HEADING}{} objects, {} bytes{HEADING:#}, such as",
                grouped(self.objects),
                grouped(self.shallow_bytes)
            )?;
        }
        writeln!(output, "{}", self.summary)?;
        let mut words = self.class.clone();
        for step in &self.steps {
            let name = match step.repeats {
                1 => step.name.clone(),
                repeats => format!("{} ×{}", step.name, grouped(repeats as u64)),
            };
            if name.starts_with('[') {
                words += &name;
            } else {
                words += " → ";
                words += &name;
            }
        }
        writeln!(output, "  {words}")?;
        writeln!(
            output,
            "  {DIM}{}{DIM:#}  {} {DIM}(root: {}){DIM:#}",
            self.address, self.class, self.root
        )?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(
                output,
                "  {DIM}{}{DIM:#}  {} → {}",
                step.address,
                step.mark(),
                step.class
            )?;
            if self.omitted > 0 && number + 1 == self.steps.len() / 2 {
                writeln!(
                    output,
                    "  {DIM}… {} objects in between …{DIM:#}",
                    grouped(self.omitted as u64)
                )?;
            }
        }
        writeln!(output)?;
        Ok(())
    }
}
