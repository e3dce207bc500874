//! The objects of Node.js that the rest is read from, found in one walk over the heap.

use rustc_hash::FxHashSet;

use crate::heap::{HeapObject, PageSelection, Visitor, walk};
use crate::layout::Field;
use crate::v8::{Address, Kind, MapInfo, Objects, PromiseState};

/// So many objects of one kind are remembered.
const MAX_OBJECTS: usize = 1 << 22;

/// Classes of the JavaScript halves of `HandleWrap`s, in any version.
const HANDLES: [&str; 10] = [
    "FSEvent",
    "MessagePort",
    "Pipe",
    "Process",
    "Signal",
    "StatWatcher",
    "TCP",
    "TTY",
    "Timer",
    "UDP",
];

/// Classes of the JavaScript halves of `ReqWrap`s, in any version.
const REQUESTS: [&str; 22] = [
    "BlobReader",
    "CryptoJob",
    "DirHandle",
    "FSReqCallback",
    "FSReqPromise",
    "FSReqWrap",
    "GetAddrInfoReqWrap",
    "GetNameInfoReqWrap",
    "HashJob",
    "PBKDF2Job",
    "PipeConnectWrap",
    "QueryReqWrap",
    "RandomBytesJob",
    "RandomBytesRequest",
    "ScryptJob",
    "SecretKeyGenerateJob",
    "SendWrap",
    "ShutdownWrap",
    "SignJob",
    "TCPConnectWrap",
    "WorkerHeapSnapshotTaker",
    "WriteWrap",
];

/// Classes of the registries of ECMAScript modules: they are instances of `Map`.
const MODULE_MAPS: [&str; 2] = ["ModuleMap", "LoadCache"];

/// What an object of some map is to Node.js.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Process,
    Handle,
    Request,
    TimersList,
    Timeout,
    Immediate,
    Module,
    ModuleMap,
    Promise,
}

/// What the objects of one map are.
#[derive(Debug, Clone, Copy, Default)]
struct Roles {
    role: Option<Role>,
    is_emitter: bool,
}

/// The objects that were found, each list by address.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(super) processes: Vec<Address>,
    pub(super) handles: Vec<Address>,
    pub(super) requests: Vec<Address>,
    pub(super) timer_lists: Vec<Address>,
    pub(super) timeouts: Vec<Address>,
    pub(super) immediates: Vec<Address>,
    pub(super) modules: Vec<Address>,
    pub(super) module_maps: Vec<Address>,
    /// Pending ones only.
    pub(super) promises: Vec<Address>,
    pub(super) emitters: Vec<Address>,
}

impl Census {
    /// Walks the heap.
    pub(crate) fn take(objects: &Objects, selection: PageSelection) -> Self {
        let (takers, _) = walk(objects, selection, || Taker {
            objects,
            known: Vec::new(),
            found: Self::default(),
        });
        let mut census = Self::default();
        for Taker { found, .. } in takers {
            census.processes.extend(found.processes);
            census.handles.extend(found.handles);
            census.requests.extend(found.requests);
            census.timer_lists.extend(found.timer_lists);
            census.timeouts.extend(found.timeouts);
            census.immediates.extend(found.immediates);
            census.modules.extend(found.modules);
            census.module_maps.extend(found.module_maps);
            census.promises.extend(found.promises);
            census.emitters.extend(found.emitters);
        }
        census
    }

    /// All lists, always in the same order.
    pub(super) fn lists(&self) -> [&Vec<Address>; 10] {
        [
            &self.processes,
            &self.handles,
            &self.requests,
            &self.timer_lists,
            &self.timeouts,
            &self.immediates,
            &self.modules,
            &self.module_maps,
            &self.promises,
            &self.emitters,
        ]
    }

    /// As [`Self::lists`].
    pub(super) fn lists_mut(&mut self) -> [&mut Vec<Address>; 10] {
        [
            &mut self.processes,
            &mut self.handles,
            &mut self.requests,
            &mut self.timer_lists,
            &mut self.timeouts,
            &mut self.immediates,
            &mut self.modules,
            &mut self.module_maps,
            &mut self.promises,
            &mut self.emitters,
        ]
    }

