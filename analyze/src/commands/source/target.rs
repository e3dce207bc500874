//! What `v8mini source` is asked for: a function, a script, a place in one, or a frame.

use anyhow::{Context, bail};

use crate::commands::address::object_at;
use crate::commands::bt::is_of_the_program;
use crate::commands::session::Session;
use crate::heap::PageSelection;
use crate::source::Part;
use crate::stack::unwind;
use crate::suspects::is_of_program;
use crate::v8::{Address, Kind, Objects};

/// Of several functions of one name, so many are listed.
const NAMESAKES: usize = 10;

/// What is shown.
pub(super) struct Target {
    /// Name of the function.
    pub(super) function: Option<String>,
    pub(super) script: Address,
    pub(super) part: Part,
}

impl Target {
    /// What `what` names.
    pub(super) fn named(session: &Session, what: &str) -> anyhow::Result<Self> {
        let objects = &session.objects;
        if let Some((thread, frame)) = what.split_once('#')
            && let Ok(frame) = frame.parse()
        {
            return target_of_frame(objects, thread, frame);
        }
        let digits = what.trim_start_matches("0x");
        if u64::from_str_radix(digits, 16).is_ok() {
            return target_at(objects, object_at(objects, what)?);
        }
        let (name, line) = match what.rsplit_once(':') {
            Some((name, line)) if !line.is_empty() => match line.parse() {
                Ok(line) => (name, Some(line)),
                Err(_) => (what, None),
            },
            _ => (what, None),
        };
        match script_named(session, name)? {
            Some(script) => Ok(Self {
                function: None,
                script,
                part: line.map_or(Part::All, Part::Line),
            }),
            None => target_of_name(session, what),
        }
    }
}

/// What an object has to do with source text.
fn target_at(objects: &Objects, address: Address) -> anyhow::Result<Target> {
    let map = objects.map_of(address)?;
    if objects.has_type(address, "SCRIPT_TYPE") {
        return Ok(Target {
            function: None,
            script: address,
            part: Part::All,
        });
    }
    let shared = match objects.kind_of(address, &map) {
        Kind::Function => objects.shared_function_info(address)?,
        Kind::BoundFunction => {
            let target = objects.read_bound_function(address)?.target;
            let target = target.strong().context("its target cannot be read")?;
            return target_at(objects, target);
        }
        Kind::Generator => {
            let function = objects.read_generator(address)?.function.strong();
            objects.shared_function_info(function.context("its function cannot be read")?)?
        }
        _ if objects.has_type(address, "SHARED_FUNCTION_INFO_TYPE") => address,
        _ => bail!(
            "the object at {address} is a {}, not a function, a SharedFunctionInfo or a script: v8mini functions lists those that have source",
            objects.type_name(map.instance_type)
        ),
    };
    let name = objects.function_debug_name(shared)?;
    let name = name.map_or_else(String::new, |name| name.to_text());
    let Some(script) = objects.function_script(shared)? else {
        bail!("'{name}' at {address} is not written in JavaScript: it is part of V8 or of Node.js");
    };
    Ok(Target {
        part: function_part(objects, shared, &name)?,
        function: Some(name),
        script,
    })
}

/// The function of a frame, at the call in progress.
fn target_of_frame(objects: &Objects, thread: &str, number: usize) -> anyhow::Result<Target> {
    let threads = &objects.image().metadata.threads;
    let thread = match thread {
        "" => threads.first(),
        tid => threads.iter().find(|thread| thread.tid.to_string() == tid),
    };
    let thread = thread.context("there is no such thread: v8mini bt --all lists them")?;
    let frames = unwind(objects, thread, usize::MAX).frames;
    let mut shown = frames.into_iter().filter(is_of_the_program);
    let frame = shown.nth(number).with_context(|| {
        let tid = thread.tid;
        format!("thread {tid} has no frame {number}: v8mini bt --thread {tid} shows its frames")
    })?;
    let function = frame.function.context("the frame has no function")?;
    let name = function.name;
    let Some(script) = function.script else {
        bail!("'{name}' is not written in JavaScript: it is part of V8 or of Node.js");
    };
    let location = function.location.filter(|_| function.is_exact);
    let part = match location {
        Some(location) => Part::Around(usize::try_from(location.position)?),
        None => function_part(objects, function.shared, &name)?,
    };
    Ok(Target {
        function: Some(name),
        script,
        part,
    })
}

/// The text of a function.
fn function_part(objects: &Objects, shared: Address, name: &str) -> anyhow::Result<Part> {
    let (start, end) = objects
        .function_positions(shared)?
        .with_context(|| format!("nothing says where '{name}' stands in its script"))?;
    Ok(Part::Function(
        usize::try_from(start)?..usize::try_from(end)?,
    ))
}

/// The function of a name: the program's own if Node has one of that name, too.
fn target_of_name(session: &Session, wanted: &str) -> anyhow::Result<Target> {
    let objects = &session.objects;
    let functions = session.functions(PageSelection::default());
    let mut found = Vec::new();
    for definition in &functions.definitions {
        let name = objects
            .function_debug_name(definition.shared)
            .ok()
            .flatten();
        if name.is_some_and(|name| name.to_text() == wanted)
            && let Some(script) = definition.script
        {
            let file = objects.script_name(script).ok().flatten();
            let file = file.map_or_else(String::new, |file| file.to_text());
            let location = objects.function_location(definition.shared).ok().flatten();
            let location = location.map(|location| location.to_string());
            found.push((!is_of_program(&file), location, definition.shared));
        }
    }
    found.sort_unstable();
    // Each isolate has compiled the file for itself.
    found.dedup_by(|(_, one, _), (_, other, _)| one.is_some() && one == other);
    let first = found.first().map(|(is_own_of_node, ..)| *is_own_of_node);
    found.retain(|(is_own_of_node, ..)| Some(*is_own_of_node) == first);
    match found.as_slice() {
        [(.., shared)] => target_at(objects, *shared),
        [] => bail!(
            "'{wanted}' is no address and the name of no script or function: v8mini scripts and v8mini functions list them"
        ),
        several => {
            let places =
                several
                    .iter()
                    .take(NAMESAKES)
                    .map(|(_, location, shared)| match location {
                        Some(location) => format!("{shared} ({location})"),
                        None => shared.to_string(),
                    });
            let places: Vec<String> = places.collect();
            let dots = if several.len() > NAMESAKES {
                ", …"
            } else {
                ""
            };
            bail!(
                "{} functions are called '{wanted}': name one by its address: {}{dots}",
                several.len(),
                places.join(", ")
            )
        }
    }
}

/// The script of a name, or whose name ends so; `None` if there is none.
fn script_named(session: &Session, wanted: &str) -> anyhow::Result<Option<Address>> {
    let objects = &session.objects;
    let functions = session.functions(PageSelection::default());
    let mut found: Vec<(String, Address)> = functions
        .scripts
        .iter()
        .filter_map(|script| {
            let name = objects.script_name(*script).ok()??.to_text();
            let rest = name.strip_suffix(wanted)?;
            let is_whole = rest.is_empty() || rest.ends_with(['/', '\\', ':']);
            is_whole.then_some((name, *script))
        })
        .collect();
    // The same file may have been loaded twice: by two isolates, or anew.
    found.sort();
    found.dedup_by(|one, other| one.0 == other.0);
    match found.as_slice() {
        [(_, script)] => Ok(Some(*script)),
        [] => Ok(None),
        [first, second, ..] => bail!(
            "'{wanted}' may be {} or {}: say more of the name",
            first.0,
            second.0
        ),
    }
}
