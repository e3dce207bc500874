//! Contexts: the variables that closures share.

use super::{Address, FixedArray, MapInfo, ObjectError, Objects, PropertyValue, Tagged};
use crate::layout::Field;

/// Deepest nesting of contexts that is followed.
const MAX_DEPTH: usize = 256;

/// The variables of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The context that holds them.
    pub context: Address,
    /// What kind of scope it is: `function`, `block`, `catch`, `module`, …
    pub kind: String,
    /// Names and values; a hole stands for a variable that is not initialised yet.
    pub variables: Vec<(String, PropertyValue)>,
}

/// What a slot of a context is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotUse {
    /// For V8 itself.
    Internal,
    /// For a variable of the program.
    Variable,
}

impl SlotUse {
    /// Whether it holds a variable of the program.
    pub const fn is_variable(self) -> bool {
        matches!(self, Self::Variable)
    }
}

impl Objects {
    /// The scopes around a function, innermost first, up to the global one: the variables that it can use. They are
    /// shared by all closures in the scope, so it need not mention them all.
    ///
    /// # Errors
    /// If the function's context cannot be read; an unreadable outer one ends the list.
    pub fn closure_scopes(&self, function: Address) -> Result<Vec<Scope>, ObjectError> {
        let context = self.tagged_field(function, Field::JSFunctionContext)?;
        Ok(self.scopes(context))
    }

