//! `SharedFunctionInfo`: what all closures of one function have in common.

use super::name::MAX_NAME_UNITS;
use super::{Address, ObjectError, Objects, StringValue, Tagged};
use crate::layout::Field;

/// How the types are called that hold what is known of a function before it is compiled.
const UNCOMPILED_DATA: &str = "UNCOMPILED_DATA_WITH";

/// What compiled code and source have to do with a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionData {
    /// Not compiled yet, or its code was flushed.
    Uncompiled(Address),
    /// Made by the embedder from a `FunctionTemplateInfo`.
    Template(Address),
    /// Anything else: compiled code, a builtin.
    Other,
}

impl Objects {
    /// Whether an instance type is a JavaScript function's, bound functions and proxies not included.
    pub fn is_function_type(&self, instance_type: u16) -> bool {
        let layout = self.layout();
        let bound = |field, name: &str| {
            let named = layout.types.number(name).map(u64::from);
            layout.number(field).ok().or(named)
        };
        let first = bound(Field::FirstFunctionType, "JS_FUNCTION_TYPE");
        let last = bound(Field::LastFunctionType, "LAST_JS_FUNCTION_TYPE").or(first);
        first
            .zip(last)
            .is_some_and(|(first, last)| (first..=last).contains(&u64::from(instance_type)))
    }

    /// The `SharedFunctionInfo` of the function at `address`.
    ///
    /// # Errors
    /// [`ObjectError::WrongType`] if it is no function; other errors if it cannot be read.
    pub fn shared_function_info(&self, function: Address) -> Result<Address, ObjectError> {
        let found = self.map_of(function)?.instance_type;
        if !self.is_function_type(found) {
            return Err(ObjectError::WrongType {
                address: function,
                found: self.type_name(found),
                expected: "function",
            });
        }
        let word = self.tagged_field(function, Field::JSFunctionShared)?;
        word.strong()
            .filter(|shared| self.has_type(*shared, "SHARED_FUNCTION_INFO_TYPE"))
            .ok_or(ObjectError::NotAnObject {
                address: function,
                word: word.0,
            })
    }

    /// The name by which V8 calls a function in stack traces: its own, or the one inferred from where it was assigned to.
    /// Empty for an anonymous function.
    ///
    /// # Errors
    /// If the `SharedFunctionInfo` cannot be read.
    pub fn function_debug_name(&self, shared: Address) -> Result<Option<StringValue>, ObjectError> {
        if let Some(name) = self.function_name(shared)?.filter(|name| name.length > 0) {
            return Ok(Some(name));
        }
        if let Some(name) = self.inferred_name(shared)?.filter(|name| name.length > 0) {
            return Ok(Some(name));
        }
        let FunctionData::Template(template) = self.function_data(shared)? else {
            return Ok(None);
        };
        Ok(self.template_class_name(template))
    }

    /// The name that the source gives a function, or that the language derives from it; `None` for an anonymous function.
    ///
    /// # Errors
    /// If the `SharedFunctionInfo` cannot be read.
    pub fn function_name(&self, shared: Address) -> Result<Option<StringValue>, ObjectError> {
        let layout = self.layout();
        let Ok(place) = layout.place(Field::SharedNameOrScopeInfo) else {
            let name = self.tagged_field(shared, Field::SharedName)?;
            return Ok(self.string_at(name));
        };
        let name = Tagged(self.load(shared, place)?);
        Ok(match self.as_scope_info(name) {
            Some(scope_info) => self.scope_info_name(scope_info, Field::ScopeInfoFunctionName)?,
            None => self.string_at(name),
        })
    }

    fn inferred_name(&self, shared: Address) -> Result<Option<StringValue>, ObjectError> {
        if let Ok(place) = self.layout().place(Field::SharedInferredName)
            && let Some(name) = self.string_at(Tagged(self.load(shared, place)?))
        {
            return Ok(Some(name));
        }
        if let FunctionData::Uncompiled(data) = self.function_data(shared)? {
            let name = self.tagged_field(data, Field::UncompiledDataInferredName)?;
            return Ok(self.string_at(name));
        }
        // Before it moved there (V8 6.9), it is in one place only; builtins have none.
        if self.layout().value(Field::ScopeInfoInferredName).is_none() {
            return Ok(None);
        }
        match self.function_scope_info(shared)? {
            Some(scope_info) => self.scope_info_name(scope_info, Field::ScopeInfoInferredName),
            None => Ok(None),
        }
    }

    /// The `ScopeInfo` of a function; `None` before it is compiled for the first time.
    ///
    /// # Errors
    /// If the `SharedFunctionInfo` cannot be read.
    pub fn function_scope_info(&self, shared: Address) -> Result<Option<Address>, ObjectError> {
        let place = self
            .layout()
            .place(Field::SharedNameOrScopeInfo)
            .or_else(|_| self.layout().place(Field::SharedScopeInfo))?;
        Ok(self.as_scope_info(Tagged(self.load(shared, place)?)))
    }

    /// What compiled code and source have to do with a function. From V8 13 on there are two places for it.
    ///
    /// # Errors
    /// If the `SharedFunctionInfo` cannot be read.
    pub fn function_data(&self, shared: Address) -> Result<FunctionData, ObjectError> {
        for field in [
            Field::SharedFunctionData,
            Field::SharedTrustedFunctionData,
            Field::SharedUntrustedFunctionData,
        ] {
            let Ok(place) = self.layout().place(field) else {
                continue;
            };
            let Some(data) = Tagged(self.load(shared, place)?).strong() else {
                continue;
            };
            if self.has_type(data, "FUNCTION_TEMPLATE_INFO_TYPE") {
                return Ok(FunctionData::Template(data));
            }
            let found = self
                .instance_type(data)
                .and_then(|number| self.layout().types.name_of(number));
            if found.is_some_and(|name| name.starts_with(UNCOMPILED_DATA)) {
                return Ok(FunctionData::Uncompiled(data));
            }
        }
        Ok(FunctionData::Other)
    }

    /// The class name that the embedder gave a template.
    pub fn template_class_name(&self, template: Address) -> Option<StringValue> {
        let name = self.tagged_field(template, Field::TemplateClassName).ok()?;
        self.string_at(name)
    }

    /// A `ScopeInfo`. Up to V8 6.5 it has the type of a plain `FixedArray`.
    fn as_scope_info(&self, word: Tagged) -> Option<Address> {
        let object = word.strong()?;
        let types = &self.layout().types;
        let wanted = types
            .number("SCOPE_INFO_TYPE")
            .or_else(|| types.number("FIXED_ARRAY_TYPE"));
        (self.instance_type(object) == wanted).then_some(object)
    }

    fn scope_info_name(
        &self,
        scope_info: Address,
        field: Field,
    ) -> Result<Option<StringValue>, ObjectError> {
        match self.compute(scope_info, field)? {
            None | Some(0) => Ok(None),
            Some(offset) => Ok(self.string_at(self.tagged(scope_info, offset)?)),
        }
    }

    /// The string that a word points at; `None` if it points at anything else.
    pub(super) fn string_at(&self, word: Tagged) -> Option<StringValue> {
        self.read_string(word.strong()?, MAX_NAME_UNITS).ok()
    }

    /// Whether there is an object of this type at `address`.
    pub fn has_type(&self, address: Address, name: &str) -> bool {
        self.instance_type(address)
            .is_some_and(|found| self.is_type(found, name))
    }
}
