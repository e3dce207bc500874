//! How a function is compiled: its bytecode, and the machine code made of it.

use super::{Address, Objects, Tagged};
use crate::layout::Field;

/// Words at the beginning of a `Code`, an `InterpreterData` or a `FeedbackVector` that may refer to what it belongs to.
const REFERENCES: u64 = 7;
/// Words of deoptimisation data in which the function is named.
const DEOPTIMIZATION_HEADER: u64 = 12;

/// How far V8 went in compiling a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Part of V8 or of the embedder: there is no JavaScript to compile.
    Builtin,
    /// Not compiled: never called, or its code was flushed.
    Lazy,
    /// Bytecode (V8 5 and later).
    Interpreted,
    /// Machine code made of the syntax tree (up to V8 5).
    FullCodegen,
    /// Machine code made of the bytecode, by Sparkplug (V8 9 and later).
    Baseline,
    /// Optimised by Maglev (V8 10 and later).
    Maglev,
    /// Optimised by TurboFan, or by Crankshaft (up to V8 5).
    Turbofan,
}

impl Tier {
    /// As it is shown: `lazy`, `interpreted`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Lazy => "lazy",
            Self::Interpreted => "interpreted",
            Self::FullCodegen => "full-codegen",
            Self::Baseline => "baseline",
            Self::Maglev => "maglev",
            Self::Turbofan => "turbofan",
        }
    }

    /// Whether it is machine code made for one function.
    pub const fn is_machine_code(self) -> bool {
        matches!(
            self,
            Self::FullCodegen | Self::Baseline | Self::Maglev | Self::Turbofan
        )
    }
}

impl Objects {
    /// The `BytecodeArray` of a `SharedFunctionInfo`; `None` if it has none: it is not compiled, is a builtin, or V8 made
    /// machine code without bytecode (up to V8 5).
    pub fn bytecode_array(&self, shared: Address) -> Option<Address> {
        let data = [
            Field::SharedFunctionData,
            Field::SharedTrustedFunctionData,
            Field::SharedUntrustedFunctionData,
        ];
        data.into_iter().find_map(|field| {
            let data = self.tagged_field(shared, field).ok()?.strong()?;
            let found = self.instance_type(data)?;
            match self.layout().types.name_of(found)? {
                "BYTECODE_ARRAY_TYPE" => Some(data),
                // These have it among their first words, where depends on the version.
                "CODE_TYPE" | "INTERPRETER_DATA_TYPE" | "BASELINE_DATA_TYPE" => {
                    self.bytecode_near(data, 1)
                }
                _ => None,
            }
        })
    }

    /// The `BytecodeArray` that an object refers to, directly or through an `InterpreterData`.
    fn bytecode_near(&self, holder: Address, levels: u32) -> Option<Address> {
        if let Some(bytecode) = self.first_reference(holder, REFERENCES, "BYTECODE_ARRAY_TYPE") {
            return Some(bytecode);
        }
        let data = self.first_reference(holder, REFERENCES, "INTERPRETER_DATA_TYPE")?;
        let levels = levels.checked_sub(1)?;
        self.bytecode_near(data, levels)
    }

    /// The first object of a type that one of the `words` words after an object's map points at.
    pub(crate) fn first_reference(
        &self,
        holder: Address,
        words: u64,
        name: &str,
    ) -> Option<Address> {
        (1..=words).find_map(|index| {
            let word = self.tagged(holder, index * 8).ok()?;
            word.strong().filter(|object| self.has_type(*object, name))
        })
    }

    /// The `Code` that runs when a function is called.
    pub fn function_code(&self, function: Address) -> Option<Address> {
        let code = match self.compute(function, Field::FunctionCode) {
            Ok(code) => Tagged(code?).strong()?,
            Err(_) => self.dispatched_code(function)?,
        };
        let found = self.instance_type(code)?;
        match self.layout().types.name_of(found)? {
            "CODE_TYPE" | "CODE_DATA_CONTAINER_TYPE" => Some(code),
            _ => None,
        }
    }

    /// Which compiler made a `Code`; `None` for a builtin, a stub, a regular expression.
    pub fn code_tier(&self, code: Address) -> Option<Tier> {
        let kind = self.field(code, Field::CodeKind).ok()?;
        [
            (Field::CodeKindFullCodegen, Tier::FullCodegen),
            (Field::CodeKindBaseline, Tier::Baseline),
            (Field::CodeKindMaglev, Tier::Maglev),
            (Field::CodeKindOptimized, Tier::Turbofan),
        ]
        .into_iter()
        .find(|(field, _)| self.layout().number(*field) == Ok(kind))
        .map(|(_, tier)| tier)
    }

    /// The function that an optimised `Code` was made for, by its deoptimisation data.
    pub fn optimized_function(&self, code: Address) -> Option<Address> {
        (1..=REFERENCES).find_map(|index| {
            let data = self.tagged(code, index * 8).ok()?.strong()?;
            if let Some(shared) =
                self.first_reference(data, DEOPTIMIZATION_HEADER, "SHARED_FUNCTION_INFO_TYPE")
            {
                return Some(shared);
            }
            let wrapper = self.first_reference(
                data,
                DEOPTIMIZATION_HEADER,
                "SHARED_FUNCTION_INFO_WRAPPER_TYPE",
            )?;
            self.first_reference(wrapper, 1, "SHARED_FUNCTION_INFO_TYPE")
        })
    }

    /// Machine code that a `SharedFunctionInfo` itself holds, for new closures to run: Sparkplug's, or that of V8 5's
    /// compiler.
    pub fn own_machine_code(&self, shared: Address) -> Option<(Address, Tier)> {
        let code = |holder| self.first_reference(holder, REFERENCES, "CODE_TYPE");
        // V8 9.0 to 9.4 keep code and bytecode together.
        let both = || self.first_reference(shared, REFERENCES, "BASELINE_DATA_TYPE");
        let code = code(shared).or_else(|| code(both()?))?;
        self.code_tier(code).map(|tier| (code, tier))
    }

    /// Size in bytes of a `Code` with its instructions, which V8 11 and later keep in an object of their own; 0 if nothing
    /// tells it.
    pub fn code_size(&self, code: Address) -> u64 {
        let instructions = self.first_reference(code, REFERENCES, "INSTRUCTION_STREAM_TYPE");
        let size = |object| {
            let map = self.map_of(object).ok()?;
            self.size_of(object, &map)
        };
        let own = size(code).unwrap_or(0);
        own.saturating_add(instructions.and_then(size).unwrap_or(0))
    }
}
