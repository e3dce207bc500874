//! `::v8print` and its like: objects as V8 lays them out.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, bail};

use super::super::spelling::Call;
use super::jsprint::{bare, class_of};
use crate::commands::{Outcome, address_number};
use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::layout::{Field, Value};
use crate::v8::{Address, FixedArray, Objects, Tagged};

/// Most words of an object without known fields that are shown.
const MAX_WORDS: u64 = 64;
/// Most elements of an array.
const MAX_ELEMENTS: u64 = 1 << 20;

/// `::v8array`
pub(super) fn v8array(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let address = call.target_object()?;
    let session = call.session();
    let array = FixedArray::read(&session.objects, address)?;
    for index in 0..array.length.min(MAX_ELEMENTS) {
        let word = array.get(&session.objects, index)?;
        if call.options.has('i') {
            write!(call.output, "{index} ")?;
        }
        writeln!(call.output, "{:x}", word.0)?;
    }
    Ok(session.outcome_without_walk())
}

/// The fields of all classes that have a place in objects: by class, name and offset.
fn classes(objects: &Objects) -> BTreeMap<&'static str, Vec<(&'static str, u64)>> {
    let mut classes: BTreeMap<&'static str, Vec<(&'static str, u64)>> = BTreeMap::new();
    for field in Field::ALL {
        let Ok(place) = objects.layout().place(*field) else {
            continue;
        };
        if let Some((class, name)) = field.name().split_once('.') {
            classes.entry(class).or_default().push((name, place.offset));
        }
    }
    for fields in classes.values_mut() {
        fields.sort_by_key(|(name, offset)| (*offset, *name));
    }
    classes
}

/// `::v8classes`
pub(super) fn v8classes(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    for class in classes(&session.objects).keys() {
        writeln!(call.output, "{class}")?;
    }
    Ok(Outcome::Done)
}

/// `::v8field`
pub(super) fn v8field(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let [class, name, ..] = call.options.rest.as_slice() else {
        bail!("::v8field CLASS FIELD; ::v8classes lists the classes");
    };
    let full = format!("{class}.{name}");
    let field = Field::named(&full).with_context(|| {
        format!("no field is called {full}; `::v8print` shows those of an object")
    })?;
    let session = call.session();
    let Some((value, source)) = session.objects.layout().value(field) else {
        bail!("V8 {} has no {full}", session.objects.layout().version);
    };
    match value {
        Value::Number(number) => writeln!(call.output, "{full} = {number} ({source})")?,
        Value::Place(place) => {
            writeln!(call.output, "{full} at offset {} ({source})", place.offset)?;
        }
        Value::Expr(_) => writeln!(call.output, "{full} is computed ({source})")?,
    }
    Ok(Outcome::Done)
}

/// `::v8print`
pub(super) fn v8print(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let object = call.target_object()?;
    let session = call.session();
    let objects = &session.objects;
    let map = objects.map_of(object)?;
    let class = match call.options.rest.first() {
        Some(class) => class.clone(),
        None => class_of(&objects.type_name(map.instance_type)),
    };
    let all = classes(objects);
    // What a class has besides its own: fields of the classes that it is one of.
    let mut bases = vec!["HeapObject"];
    if objects.is_receiver_type(map.instance_type) {
        bases.extend(["JSReceiver", "JSObject"]);
    }
    let known = bases.iter().copied().chain(std::iter::once(class.as_str()));
    let mut fields: Vec<(String, u64)> = known
        .filter_map(|class| Some((class, all.get(class)?)))
        .flat_map(|(class, fields)| {
            let fields = fields.iter();
            fields.map(move |(name, offset)| (format!("{class}.{name}"), *offset))
        })
        .collect();
    fields.dedup();
    writeln!(call.output, "{} {class} {{", bare(object))?;
    writeln!(
        call.output,
        "    {:x} map = {}",
        object.0,
        bare(map.address)
    )?;
    if fields.iter().all(|(name, _)| !name.starts_with(&class)) {
        words(call, objects, object, map.instance_size)?;
    } else {
        for (name, offset) in fields {
            let word = objects.tagged(object, offset & !7)?;
            writeln!(
                call.output,
                "    {:x} {name} = {:x} ({})",
                object.0 + offset,
                word.0,
                super::function::kind(objects, word)
            )?;
        }
    }
    writeln!(call.output, "}}")?;
    Ok(session.outcome_without_walk())
}

