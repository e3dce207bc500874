//! What llnode shows inside of a value: `v8 inspect` of objects, functions, contexts and what only V8 sees.

use std::fmt::Write;

use super::format::{ADDRESS, HEADING, KEY, MAX_SHOWN, Printer, VALUE, in_short, key, open};
use crate::inspect::{Description, Detail, ObjectDescription, ScopeDescription, Value};
use crate::layout::Field;
use crate::v8::{Address, FixedArray, PromiseState};

/// Most embedder fields that are shown.
const MAX_INTERNAL_FIELDS: u64 = 64;

impl Printer<'_> {
    /// What only V8 sees, opened as far as there is something to see.
    pub(super) fn internal(&self, description: &Description) -> String {
        let Value::Internal { elements, .. } = &description.value else {
            return self.short(description);
        };
        let address = description.address.unwrap_or_default();
        let name = self.internal_name(address);
        if elements.items.is_empty() {
            return format!("{VALUE}{name}{VALUE:#}");
        }
        let lines: Vec<String> = elements
            .items
            .iter()
            .take(self.elements)
            .enumerate()
            .map(|(index, element)| format!("{KEY}    [{index}]{KEY:#}={}", self.inner(element)))
            .collect();
        format!(
            "{HEADING}{} contents{HEADING:#}={{\n{}}}>",
            open(&name),
            lines.join(",\n")
        )
    }

    /// The name of what only V8 sees.
    pub(super) fn internal_name(&self, address: Address) -> String {
        let objects = self.objects;
        let Some(instance_type) = objects.instance_type(address) else {
            return "<unknown>".to_owned();
        };
        let name = objects.type_name(instance_type);
        match name.as_str() {
            "MAP_TYPE" => self.map_name(address),
            "CODE_TYPE" | "INSTRUCTION_STREAM_TYPE" => "<Code>".to_owned(),
            "FIXED_ARRAY_TYPE" => match FixedArray::read(objects, address) {
                Ok(array) => format!("<FixedArray, len={}>", array.length),
                Err(_) => "<FixedArray>".to_owned(),
            },
            name if name.ends_with("CONTEXT_TYPE") => "<Context>".to_owned(),
            name => format!("<{}>", name.trim_end_matches("_TYPE")),
        }
    }

    pub(super) fn map_name(&self, address: Address) -> String {
        let Some(map) = self.objects.map(address) else {
            return "<Map>".to_owned();
        };
        let (what, number) = if self.objects.is_receiver_type(map.instance_type) {
            ("in_object_size", map.in_object_capacity())
        } else {
            // The word has another meaning there.
            ("constructor_index", map.in_object_start / 8)
        };
        format!(
            "<Map own_descriptors={} {what}={number} instance_size={} descriptors=0x{:016x}>",
            map.own_descriptors, map.instance_size, map.descriptors.0
        )
    }

    /// Elements, properties, entries and embedder fields of an object.
    pub(super) fn fields(&self, address: Address, object: &ObjectDescription) -> String {
        let mut parts = Vec::new();
        let elements = self.element_lines(object, MAX_SHOWN);
        if !elements.is_empty() {
            parts.push(format!("{HEADING}elements{HEADING:#} {{\n{elements}}}"));
        }
        let entries = self.entries(object);
        if !entries.is_empty() {
            parts.push(format!(
                "{HEADING}entries{HEADING:#} {{\n{}}}",
                entries.join(",\n")
            ));
        }
        let properties: Vec<String> = object
            .properties
            .items
            .iter()
            .map(|property| {
                format!(
                    "{KEY}    .{}{KEY:#}={}",
                    key(property),
                    self.inner(&property.value)
                )
            })
            .collect();
        if !properties.is_empty() {
            parts.push(format!(
                "{HEADING}properties{HEADING:#} {{\n{}}}",
                properties.join(",\n")
            ));
        }
        let mut text = parts.join("\n  ");
        if let Some(fields) = self.internal_fields(address) {
            let _ = write!(
                text,
                "\n{HEADING}  internal fields{HEADING:#} {{\n{fields}}}"
            );
        }
        if let Detail::Error {
            stack: Some(stack), ..
        } = &object.detail
        {
            let _ = write!(text, "\n{HEADING}  error stack{HEADING:#} {{");
            for line in stack.to_text().lines() {
                let _ = write!(text, "\n    {}", line.trim());
            }
            text.push_str("\n  }");
        }
        text
    }

    pub(super) fn element_lines(&self, object: &ObjectDescription, limit: usize) -> String {
        let lines: Vec<String> = object
            .elements
            .items
            .iter()
            .take_while(|(index, _)| *index < limit as u64)
            .map(|(index, value)| format!("{KEY}    [{index}]{KEY:#}={}", self.inner(value)))
            .collect();
        lines.join(",\n")
    }

    /// What maps, sets, promises and the like hold, which llnode does not show.
    pub(super) fn entries(&self, object: &ObjectDescription) -> Vec<String> {
        match &object.detail {
            Detail::Map { entries, .. } => entries
                .items
                .iter()
                .map(|(key, value)| format!("    {} => {}", self.inner(key), self.inner(value)))
                .collect(),
            Detail::Set { members, .. } => {
                let members = members.items.iter();
                members
                    .map(|member| format!("    {}", self.inner(member)))
                    .collect()
            }
            Detail::Promise { state, result, .. } => {
                let state = match state {
                    PromiseState::Pending => "pending",
                    PromiseState::Fulfilled => "fulfilled",
                    PromiseState::Rejected => "rejected",
                };
                let mut lines = vec![format!("    <{state}>")];
                lines.extend(
                    result
                        .iter()
                        .map(|result| format!("    {}", self.inner(result))),
                );
                lines
            }
            Detail::Wrapper { value } => vec![format!("    {}", self.inner(value))],
            Detail::Proxy { target, handler } => [("target", target), ("handler", handler)]
                .into_iter()
                .filter_map(|(name, side)| {
                    Some(format!("    <{name}>={}", self.inner(side.as_deref()?)))
                })
                .collect(),
            Detail::WeakRef {
                target: Some(target),
            } => vec![format!("    {}", self.inner(target))],
            Detail::BoundFunction { target, this, .. } => [("target", target), ("this", this)]
                .into_iter()
                .filter_map(|(name, side)| {
                    Some(format!("    <{name}>={}", self.inner(side.as_deref()?)))
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The words that an embedder keeps in an object, between its header and its first property.
    pub(super) fn internal_fields(&self, address: Address) -> Option<String> {
        let map = self.objects.map_of(address).ok()?;
        let name = self.objects.type_name(map.instance_type);
        if !name.contains("API_OBJECT") || map.instance_size == 0 {
            return None;
        }
        let header = self
            .objects
            .layout()
            .place(Field::JSObjectElements)
            .ok()?
            .offset
            + 8;
        let words = map.in_object_start.checked_sub(header)? / 8;
        let fields: Vec<String> = (0..words.min(MAX_INTERNAL_FIELDS))
            .filter_map(|index| self.objects.word(address, header + index * 8).ok())
            .map(|word| format!("{ADDRESS}    0x{word:016x}{ADDRESS:#}"))
            .collect();
        (!fields.is_empty()).then(|| fields.join(",\n  "))
    }

    pub(super) fn function(
        &self,
        address: Address,
        object: &ObjectDescription,
        scopes: &[ScopeDescription],
    ) -> String {
        let head = open(&self.plain(object)).to_owned();
        let mut text = format!("{HEADING}{head}{HEADING:#}");
        if let Some(context) = self
            .objects
            .tagged_field(address, Field::JSFunctionContext)
            .ok()
            .and_then(|word| word.strong())
        {
            let scope = scopes.iter().find(|scope| scope.context == context);
            let _ = write!(
                text,
                "\n{KEY}  context{KEY:#}={ADDRESS}{context}{ADDRESS:#}:{}",
                self.context(context, scope)
            );
        }
        if self.format.print_source
            && let Some((name, source)) = self.source(address)
        {
            let _ = write!(text, "\n  source:\nfunction {name}{source}\n");
        }
        text + ">"
    }

    pub(super) fn context(&self, context: Address, scope: Option<&ScopeDescription>) -> String {
        let objects = self.objects;
        let mut lines = Vec::new();
        let slots = FixedArray::read(objects, context);
        let word = |slot| {
            let slot = objects.layout().number(slot).ok()?;
            slots.as_ref().ok()?.get(objects, slot).ok()?.strong()
        };
        if let Some(previous) = word(Field::ContextPreviousSlot) {
            lines.push(format!(
                "{KEY}    (previous){KEY:#}={ADDRESS}{previous}{ADDRESS:#}:{VALUE}<Context>{VALUE:#}"
            ));
        }
        if let Some(info) = word(Field::ContextScopeInfoSlot) {
            lines.push(format!(
                "{KEY}    (scope_info){KEY:#}={ADDRESS}{info}{ADDRESS:#}:{VALUE}<ScopeInfo>{VALUE:#}"
            ));
        }
        if let Some(closure) = word(Field::ContextClosureSlot) {
            lines.push(format!(
                "{KEY}    (closure){KEY:#}={ADDRESS}{closure}{ADDRESS:#} {{{}}}",
                in_short(objects, closure)
            ));
        }
        let variables = scope.map(|scope| scope.variables.items.as_slice());
        for (name, value) in variables.unwrap_or_default() {
            lines.push(format!("    {KEY}{name}{KEY:#}={}", self.inner(value)));
        }
        format!("<Context: {{\n{}}}>", lines.join(",\n"))
    }

    /// Name and source of a function, from its parameters on.
    pub(super) fn source(&self, function: Address) -> Option<(String, String)> {
        let objects = self.objects;
        let shared = objects.shared_function_info(function).ok()?;
        let name = objects.function_name(shared).ok()?;
        let (start, end) = objects.function_positions(shared).ok()??;
        let script = objects.function_script(shared).ok()??;
        let source = objects
            .script_source(script, usize::try_from(end).ok()?)
            .ok()??;
        let units = source.units.get(usize::try_from(start).ok()?..)?;
        Some((
            name.map_or_else(String::new, |name| name.to_text()),
            String::from_utf16_lossy(units),
        ))
    }
}
