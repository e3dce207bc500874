//! `v8 findrefs`: who refers to a value, a string, or has a property.

use std::io::Write;

use anyhow::bail;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::options::Flag;
use super::super::spelling::Call;
use crate::commands::{
    Outcome, Output, Session, class_name, object_at, properties_named, strings_of_text,
};
use crate::graph::{EdgeKind, EdgeName, Referrer, referrers, referrers_of_referrers};
use crate::heap::PageSelection;
use crate::v8::{Address, Objects, PropertyValue};

/// Most lines of a tree, and its deepest level.
const MAX_LINES: usize = 10_000;
/// Most objects that a tree is made of.
const MAX_OBJECTS: usize = 2_000;
const MAX_DEPTH: usize = 100;

/// Its options: what is looked for is an argument, not their value.
pub(super) const FLAGS: &[Flag] = &[
    Flag {
        short: 'v',
        long: &["value"],
        has_value: false,
    },
    Flag {
        short: 'n',
        long: &["name"],
        has_value: false,
    },
    Flag {
        short: 's',
        long: &["string"],
        has_value: false,
    },
    Flag {
        short: 'r',
        long: &["recursive"],
        has_value: false,
    },
];

/// `v8 findrefs`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let selection = PageSelection::default();
    let chosen = ['v', 'n', 's']
        .into_iter()
        .filter(|short| call.options.has(*short));
    if chosen.count() > 1 {
        bail!("Invalid search type");
    }
    if call.options.has('n') {
        return by_name(call, &session, selection);
    }
    let (targets, text) = if call.options.has('s') {
        let [text] = call.options.rest.as_slice() else {
            bail!("Extra search parameter or unquoted string specified.");
        };
        (
            strings_of_text(&session.objects, selection, text),
            Some(text.clone()),
        )
    } else {
        let target = object_at(&session.objects, &call.expression()?)?;
        (std::iter::once(target).collect(), None)
    };
    let mut tree = Tree {
        session: &session,
        text,
        above: None,
        padding: call.shell.settings.tree_padding,
        seen: targets.clone(),
        lines: 0,
    };
    let (found, _) = referrers(
        &session.objects,
        session.references(),
        selection,
        &targets,
        usize::MAX,
    );
    let found = seen_first(&session, found);
    if call.options.has('r') {
        tree.above = Some(referrers_of_referrers(
            &session.objects,
            session.references(),
            selection,
            &found.iter().map(|referrer| referrer.holder).collect(),
            MAX_OBJECTS,
            |referrer| is_seen(&session, referrer),
        ));
    }
    tree.write(call.output, found, 0)?;
    Ok(if tree.lines == 0 {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

fn by_name(
    call: &mut Call<'_>,
    session: &Session,
    selection: PageSelection,
) -> anyhow::Result<Outcome> {
    let [name] = call.options.rest.as_slice() else {
        bail!("Extra search parameter or unquoted string specified.");
    };
    let found = properties_named(session, selection, name);
    for (holder, value) in &found {
        let word = match value {
            PropertyValue::Tagged(word) => format!("{:#x}", word.0),
            PropertyValue::Double(bits) => f64::from_bits(*bits).to_string(),
            PropertyValue::Accessor { getter, .. } => format!("{:#x}", getter.0),
            PropertyValue::Native(info) => info.to_string(),
        };
        let class = type_name(&session.objects, *holder);
        writeln!(call.output, "{holder}: {class}.{name}={word}")?;
    }
    Ok(if found.is_empty() {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}

/// Whether a program sees the reference.
fn is_seen(session: &Session, referrer: &Referrer) -> bool {
    let is_proto = referrer.edge.name == EdgeName::from("__proto__");
    match referrer.edge.kind {
        EdgeKind::Property => !is_proto,
        EdgeKind::Element | EdgeKind::Context | EdgeKind::Shortcut => true,
        EdgeKind::Internal | EdgeKind::Hidden | EdgeKind::Weak => {
            let objects = &session.objects;
            let holder = objects.instance_type(referrer.holder);
            holder.is_some_and(|holder| objects.is_string_type(holder))
        }
    }
}

/// The references that a program sees; what only V8 sees is shown where nothing else is.
fn seen_first(session: &Session, mut found: Vec<Referrer>) -> Vec<Referrer> {
    if found.iter().any(|referrer| is_seen(session, referrer)) {
        found.retain(|referrer| is_seen(session, referrer));
    }
    found
}

/// The name of an object's type, as llnode has it.
fn type_name(objects: &Objects, object: Address) -> String {
    let name = class_name(objects, object);
    match name.as_str() {
        "Array" => "(Array)".to_owned(),
        "(function)" => "(Function)".to_owned(),
        name if name.ends_with(" string)") || name == "(string)" => "(String)".to_owned(),
        name if name.ends_with("Context") => "Context".to_owned(),
        _ => name,
    }
}

struct Tree<'a> {
    session: &'a Session,
    /// The text that was looked for.
    text: Option<String>,
    /// With -r, who refers to every object of the tree.
    above: Option<FxHashMap<Address, Vec<Referrer>>>,
    padding: usize,
    /// Objects whose references are shown.
    seen: FxHashSet<Address>,
    lines: usize,
}

impl Tree<'_> {
    fn write(
        &mut self,
        output: &mut Output,
        found: Vec<Referrer>,
        level: usize,
    ) -> anyhow::Result<()> {
        for referrer in found {
            self.lines += 1;
            let branch = match level {
                0 => String::new(),
                _ => format!("{}+ ", " ".repeat(self.padding * (level - 1))),
            };
            writeln!(output, "{branch}{}", self.line(&referrer))?;
            if self.above.is_none() || level >= MAX_DEPTH || self.lines >= MAX_LINES {
                continue;
            }
            if self.seen.insert(referrer.holder) {
                let above = self.above.as_mut();
                let next = above.and_then(|above| above.remove(&referrer.holder));
                let next = seen_first(self.session, next.unwrap_or_default());
                self.write(output, next, level + 1)?;
            } else {
                writeln!(
                    output,
                    "{}+  [seen above]",
                    " ".repeat(self.padding * level)
                )?;
            }
        }
        Ok(())
    }

    fn line(&self, referrer: &Referrer) -> String {
        let objects = &self.session.objects;
        let holder = referrer.holder;
        let name = match (&referrer.edge.kind, &referrer.edge.name) {
            (_, EdgeName::Index(index)) => format!("[{index}]"),
            (EdgeKind::Internal | EdgeKind::Hidden, EdgeName::Name(name)) => {
                let mut letters = name.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                format!(
                    ".<{}{}>",
                    first.map(String::from).unwrap_or_default(),
                    letters.as_str()
                )
            }
            (EdgeKind::Shortcut, EdgeName::Name(name)) if name.starts_with('[') => name.to_string(),
            (_, EdgeName::Name(name)) => format!(".{name}"),
        };
        let target = referrer.edge.target.object().unwrap_or_default();
        let text = self.text.as_ref().filter(|_| self.seen.contains(&target));
        let text = text.map(|text| format!(" '{text}'")).unwrap_or_default();
        format!(
            "{holder}: {}{name}={target}{text}",
            type_name(objects, holder)
        )
    }
}
