//! The answer of `v8mini node`, as JSON has it; the text is made of the same.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Sections;
use super::waiting::{PromisesReport, TimersReport};
use crate::commands::schema::Hex;
use crate::commands::session::Session;
use crate::inspect::{Options, describe, one_line};
use crate::node::{Emitters, Environment, Handles, Modules, ProcessFacts};
use crate::v8::{Address, Objects};

#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Report {
    pub(super) isolates: Vec<IsolateReport>,
}

/// What is known of one isolate; what was not asked for is left out.
#[derive(Serialize, JsonSchema)]
pub(super) struct IsolateReport {
    pub(super) number: usize,
    /// Whether a `process` object was found.
    is_node: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<ProcessReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) handles: Option<HandlesReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<HandlesReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timers: Option<TimersReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) emitters: Option<EmittersReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modules: Option<ModulesReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) promises: Option<PromisesReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ProcessReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    /// As the process itself knows it.
    pub(super) pid: Option<u64>,
    pub(super) ppid: Option<u64>,
    /// As the system calls it: `process.title`, cut to 15 bytes.
    pub(super) title: String,
    pub(super) version: Option<String>,
    pub(super) arch: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) release: BTreeMap<String, String>,
    pub(super) exec_path: Option<String>,
    pub(super) argv: Vec<String>,
    pub(super) exec_argv: Vec<String>,
    pub(super) cwd: Option<String>,
    pub(super) exit_code: Option<u64>,
    pub(super) exiting: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct HandlesReport {
    /// `inferred`: told by the objects, not by Node.js' own list.
    basis: &'static str,
    pub(super) count: u64,
    pub(super) by_class: BTreeMap<String, u64>,
    /// Objects of closed ones that are not collected yet.
    pub(super) closed: u64,
    pub(super) open: Vec<HandleReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct HandleReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
    /// Address of the C++ object.
    #[schemars(with = "Hex")]
    native: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<OwnerReport>,
    pub(super) summary: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct OwnerReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
    pub(super) summary: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct EmittersReport {
    /// Emitters that have listeners.
    pub(super) count: u64,
    pub(super) listeners: u64,
    /// Emitters with more than 10 listeners for one event.
    pub(super) suspects: u64,
    pub(super) classes: Vec<EmitterClassReport>,
    pub(super) top: Vec<EmitterReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct EmitterClassReport {
    pub(super) class: String,
    pub(super) emitters: u64,
    pub(super) listeners: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct EmitterReport {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
    pub(super) listeners: u64,
    pub(super) is_suspect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_listeners: Option<f64>,
    pub(super) events: Vec<EventReport>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct EventReport {
    pub(super) event: String,
    pub(super) listeners: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ModulesReport {
    pub(super) common_js_count: u64,
    pub(super) ecma_script_count: u64,
    pub(super) common_js: Vec<ModuleReport>,
    pub(super) ecma_script: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ModuleReport {
    pub(super) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loaded: Option<bool>,
}

impl IsolateReport {
    pub(super) fn new(
        session: &Session,
        number: usize,
        environment: &Environment<'_>,
        sections: Sections,
        limit: usize,
    ) -> Self {
        let objects = &session.objects;
        let system = &objects.image().metadata.process;
        let process = environment.process();
        let timers = || TimersReport::new(session, number, environment, limit);
        let handles = |handles: Handles| HandlesReport::new(objects, handles, limit);
        Self {
            number,
            is_node: process.is_some(),
            process: process
                .filter(|_| sections.process)
                .map(|facts| ProcessReport::new(facts, system.name.clone())),
            handles: sections.handles.then(|| handles(environment.handles())),
            requests: sections.requests.then(|| handles(environment.requests())),
            timers: sections.timers.then(timers),
            emitters: sections
                .emitters
                .then(|| EmittersReport::new(environment.emitters(limit), limit)),
            modules: sections
                .modules
                .then(|| ModulesReport::new(environment.modules(), limit)),
            promises: sections
                .promises
                .then(|| PromisesReport::new(environment.promises(), limit)),
        }
    }

    pub(super) fn is_node(&self) -> bool {
        self.is_node
    }
}

impl ProcessReport {
    fn new(facts: ProcessFacts, title: String) -> Self {
        Self {
            address: facts.address.to_string(),
            pid: facts.pid,
            ppid: facts.ppid,
            title,
            version: facts.version,
            arch: facts.arch,
            platform: facts.platform,
            versions: facts.versions,
            release: facts.release,
            exec_path: facts.exec_path,
            argv: facts.argv,
            exec_argv: facts.exec_argv,
            cwd: facts.cwd,
            exit_code: facts.exit_code,
            exiting: facts.exiting,
        }
    }
}

impl HandlesReport {
    fn new(objects: &Objects, handles: Handles, limit: usize) -> Self {
        let mut by_class: BTreeMap<String, u64> = BTreeMap::new();
        for handle in &handles.open {
            *by_class.entry(handle.class.clone()).or_default() += 1;
        }
        Self {
            basis: "inferred",
            count: handles.open.len() as u64,
            by_class,
            closed: handles.closed,
            open: handles
                .open
                .into_iter()
                .take(limit)
                .map(|handle| HandleReport {
                    address: handle.address.to_string(),
                    class: handle.class,
                    native: format!("{:#x}", handle.native),
                    owner: handle.owner.map(|(owner, class)| OwnerReport {
                        address: owner.to_string(),
                        class,
                        summary: summary(objects, owner),
                    }),
                    summary: summary(objects, handle.address),
                })
                .collect(),
        }
    }
}

impl EmittersReport {
    fn new(emitters: Emitters, limit: usize) -> Self {
        Self {
            count: emitters.classes.iter().map(|class| class.emitters).sum(),
            listeners: emitters.classes.iter().map(|class| class.listeners).sum(),
            suspects: emitters.suspects,
            classes: emitters
                .classes
                .into_iter()
                .take(limit)
                .map(|class| EmitterClassReport {
                    class: class.class,
                    emitters: class.emitters,
                    listeners: class.listeners,
                })
                .collect(),
            top: emitters
                .top
                .into_iter()
                .take(limit)
                .map(|emitter| EmitterReport {
                    address: emitter.address.to_string(),
                    class: emitter.class,
                    listeners: emitter.listeners,
                    is_suspect: emitter.is_suspect,
                    max_listeners: emitter.max_listeners,
                    events: emitter
                        .events
                        .into_iter()
                        .map(|(event, listeners)| EventReport { event, listeners })
                        .collect(),
                })
                .collect(),
        }
    }
}

impl ModulesReport {
    fn new(modules: Modules, limit: usize) -> Self {
        Self {
            common_js_count: modules.common_js.len() as u64,
            ecma_script_count: modules.ecma_script.len() as u64,
            common_js: modules
                .common_js
                .into_iter()
                .take(limit)
                .map(|module| ModuleReport {
                    key: module.key,
                    address: module.address.map(|address| address.to_string()),
                    loaded: module.loaded,
                })
                .collect(),
            ecma_script: modules.ecma_script.into_iter().take(limit).collect(),
        }
    }
}

fn summary(objects: &Objects, object: Address) -> String {
    let text = one_line(&describe(objects, object.tagged(), &Options::ONE_LINE));
    // JSON has no styles.
    anstream::adapter::strip_str(&text).to_string()
}
