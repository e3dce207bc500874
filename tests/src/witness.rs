//! V8 as a witness: DevTools' counts and retained sizes in V8's own heap snapshot of a process, next to those in what we export
//! of the same process at the same moment, and to our own.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::http::Connection;
use crate::readers::{Reader, read};
use crate::{NodeProcess, Tools, Workload, npm};

/// Retained sizes may differ by this part.
pub const TOLERANCE: f64 = 0.02;
/// So many classes are compared, those first that retain most.
pub const CLASSES: usize = 50;

/// From Node.js 24 on, what a handle of the server or Node's HTTP parser has in C++ counts in V8's snapshot for the objects that own those.
const OWN_NATIVE_OBJECTS: &str = "objects of C++ that they own, and a few objects that taking the snapshot itself makes or frees";
const FEW_OBJECTS: &str = "a few objects that taking the snapshot itself makes or frees";
/// Why classes differ: by their names in DevTools. Everything else must agree.
const EXPLAINED: &[(&str, &[&str])] = &[
    (
        "V8 sorts arrays of its own by who holds them, and DevTools counts those that have one owner with it",
        &["(compiled code)", "(system)", "(array)", "(object shape)"],
    ),
    (
        "objects of C++, which no capture has",
        &[
            "(synthetic)",
            "Node / *",
            "Detached Node / *",
            "system / JSArrayBufferData",
        ],
    ),
    (
        "parts of Node.js that V8 sees C++ hold by its own objects, and a capture by handles",
        &[
            "BuiltinModule",
            "EventEmitter",
            "Map",
            "Duplex",
            "Socket",
            "Pipe",
            "TTY",
            "ReadStream",
            "WriteStream",
            "global",
            "global *",
            "console",
            "{constructor}",
            "process",
            "Set",
            "WeakMap",
            "Stream",
            "Readable",
        ],
    ),
    (OWN_NATIVE_OBJECTS, &["Object", "Server"]),
    (
        FEW_OBJECTS,
        &[
            "Array",
            "Function",
            "system / Context",
            "(string)",
            "(sliced string)",
            "(concatenated string)",
            "(number)",
            "(symbol)",
            "ArrayBuffer",
            "Uint8Array",
            "Float64Array",
            "Buffer",
            "FastBuffer",
            "{get, set}",
        ],
    ),
];
/// Of classes that differ by a few objects, no more than so many, and no more than this part, may differ.
const FEW: (u64, f64) = (64, 0.002);

/// A class, as DevTools finds it in V8's snapshot and in ours.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name in DevTools.
    pub name: String,
    /// V8's, ours.
    pub counts: [u64; 2],
    /// V8's, ours, in bytes.
    pub retained: [f64; 2],
    /// How many bytes of C++ objects V8's may have more: all that there are, for classes that own some.
    pub native: f64,
    /// Why the two may differ.
    pub why: Option<&'static str>,
}

/// What was compared.
#[derive(Debug)]
pub struct Comparison {
    /// What was run.
    pub program: String,
    /// Nodes, V8's and ours.
    pub nodes: [u64; 2],
    /// Bytes of all of them.
    pub bytes: [f64; 2],
    /// The classes that retain most in V8's snapshot.
    pub classes: Vec<Class>,
}

impl Class {
    /// By which part the retained sizes differ.
    pub fn deviation(&self) -> f64 {
        let [theirs, ours] = self.retained;
        if theirs == ours {
            0.0
        } else {
            ours / theirs - 1.0
        }
    }

    /// Whether both count the same, and retain the same but for the tolerance.
    pub fn agrees(&self) -> bool {
        self.counts[0] == self.counts[1] && self.deviation().abs() <= TOLERANCE
    }

    /// Whether they agree, or differ as is explained.
    pub fn is_as_expected(&self) -> bool {
        let [theirs, ours] = self.counts;
        let few = theirs.abs_diff(ours) <= FEW.0.max((theirs as f64 * FEW.1) as u64);
        let is_few = [Some(FEW_OBJECTS), Some(OWN_NATIVE_OBJECTS)].contains(&self.why);
        let is_native = (0.0..=self.native).contains(&(self.retained[0] - self.retained[1]));
        let close = few && (is_native || self.deviation().abs() <= TOLERANCE);
        self.agrees() || (self.why.is_some() && (!is_few || close))
    }
}

impl Comparison {
    /// Has DevTools read both snapshots of a program.
    ///
    /// # Errors
    /// If it does not take one.
    pub fn read(program: &str, theirs: &Path, ours: &Path) -> Result<Self> {
        Self::of(
            program,
            &read(Reader::DevTools, theirs)?,
            &read(Reader::DevTools, ours)?,
        )
    }