    /// The context of a function.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn function_context(&self, function: Address) -> Result<Tagged, ObjectError> {
        self.tagged_field(function, Field::JSFunctionContext)
    }

    /// The context around one; `None` for the outermost, and for what is no context.
    pub fn context_previous(&self, context: Address) -> Option<Address> {
        let instance_type = self.instance_type(context)?;
        let slot = self.layout().number(Field::ContextPreviousSlot).ok()?;
        let previous = FixedArray::read(self, context).ok()?.get(self, slot).ok()?;
        self.context_kind(instance_type, previous)?;
        previous.strong()
    }

    /// The scopes from a context outwards, up to the global one.
    pub fn scopes(&self, innermost: Tagged) -> Vec<Scope> {
        let mut scopes = Vec::new();
        let mut context = innermost;
        for _ in 0..MAX_DEPTH {
            let Some(address) = context.strong() else {
                break;
            };
            let Ok(Some((scope, previous))) = self.read_context(address) else {
                break;
            };
            scopes.push(scope);
            context = previous;
        }
        scopes
    }

    /// A context and the one around it; `None` for the native context, the outermost.
    fn read_context(&self, address: Address) -> Result<Option<(Scope, Tagged)>, ObjectError> {
        let layout = self.layout();
        let instance_type = self.map_of(address)?.instance_type;
        let slots = FixedArray::read(self, address)?;
        let previous = slots.get(self, layout.number(Field::ContextPreviousSlot)?)?;
        let Some(kind) = self.context_kind(instance_type, previous) else {
            return Ok(None);
        };
        let mut variables = Vec::new();
        for (name, slot) in self.context_variables(&slots)? {
            variables.push((name, self.slot_value(slots.get(self, slot)?)?));
        }
        Ok(Some((
            Scope {
                context: address,
                kind,
                variables,
            },
            previous,
        )))
    }

    /// Names of the variables of a context, and the slots that they are in.
    fn context_variables(&self, slots: &FixedArray) -> Result<Vec<(String, u64)>, ObjectError> {
        let Some(scope_info) = self.context_scope_info(slots)? else {
            return Ok(Vec::new());
        };
        let first = match self.compute(scope_info, Field::ScopeInfoContextHeader) {
            Ok(Some(first)) => first,
            _ => self.layout().number(Field::ContextMinSlots)?,
        };
        let names = self.context_local_names(scope_info)?;
        Ok(names.into_iter().zip(first..slots.length).collect())
    }

    /// What the slots of a context hold: V8's own first, then the variables; names and slot numbers.
    ///
    /// # Errors
    /// If the context cannot be read.
    pub fn context_slots(
        &self,
        context: Address,
    ) -> Result<Vec<(SlotUse, String, u64)>, ObjectError> {
        let layout = self.layout();
        let slots = FixedArray::read(self, context)?;
        let previous_slot = layout.number(Field::ContextPreviousSlot)?;
        let first = if layout.number(Field::ContextScopeInfoSlot).is_ok() {
            "scope_info"
        } else {
            "closure"
        };
        let own = |name: &str, slot| (SlotUse::Internal, name.to_owned(), slot);
        let mut found = vec![own(first, 0), own("previous", previous_slot)];
        let instance_type = self.map_of(context)?.instance_type;
        let previous = slots.get(self, previous_slot)?;
        if self.context_kind(instance_type, previous).is_some() {
            let variables = self.context_variables(&slots)?;
            found.extend(
                variables
                    .into_iter()
                    .map(|(name, slot)| (SlotUse::Variable, name, slot)),
            );
        }
        Ok(found)
    }

    /// Whether an object is a context.
    ///
    /// Up to V8 6.2 contexts are arrays: each has a function in its first slot, and in its fourth the native context, which has
    /// itself there; or, up to V8 4.6, the global object.
    pub fn is_context(&self, object: Address, map: &MapInfo) -> bool {
        const CLOSURE: u64 = 0;
        const NATIVE_CONTEXT: u64 = 3;
        let types = &self.layout().types;
        if types.number("FUNCTION_CONTEXT_TYPE").is_some() {
            let name = types.name_of(map.instance_type);
            return name.is_some_and(|name| name.ends_with("_CONTEXT_TYPE"));
        }
        let slot = |array: Address, slot: u64| {
            let array = FixedArray::read(self, array).ok()?;
            array.get(self, slot).ok()?.strong()
        };
        self.is_type(map.instance_type, "FIXED_ARRAY_TYPE")
            && slot(object, CLOSURE)
                .and_then(|closure| self.instance_type(closure))
                .is_some_and(|instance_type| self.is_function_type(instance_type))
            && slot(object, NATIVE_CONTEXT).is_some_and(|native| {
                self.has_type(native, "JS_GLOBAL_OBJECT_TYPE")
                    || slot(native, NATIVE_CONTEXT) == Some(native)
            })
    }

    /// The value in a context slot, which from V8 14 on may live in a cell of its own.
    pub(super) fn slot_value(&self, word: Tagged) -> Result<PropertyValue, ObjectError> {
        const INT32: u64 = 2;
        const FLOAT64: u64 = 3;
        let Some(cell) = word
            .strong()
            .filter(|cell| self.has_type(*cell, "CONTEXT_CELL_TYPE"))
        else {
            return Ok(PropertyValue::Tagged(word));
        };
        let double = self.field(cell, Field::ContextCellDoubleValue)?;
        Ok(match self.field(cell, Field::ContextCellState)? {
            INT32 => PropertyValue::Double(f64::from(double as u32 as i32).to_bits()),
            FLOAT64 => PropertyValue::Double(double),
            _ => PropertyValue::Tagged(self.tagged_field(cell, Field::ContextCellTaggedValue)?),
        })
    }

    /// Up to V8 6 contexts have no types of their own but maps of one type; there the outermost is told by having none
    /// around it.
    fn context_kind(&self, instance_type: u16, previous: Tagged) -> Option<String> {
        let name = self.layout().types.name_of(instance_type);
        match name.and_then(|name| name.strip_suffix("_CONTEXT_TYPE")) {
            Some("NATIVE") => None,
            Some(kind) => Some(kind.to_ascii_lowercase().replace('_', " ")),
            None => previous.strong().map(|_| "function".to_owned()),
        }
    }

    fn context_scope_info(&self, slots: &FixedArray) -> Result<Option<Address>, ObjectError> {
        let layout = self.layout();
        if let Ok(slot) = layout.number(Field::ContextScopeInfoSlot) {
            return Ok(slots.get(self, slot)?.strong());
        }
        let closure = slots.get(self, layout.number(Field::ContextClosureSlot)?)?;
        let Some(closure) = closure.strong() else {
            return Ok(None);
        };
        let shared = self.shared_function_info(closure)?;
        self.function_scope_info(shared)
    }
}
