//! `::jsfunctions`: a row for each function as it is written.

use std::io::Write;

use super::super::spelling::Call;
use super::jsprint::{bare, function_name};
use crate::commands::{Outcome, address_number};
use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::v8::{Address, Objects};

/// `::jsfunctions`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let objects = &session.objects;
    if call.target.is_some() && call.options.has('l') {
        let function = call.target_object()?;
        let shared = objects.shared_function_info(function)?;
        return closures(call, objects, &|found| found == shared);
    }
    let name = call.options.value('n').map(str::to_owned);
    let file = call.options.value('s').map(str::to_owned);
    let instruction = call.options.value('x').map(address_number).transpose()?;
    let mut rows = Vec::new();
    for definition in &session.functions(PageSelection::default()).definitions {
        let Some(example) = definition.example else {
            continue;
        };
        let text = objects
            .function_debug_name(definition.shared)?
            .map_or_else(String::new, |name| name.to_text());
        let location = objects.function_location(definition.shared).ok().flatten();
        let from = location
            .as_ref()
            .map(|location| match location.line_column {
                Some((line, _)) => format!("{} line {line}", location.file),
                None => format!("{} position {}", location.file, location.position),
            });
        let script = location.map(|location| location.file).unwrap_or_default();
        let fits = name.as_deref().is_none_or(|wanted| text.contains(wanted))
            && file.as_deref().is_none_or(|wanted| script.contains(wanted))
            && instruction.is_none_or(|at| runs_at(objects, example, at));
        if fits {
            rows.push((
                example,
                definition.closures,
                text,
                from.unwrap_or_default(),
                definition.shared,
            ));
        }
    }
    if call.options.has('l') {
        let wanted: rustc_hash::FxHashSet<Address> =
            rows.iter().map(|(.., shared)| *shared).collect();
        return closures(call, objects, &|shared| wanted.contains(&shared));
    }
    rows.sort_by_key(|row| (row.1, row.0));
    writeln!(
        call.output,
        "{:>16} {:>8} {:<40} FROM",
        "FUNC", "#FUNCS", "NAME"
    )?;
    for (example, count, name, from, _) in &rows {
        writeln!(
            call.output,
            "{:>16} {count:>8} {:<40} {from}",
            bare(*example),
            function_name(name)
        )?;
    }
    Ok(if rows.is_empty() {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

/// Whether an instruction is in the code that a function runs.
fn runs_at(objects: &Objects, function: Address, instruction: u64) -> bool {
    let Some(code) = objects.function_code(function) else {
        return false;
    };
    let size = objects.code_size(code);
    code.0 <= instruction && instruction - code.0 < size
}

/// Lists the closures of some definitions.
fn closures(
    call: &mut Call<'_>,
    objects: &Objects,
    wanted: &(dyn Fn(Address) -> bool + Sync),
) -> anyhow::Result<Outcome> {
    let (finders, _) = walk(objects, PageSelection::default(), || Finder {
        objects,
        wanted,
        found: Vec::new(),
    });
    let mut outcome = Outcome::NothingFound;
    for closure in finders.into_iter().flat_map(|finder| finder.found) {
        writeln!(call.output, "{}", bare(closure))?;
        outcome = Outcome::Done;
    }
    Ok(outcome)
}

struct Finder<'a> {
    objects: &'a Objects,
    wanted: &'a (dyn Fn(Address) -> bool + Sync),
    found: Vec<Address>,
}

impl Visitor for Finder<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let is_wanted = self.objects.is_function_type(object.map.instance_type)
            && self
                .objects
                .shared_function_info(object.address)
                .is_ok_and(|shared| (self.wanted)(shared));
        if is_wanted {
            self.found.push(object.address);
        }
    }
}
