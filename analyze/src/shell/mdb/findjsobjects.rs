//! `::findjsobjects`: shapes of objects by a representative, and all objects of a shape.

use std::collections::BTreeMap;
use std::io::Write;

use rustc_hash::FxHashSet;

use super::super::spelling::Call;
use super::jsprint::bare;
use crate::commands::{Outcome, Session};
use crate::heap::{ClassKind, PageSelection, Shape};
use crate::v8::{Address, Objects};

/// Columns of a line before the properties, and all of it: mdb_v8 ends its lines there.
const WIDTH: usize = 80;

/// Objects of one constructor with the same properties: what mdb_v8 groups by.
struct Group {
    /// The one with the lowest address.
    representative: Address,
    constructor: String,
    properties: Vec<String>,
    count: u64,
    maps: FxHashSet<Address>,
}

/// `::findjsobjects`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let groups = groups(&session);
    if call.target.is_some() {
        if call.options.has('r') {
            return super::references::run(call);
        }
        let object = call.target_object()?;
        if call.options.has('m') {
            // Marked for a later -r: that is what `$_` is for.
            return Ok(Outcome::Done);
        }
        return instances(call, &session, &groups, object);
    }
    if call.options.has('v') {
        let objects: u64 = groups.iter().map(|group| group.count).sum();
        writeln!(
            call.output,
            "findjsobjects: {objects} objects of {} shapes",
            groups.len()
        )?;
    }
    let filtered = call.options.value('c').is_some() || call.options.value('p').is_some();
    let wanted = |group: &&Group| {
        let constructor = call.options.value('c');
        let property = call.options.value('p');
        constructor.is_none_or(|name| group.constructor == name)
            && property.is_none_or(|name| group.properties.iter().any(|known| known == name))
    };
    let found: Vec<&Group> = groups.iter().filter(wanted).collect();
    let out = &mut *call.output;
    if filtered {
        for group in &found {
            writeln!(out, "{}", bare(group.representative))?;
        }
    } else {
        writeln!(
            out,
            "{:>16} {:>8} {:>8} CONSTRUCTOR: PROPS",
            "OBJECT", "#OBJECTS", "#PROPS"
        )?;
        for group in &found {
            writeln!(out, "{}", line(group))?;
        }
    }
    Ok(if found.is_empty() {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

/// All objects like a representative, or like any object.
fn instances(
    call: &mut Call<'_>,
    session: &Session,
    groups: &[Group],
    object: Address,
) -> anyhow::Result<Outcome> {
    let map = session.objects.map_of(object)?.address;
    let Some(group) = groups.iter().find(|group| group.maps.contains(&map)) else {
        writeln!(call.output, "{}", bare(object))?;
        return Ok(Outcome::Done);
    };
    for address in session.instances_of(PageSelection::default(), |shape| {
        group.maps.contains(&shape.map)
    }) {
        writeln!(call.output, "{}", bare(address))?;
    }
    Ok(session.outcome_without_walk())
}

/// The shapes, the largest product of objects and properties last.
fn groups(session: &Session) -> Vec<Group> {
    let objects = &session.objects;
    let mut groups: BTreeMap<(String, Vec<String>), Group> = BTreeMap::new();
    for shape in &session.population().shapes {
        if !matches!(shape.class.kind, ClassKind::Instance | ClassKind::Prototype) {
            continue;
        }
        let Some(first) = shape.count.ends.map(|(first, _)| first) else {
            continue;
        };
        let properties = property_names(objects, shape);
        let key = (shape.class.name.clone(), properties.clone());
        let group = groups.entry(key).or_insert_with(|| Group {
            representative: first,
            constructor: shape.class.name.clone(),
            properties,
            count: 0,
            maps: FxHashSet::default(),
        });
        group.representative = group.representative.min(first);
        group.count += shape.count.count;
        group.maps.insert(shape.map);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| group.count.saturating_mul(group.properties.len() as u64));
    groups
}

fn property_names(objects: &Objects, shape: &Shape) -> Vec<String> {
    let properties = shape
        .sample
        .address
        .and_then(|object| objects.properties(object).ok());
    let names = properties.iter().flat_map(|properties| &properties.list);
    names
        .filter_map(|property| objects.read_name(property.key).ok())
        .map(|name| name.to_string())
        .collect()
}

fn line(group: &Group) -> String {
    let mut line = format!(
        "{:>16} {:>8} {:>8} {}",
        bare(group.representative),
        group.count,
        group.properties.len(),
        group.constructor
    );
    for (index, property) in group.properties.iter().enumerate() {
        line.push_str(if index == 0 { ": " } else { ", " });
        if line.len() + property.len() + 2 >= WIDTH {
            line.push_str("...");
            break;
        }
        line.push_str(property);
    }
    line
}