    /// The addresses of a list, to look others up in.
    pub(super) fn set(list: &[Address]) -> FxHashSet<Address> {
        list.iter().copied().collect()
    }
}

struct Taker<'a> {
    objects: &'a Objects,
    /// By the map's index in the walk.
    known: Vec<Option<Roles>>,
    found: Census,
}

impl Visitor for Taker<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        if self.known.len() <= object.map_index {
            self.known.resize(object.map_index + 1, None);
        }
        let Some(known) = self.known.get_mut(object.map_index) else {
            return;
        };
        let roles = *known.get_or_insert_with(|| roles_of(self.objects, object.map));
        if roles.is_emitter {
            push(&mut self.found.emitters, object.address);
        }
        let Some(role) = roles.role else {
            return;
        };
        let list = match role {
            Role::Process => &mut self.found.processes,
            Role::Handle => &mut self.found.handles,
            Role::Request => &mut self.found.requests,
            Role::TimersList => &mut self.found.timer_lists,
            Role::Timeout => &mut self.found.timeouts,
            Role::Immediate => &mut self.found.immediates,
            Role::Module => &mut self.found.modules,
            Role::ModuleMap => &mut self.found.module_maps,
            Role::Promise if is_pending(self.objects, object.address) => &mut self.found.promises,
            Role::Promise => return,
        };
        push(list, object.address);
    }
}

fn push(list: &mut Vec<Address>, address: Address) {
    if list.len() < MAX_OBJECTS {
        list.push(address);
    }
}

fn roles_of(objects: &Objects, map: &MapInfo) -> Roles {
    if !objects.is_receiver_type(map.instance_type) || map.is_prototype {
        // V8 up to 6 marks any object as a prototype whose properties its inline caches have looked up: of those that can be,
        // the process is the only one to be found all the same.
        let is_process = objects.is_receiver_type(map.instance_type)
            && objects.class_name(map).as_deref() == Some("process");
        return Roles {
            role: is_process.then_some(Role::Process),
            is_emitter: is_process,
        };
    }
    match objects.kind(map.instance_type) {
        Kind::Promise => {
            return Roles {
                role: Some(Role::Promise),
                is_emitter: false,
            };
        }
        Kind::Function | Kind::BoundFunction | Kind::Array => return Roles::default(),
        _ => {}
    }
    let Some(class) = objects.class_name(map) else {
        return Roles::default();
    };
    let role = match class.as_str() {
        "process" => Some(Role::Process),
        "TimersList" => Some(Role::TimersList),
        "Timeout" => Some(Role::Timeout),
        "Immediate" => Some(Role::Immediate),
        "Module" => Some(Role::Module),
        // Up to V8 5 they have no type of their own.
        "Promise" => Some(Role::Promise),
        name if HANDLES.contains(&name) => Some(Role::Handle),
        name if REQUESTS.contains(&name) => Some(Role::Request),
        name if MODULE_MAPS.contains(&name) => Some(Role::ModuleMap),
        _ => None,
    };
    Roles {
        role,
        is_emitter: is_emitter(objects, map),
    }
}

/// Whether objects of a map have listeners. Those in dictionary mode are told by their prototypes: looking through all their
/// properties would take long.
fn is_emitter(objects: &Objects, map: &MapInfo) -> bool {
    if map.is_dictionary {
        return objects.inherits_from(map, "EventEmitter");
    }
    objects
        .descriptor_keys(map)
        .into_iter()
        .any(|key| objects.read_name(key).is_ok_and(|key| key.is("_events")))
}

fn is_pending(objects: &Objects, promise: Address) -> bool {
    const PENDING: u64 = 0;
    match objects.field(promise, Field::PromiseStatus) {
        Ok(status) => status == PENDING,
        // Up to V8 5 the state is a property like all others.
        Err(_) => objects
            .read_promise(promise)
            .is_ok_and(|promise| promise.state == PromiseState::Pending),
    }
}