    /// Compares what DevTools said of both.
    ///
    /// # Errors
    /// If that is not what `tests/readers/devtools.mjs` prints.
    pub fn of(program: &str, theirs: &Value, ours: &Value) -> Result<Self> {
        let figure = |of: &Value, name: &str| of[name].as_f64().unwrap_or(0.0);
        let list = theirs["classes"].as_object().context("no classes")?;
        let mut names: Vec<&String> = list.keys().collect();
        names.sort_by_key(|name| std::cmp::Reverse(figure(&list[*name], "retained") as u64));
        names.truncate(CLASSES);
        let is_native =
            |name: &str| name.starts_with("Node / ") || name.starts_with("Detached Node / ");
        let native = list.iter().filter(|(name, _)| is_native(name));
        let native: f64 = native.map(|(_, class)| figure(class, "shallow")).sum();
        let class = |name: &String| {
            let both = [&theirs["classes"][name], &ours["classes"][name]];
            let why = why(name);
            Class {
                name: name.clone(),
                counts: both.map(|of| figure(of, "count") as u64),
                retained: both.map(|of| figure(of, "retained")),
                native: if why == Some(OWN_NATIVE_OBJECTS) {
                    native
                } else {
                    0.0
                },
                why,
            }
        };
        Ok(Self {
            program: program.to_owned(),
            nodes: [theirs, ours].map(|of| figure(of, "nodes") as u64),
            bytes: [theirs, ours].map(|of| figure(of, "shallow")),
            classes: names.into_iter().map(class).collect(),
        })
    }

    /// Classes that differ without an explanation.
    pub fn unexpected(&self) -> Vec<&Class> {
        let classes = self.classes.iter();
        classes.filter(|class| !class.is_as_expected()).collect()
    }

    /// The comparison as Markdown.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let agree = self.classes.iter().filter(|class| class.agrees()).count();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "**{}**: {} nodes in V8's snapshot and {} in ours, {:.1} and {:.1} MB; of the {} classes that retain most, {agree} agree: \
             equal counts, retained sizes within {} %. The others:\n",
            self.program,
            self.nodes[0],
            self.nodes[1],
            self.bytes[0] / 1e6,
            self.bytes[1] / 1e6,
            self.classes.len(),
            TOLERANCE * 100.0
        );
        let _ = writeln!(
            out,
            "| class | V8 | ours | retained, V8 | ours | | why |\n| --- | --: | --: | --: | --: | --: | --- |"
        );
        for class in self.classes.iter().filter(|class| !class.agrees()) {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {:+.2} % | {} |",
                class.name.replace('|', "\\|"),
                class.counts[0],
                class.counts[1],
                class.retained[0],
                class.retained[1],
                class.deviation() * 100.0,
                if class.is_as_expected() {
                    class.why.unwrap_or("")
                } else {
                    "**not explained**"
                }
            );
        }
        out
    }
}

fn why(name: &str) -> Option<&'static str> {
    let fits = |pattern: &&&str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == **pattern,
    };
    EXPLAINED
        .iter()
        .find(|(_, names)| names.iter().any(|pattern| fits(&pattern)))
        .map(|(why, _)| *why)
}

/// The web shop of `cargo xtask demo`, visited.
///
/// # Errors
/// If it cannot be started, or does not answer.
pub fn shop(release: &str, visits: u32) -> Result<NodeProcess> {
    let mut process = Workload::new("leaky-service.js", release)?.spawn()?;
    let port = process.truth["port"]
        .as_u64()
        .context("the service did not say its port")?;
    let mut connection = Connection::open(u16::try_from(port)?)?;
    for visit in 0..visits {
        connection.get(&format!("/visit?user=customer-{visit}"))?;
    }
    // A connection that closes between V8's snapshot and the capture would be a difference of many classes.
    drop(connection);
    process.ask("alone")?;
    Ok(process)
}

/// The TypeScript compiler with a program.
///
/// # Errors
/// If npm or the network is missing, or it cannot be started.
pub fn compiler(release: &str) -> Result<NodeProcess> {
    let modules = npm::folder("witness", None)?;
    let modules = modules
        .to_str()
        .context("the path of the packages is no UTF-8")?;
    Workload::new("compiler.js", release)?.spawn_with(&["--modules", modules])
}

/// Has a process write a snapshot, captures it at once, exports the capture, and compares the two.
///
/// # Errors
/// If one of the programs fails.
pub fn compare(
    tools: &Tools,
    program: &str,
    process: &mut NodeProcess,
    dir: &Path,
) -> Result<Comparison> {
    let [theirs, capture, ours] =
        ["v8.heapsnapshot", "witness.v8mini", "ours.heapsnapshot"].map(|name| dir.join(name));
    process.ask(&format!("snapshot {}", theirs.display()))?;
    tools.capture_to(process.pid(), &capture)?;
    export(tools, &capture, &ours)?;
    Comparison::read(program, &theirs, &ours)
}

/// Exports a capture as a heap snapshot.
///
/// # Errors
/// If it fails.
pub fn export(tools: &Tools, capture: &Path, to: &Path) -> Result<()> {
    let line = [
        "export".as_ref(),
        capture.as_os_str(),
        "--to".as_ref(),
        "heapsnapshot".as_ref(),
        "-o".as_ref(),
        to.as_os_str(),
    ];
    tools.analyze(line)?.success()?;
    Ok(())
}