/// The words of an object whose class has no known fields.
fn words(call: &mut Call<'_>, objects: &Objects, object: Address, size: u64) -> anyhow::Result<()> {
    for index in 1..(size / 8).min(MAX_WORDS) {
        let word = objects.tagged(object, index * 8)?;
        writeln!(
            call.output,
            "    {:x} word {index} = {:x} ({})",
            object.0 + index * 8,
            word.0,
            super::function::kind(objects, word)
        )?;
    }
    Ok(())
}

/// `::v8function`
pub(super) fn v8function(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    super::function::jsfunction(call)?;
    v8print(call)
}

/// `::v8frametypes`
pub(super) fn v8frametypes(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let constants = &session.objects.image().metadata.constants;
    let mut found = false;
    for (name, value) in constants {
        if let Some(name) = name.trim_start_matches("v8dbg_").strip_prefix("frametype_") {
            writeln!(call.output, "{name:<32} = 0x{value:x}")?;
            found = true;
        }
    }
    Ok(if found {
        Outcome::Done
    } else {
        Outcome::NothingFound
    })
}

/// `::v8internal`
pub(super) fn v8internal(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let object = call.target_object()?;
    let index: u64 = match call.options.rest.first() {
        Some(index) => index
            .parse()
            .with_context(|| format!("'{index}' is no number"))?,
        None => 0,
    };
    let session = call.session();
    let objects = &session.objects;
    let map = objects.map_of(object)?;
    let header = objects.layout().place(Field::JSObjectElements)?.offset + 8;
    let offset = header.saturating_add(index.saturating_mul(8));
    if !objects.is_receiver_type(map.instance_type) || offset >= map.in_object_start {
        bail!("{object} has no internal field {index}");
    }
    writeln!(call.output, "{:x}", objects.word(object, offset)?)?;
    Ok(session.outcome_without_walk())
}

/// `::v8load`
pub(super) fn v8load(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let layout = session.objects.layout();
    writeln!(call.output, "V8 version: {}", layout.version)?;
    writeln!(
        call.output,
        "layout: {}, chosen when the file was opened",
        layout.table
    )?;
    Ok(Outcome::Done)
}

/// `::v8str`
pub(super) fn v8str(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let object = call.target_object()?;
    let session = call.session();
    let string = session.objects.read_string(object, usize::MAX)?;
    if call.options.has('v') {
        let internalized = if string.internalized {
            ", internalized"
        } else {
            ""
        };
        writeln!(
            call.output,
            "{}: {} characters, {}{internalized}",
            bare(object),
            string.length,
            string.representation.name()
        )?;
    }
    writeln!(call.output, "{}", string.to_text())?;
    Ok(session.outcome_without_walk())
}

/// `::v8type`
pub(super) fn v8type(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let object = call.target_object()?;
    let session = call.session();
    let text = super::function::kind(&session.objects, object.tagged());
    writeln!(call.output, "0x{}: {text}", bare(object))?;
    Ok(session.outcome_without_walk())
}

/// `::v8types`
pub(super) fn v8types(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    for (number, name) in session.objects.layout().types.iter() {
        writeln!(call.output, "{:<40} = 0x{number:x}", class_of(name))?;
    }
    Ok(Outcome::Done)
}

/// `::v8warnings`
pub(super) fn v8warnings(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let settings = &mut call.shell.settings;
    settings.warnings = !settings.warnings;
    let state = if settings.warnings { "on" } else { "off" };
    writeln!(call.output, "v8 warnings are now {state}")?;
    Ok(Outcome::Done)
}

/// `::v8whatis`
pub(super) fn v8whatis(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let target = call
        .target
        .clone()
        .or_else(|| call.options.rest.first().cloned())
        .context("an address is missing before ::v8whatis")?;
    let wanted = address_number(&target)?;
    let session = call.session();
    let objects = &session.objects;
    let (finders, _) = walk(objects, PageSelection::default(), || Finder {
        wanted,
        found: None,
    });
    let Some((object, size)) = finders.into_iter().find_map(|finder| finder.found) else {
        if call.options.has('v') {
            writeln!(call.output, "{wanted:x}: no heap object found")?;
        }
        return Ok(Outcome::NothingFound);
    };
    call.shell.results.ask(object);
    let offset = wanted - object.0;
    let kind = super::function::kind(objects, Tagged(object.0 | 1));
    writeln!(
        call.output,
        "{wanted:x} is {}+0x{offset:x}, in {kind} of {size} bytes",
        bare(object)
    )?;
    Ok(session.outcome_without_walk())
}

/// Looks for the object around an address.
struct Finder {
    wanted: u64,
    found: Option<(Address, u64)>,
}

impl Visitor for Finder {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let start = object.address.0;
        if start <= self.wanted && self.wanted - start < object.size {
            self.found = Some((object.address, object.size));
        }
    }
}
