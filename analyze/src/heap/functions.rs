//! All functions of a heap, by definition: how many closures each has, how far it is compiled, and what it takes.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Coverage, HeapObject, PageSelection, Visitor, walk};
use crate::v8::{Address, Objects, Tagged, Tier};

/// So many different codes of the closures of one definition are told apart; there is one for each tier and context.
const MAX_CODES: usize = 64;
/// Words after its map in which a `FeedbackVector` names its function.
const FEEDBACK_HEADER: usize = 6;

/// Bytes that a definition takes, by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DefinitionBytes {
    /// Its `SharedFunctionInfo`.
    pub shared: u64,
    /// Its closures: the `JSFunction` objects.
    pub closures: u64,
    /// Its bytecode.
    pub bytecode: u64,
    /// What the interpreter has noted for the compilers (V8 5.8 and later).
    pub feedback: u64,
    /// Machine code made for it.
    pub machine_code: u64,
}

impl DefinitionBytes {
    /// All of them.
    pub fn total(&self) -> u64 {
        [
            self.shared,
            self.closures,
            self.bytecode,
            self.feedback,
            self.machine_code,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

/// A function as it is written once: its `SharedFunctionInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The `SharedFunctionInfo`.
    pub shared: Address,
    /// Its script; `None` for builtins.
    pub script: Option<Address>,
    /// How far it is compiled.
    pub tier: Tier,
    /// Number of closures: how often the definition was evaluated, as far as the closures still lie in the heap.
    pub closures: u64,
    /// One of the closures.
    pub example: Option<Address>,
    /// Closures by what runs when they are called; empty where V8 keeps that outside of the heap (V8 13.6 and later).
    pub running: BTreeMap<Tier, u64>,
    /// What it takes.
    pub bytes: DefinitionBytes,
}

/// The functions and scripts of a heap.
#[derive(Debug, Default)]
pub struct Functions {
    /// Definitions, by address.
    pub definitions: Vec<Definition>,
    /// Scripts, by address.
    pub scripts: Vec<Address>,
    /// How much of the heap was walked.
    pub coverage: Coverage,
}

/// The closures of one definition.
#[derive(Debug, Default)]
struct Closures {
    count: u64,
    bytes: u64,
    example: Option<Address>,
    /// How many have which code.
    codes: Vec<(Address, u64)>,
}

impl Closures {
    fn add_code(&mut self, code: Address, count: u64) {
        if let Some((_, known)) = self.codes.iter_mut().find(|(known, _)| *known == code) {
            *known += count;
        } else if self.codes.len() < MAX_CODES {
            self.codes.push((code, count));
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
        self.example = self.example.or(other.example);
        for (code, count) in other.codes {
            self.add_code(code, count);
        }
    }
}

/// What one run of pages has of functions.
struct Census<'a> {
    objects: &'a Objects,
    shared_type: Option<u16>,
    script_type: Option<u16>,
    code_type: Option<u16>,
    feedback_type: Option<u16>,
    shared: Vec<(Address, u64)>,
    scripts: Vec<Address>,
    /// Machine code of the optimising compilers.
    optimized: Vec<(Address, Tier)>,
    closures: FxHashMap<Address, Closures>,
    feedback: FxHashMap<Address, u64>,
}

impl<'a> Census<'a> {
    fn new(objects: &'a Objects) -> Self {
        let types = &objects.layout().types;
        Self {
            objects,
            shared_type: types.number("SHARED_FUNCTION_INFO_TYPE"),
            script_type: types.number("SCRIPT_TYPE"),
            code_type: types.number("CODE_TYPE"),
            feedback_type: types.number("FEEDBACK_VECTOR_TYPE"),
            shared: Vec::new(),
            scripts: Vec::new(),
            optimized: Vec::new(),
            closures: FxHashMap::default(),
            feedback: FxHashMap::default(),
        }
    }

    fn closure(&mut self, object: &HeapObject<'_>) {
        let Ok(shared) = self.objects.shared_function_info(object.address) else {
            return;
        };
        let code = self.objects.function_code(object.address);
        let closures = self.closures.entry(shared).or_default();
        closures.count += 1;
        closures.bytes += object.size;
        closures.example.get_or_insert(object.address);
        if let Some(code) = code {
            closures.add_code(code, 1);
        }
    }

    fn feedback_vector(&mut self, object: &HeapObject<'_>) {
        let words = object.bytes.as_chunks::<8>().0;
        let shared = words
            .iter()
            .skip(1)
            .take(FEEDBACK_HEADER)
            .filter_map(|word| Tagged(u64::from_le_bytes(*word)).strong())
            .find(|found| self.objects.instance_type(*found) == self.shared_type);
        if let Some(shared) = shared {
            *self.feedback.entry(shared).or_default() += object.size;
        }
    }
}

impl Visitor for Census<'_> {
    fn visit(&mut self, object: &HeapObject<'_>) {
        let found = Some(object.map.instance_type);
        if found == self.shared_type {
            self.shared.push((object.address, object.size));
        } else if found == self.script_type {
            self.scripts.push(object.address);
        } else if found == self.feedback_type {
            self.feedback_vector(object);
        } else if found == self.code_type {
            let tier = self.objects.code_tier(object.address);
            if let Some(tier) = tier.filter(|tier| matches!(tier, Tier::Maglev | Tier::Turbofan)) {
                self.optimized.push((object.address, tier));
            }
        } else if self.objects.is_function_type(object.map.instance_type) {
            self.closure(object);
        }
    }
}

impl Functions {
    /// Finds the functions in the selected pages, in one walk. What it remembers grows with the number of definitions, not
    /// with that of closures.
    pub fn find(objects: &Objects, selection: PageSelection) -> Self {
        let (censuses, coverage) = walk(objects, selection, || Census::new(objects));
        let mut shared = Vec::new();
        let mut scripts = Vec::new();
        let mut optimized: FxHashMap<Address, Vec<(Address, Tier)>> = FxHashMap::default();
        let mut closures: FxHashMap<Address, Closures> = FxHashMap::default();
        let mut feedback: FxHashMap<Address, u64> = FxHashMap::default();
        for census in censuses {
            shared.extend(census.shared);
            scripts.extend(census.scripts);
            for (code, tier) in census.optimized {
                if let Some(function) = objects.optimized_function(code) {
                    optimized.entry(function).or_default().push((code, tier));
                }
            }
            for (function, found) in census.closures {
                closures.entry(function).or_default().merge(found);
            }
            for (function, bytes) in census.feedback {
                *feedback.entry(function).or_default() += bytes;
            }
        }
        let definitions = shared
            .into_iter()
            .map(|(shared, size)| {
                let bytes = DefinitionBytes {
                    shared: size,
                    feedback: feedback.remove(&shared).unwrap_or(0),
                    ..DefinitionBytes::default()
                };
                let closures = closures.remove(&shared).unwrap_or_default();
                let optimized = optimized.remove(&shared).unwrap_or_default();
                definition(objects, shared, closures, optimized, bytes)
            })
            .collect();
        Self {
            definitions,
            scripts,
            coverage,
        }
    }
}

/// Puts together what is known of a definition.
fn definition(
    objects: &Objects,
    shared: Address,
    closures: Closures,
    optimized: Vec<(Address, Tier)>,
    mut bytes: DefinitionBytes,
) -> Definition {
    let script = objects.function_script(shared).ok().flatten();
    let bytecode = objects.bytecode_array(shared);
    bytes.closures = closures.bytes;
    bytes.bytecode = bytecode.map_or(0, |found| {
        let map = objects.map_of(found).ok();
        map.and_then(|map| objects.size_of(found, &map))
            .unwrap_or(0)
    });
    let mut codes = optimized;
    let mut running: BTreeMap<Tier, u64> = BTreeMap::new();
    let without_machine_code = match (script, bytecode) {
        (None, _) => Tier::Builtin,
        (Some(_), Some(_)) => Tier::Interpreted,
        (Some(_), None) => Tier::Lazy,
    };
    for (code, count) in closures.codes {
        let tier = objects.code_tier(code);
        *running
            .entry(tier.unwrap_or(without_machine_code))
            .or_default() += count;
        codes.extend(tier.map(|tier| (code, tier)));
    }
    codes.extend(objects.own_machine_code(shared));
    codes.sort_unstable();
    codes.dedup();
    bytes.machine_code = codes
        .iter()
        .map(|(code, _)| objects.code_size(*code))
        .fold(0, u64::saturating_add);
    let best = codes.iter().map(|(_, tier)| *tier).max();
    Definition {
        shared,
        script,
        tier: best.unwrap_or(without_machine_code),
        closures: closures.count,
        example: closures.example,
        running,
        bytes,
    }
}
