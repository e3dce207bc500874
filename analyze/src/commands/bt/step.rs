//! A function that goes on, or is called, later: a line of what a thread waits for.

use std::io::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::output::Output;
use super::super::schema::Hex;
use crate::node::{Callback, Step};

#[derive(Serialize, JsonSchema)]
pub(super) struct StepReport {
    /// `await`, `then`, `combinator` or `call`.
    kind: &'static str,
    name: String,
    /// The function; absent for what V8 does itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    function: Option<String>,
    /// What has the state of a function at an `await`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    generator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    /// Whether line and column are those of the `await`, and not of the function.
    is_exact: bool,
    #[serde(skip)]
    place: String,
}

impl StepReport {
    pub(super) fn new(step: &Step) -> Self {
        match step {
            Step::Await(at) => Self {
                kind: "await",
                name: at.name.clone(),
                function: Some(at.function.to_string()),
                generator: Some(at.generator.to_string()),
                ..Self::place(at.location.as_ref(), at.is_exact)
            },
            Step::Then(function) => Self {
                kind: "then",
                ..Self::call(function)
            },
            Step::Call(function) => Self::call(function),
            Step::Combinator => Self {
                kind: "combinator",
                name: "Promise.all, any or allSettled".to_owned(),
                ..Self::place(None, false)
            },
        }
    }

    pub(super) fn call(function: &Callback) -> Self {
        Self {
            kind: "call",
            name: function.name.clone(),
            function: Some(function.function.to_string()),
            ..Self::place(function.location.as_ref(), false)
        }
    }

    fn place(location: Option<&crate::v8::Location>, is_exact: bool) -> Self {
        let line_column = location.and_then(|location| location.line_column);
        Self {
            kind: "call",
            name: String::new(),
            function: None,
            generator: None,
            file: location.map(|location| location.file.clone()),
            line: line_column.map(|(line, _)| line),
            column: line_column.map(|(_, column)| column),
            is_exact,
            place: location.map_or_else(String::new, ToString::to_string),
        }
    }

    /// As stack traces have it: `at async f (x.js:10:9)`.
    pub(super) fn text(&self) -> String {
        let name = match self.name.as_str() {
            "" => "(anonymous)",
            name => name,
        };
        let name = match self.kind {
            "await" => format!("at async {name}"),
            "then" => format!("then {name}"),
            _ => name.to_owned(),
        };
        match (self.place.as_str(), self.kind, self.is_exact) {
            ("", ..) => name,
            (place, "await", false) => format!("{name} (in the function at {place})"),
            (place, ..) => format!("{name} ({place})"),
        }
    }
}

/// Writes what goes on after the line above.
pub(super) fn write_steps(output: &mut Output, steps: &[StepReport]) -> anyhow::Result<()> {
    for step in steps {
        writeln!(output, "        {}", step.text())?;
    }
    Ok(())
}
