//! Addresses on the command line, and what to say about those where there is no object.

use anyhow::{Context, anyhow, bail};

use crate::export::heapsnapshot::ObjectIds;
use crate::graph::{RootKind, Roots};
use crate::inspect::{follow, property};
use crate::v8::{Address, Objects, PropertyValue, Tagged};
use crate::whatis::what_is;

/// The value that `text` names: an object's address as for [`object_at`], or a Smi as V8 stores it, and from there a path of
/// properties: `0x2a1f03c81b49._events.close[0]`.
///
/// # Errors
/// As [`object_at`], and if the path leads nowhere.
pub(crate) fn value_at(objects: &Objects, text: &str) -> anyhow::Result<PropertyValue> {
    let (start, path) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
    let smi = address_number(start)
        .ok()
        .filter(|word| word << 32 == 0 && objects.pages().page_of(*word).is_none());
    let start = match smi {
        Some(word) => Tagged(word),
        None => object_at(objects, start)?.tagged(),
    };
    follow(objects, start, path).with_context(|| format!("'{text}'"))
}

/// The number that `text` is in hexadecimal, with `0x` or without.
///
/// # Errors
/// If it is none.
pub(crate) fn address_number(text: &str) -> anyhow::Result<u64> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    u64::from_str_radix(digits, 16).with_context(|| {
        format!(
            "'{text}' is no address: expected hexadecimal digits, such as 0x2a1f03c81b49, as \
             v8mini instances prints them"
        )
    })
}

/// The object that `text` names: its address in hexadecimal, tagged as V8 prints it or not, with `0x` or without, the id that an
/// exported heap snapshot gives it (`@123`), or `global`, the global object of the main thread; a path of properties may lead on from there.
///
/// # Errors
/// That it is no address, or what there is at the address instead of an object.
pub(crate) fn object_at(objects: &Objects, text: &str) -> anyhow::Result<Address> {
    if text.contains(['.', '[']) {
        return match value_at(objects, text)? {
            PropertyValue::Tagged(word) => word
                .object()
                .with_context(|| format!("'{text}' is no object")),
            _ => bail!("'{text}' is no object"),
        };
    }
    if matches!(text, "global" | "globalThis") {
        return global(objects);
    }
    let number = match text.strip_prefix('@') {
        Some(id) => snapshot_address(objects, id)?,
        None => address_number(text)?,
    };
    let address = Address(number & !1);
    if number & 0b110 == 0 && objects.map_of(address).is_ok() {
        return Ok(address);
    }
    Err(what_is_at(objects, number))
}

/// The global object of the first isolate: of its contexts, the one that has `process` is Node's own.
fn global(objects: &Objects) -> anyhow::Result<Address> {
    let isolate = objects.image().metadata.isolates.first();
    let roots = Roots::find(objects, isolate.map(|isolate| isolate.heap));
    let globals = roots.list.iter();
    let globals = globals.filter(|(_, kind)| *kind == RootKind::Global);
    let globals: Vec<Address> = globals.map(|(address, _)| *address).collect();
    let is_of_node =
        |global: &&Address| matches!(property(objects, **global, "process"), Ok(Some(_)));
    let found = globals.iter().find(is_of_node).or_else(|| globals.first());
    found.copied().context(
        "the global object was not found: v8mini find FILE --type JS_GLOBAL_OBJECT_TYPE may",
    )
}

/// The address of the object that an exported heap snapshot gives this id.
fn snapshot_address(objects: &Objects, id: &str) -> anyhow::Result<u64> {
    let ids = ObjectIds::new(objects.pages().pages());
    let address = id.parse().ok().and_then(|id| ids.address(id));
    address.map(|address| address.0).with_context(|| {
        format!(
            "no object has the id @{id}: expected one that a heap snapshot exported from this file shows"
        )
    })
}

/// Why there is no object, and what is there instead.
fn what_is_at(objects: &Objects, number: u64) -> anyhow::Error {
    let found = what_is(objects, number);
    let Some(page) = found.page else {
        return match found.region {
            Some(region) if region.name.is_empty() => {
                anyhow!("{number:#x} is not in a V8 heap page but in other memory of the process")
            }
            Some(region) => anyhow!(
                "{number:#x} is not in a V8 heap page but in {}",
                region.name
            ),
            None => {
                anyhow!("{number:#x} is not in a V8 heap page, nor in any memory of the process")
            }
        };
    };
    if let Some(object) = found.object {
        return anyhow!(
            "{number:#x} lies inside of an object, at byte {} of the {} bytes of {}",
            object.offset,
            object.size,
            object.address
        );
    }
    let space = page.page.space.name();
    anyhow!("{number:#x} is in {space}, but no object was recognised there")
}
