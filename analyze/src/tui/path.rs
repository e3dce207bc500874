//! What keeps an object alive, from the object up to the root: as `v8mini path` answers, read from the other end, because the first
//! lines are what a small pane shows.

use std::ffi::OsString;

use serde::Deserialize;

use super::answers::Answers;

/// Paths that are shown.
const PATHS: &str = "5";

#[derive(Deserialize)]
struct Found {
    count: usize,
    paths: Vec<Route>,
}

#[derive(Deserialize)]
struct Route {
    root: String,
    address: String,
    class: String,
    steps: Vec<Step>,
    omitted: usize,
}

#[derive(Deserialize)]
struct Step {
    kind: String,
    name: String,
    repeats: usize,
    address: String,
    class: String,
}

/// The paths to an object in lines.
///
/// # Errors
/// As `v8mini path`.
pub(super) fn lines(answers: &Answers<'_>, address: &str) -> anyhow::Result<Vec<String>> {
    let options = ["--limit", PATHS].map(OsString::from);
    Ok(text(&answers.json("path", &options, Some(address))?))
}

fn text(found: &Found) -> Vec<String> {
    if found.paths.is_empty() {
        return vec!["dead: no root leads to it".to_owned()];
    }
    let mut lines = Vec::new();
    for (number, route) in (1..).zip(&found.paths) {
        if number > 1 {
            lines.push(format!("path {number} of {}", found.count));
        }
        // Each link with whoever has it: the first of them is the root's object.
        let first = (&route.class, &route.address);
        let holders = std::iter::once(first)
            .chain(route.steps.iter().map(|step| (&step.class, &step.address)));
        let links: Vec<_> = route.steps.iter().zip(holders).collect();
        for (index, (step, (class, address))) in links.iter().enumerate().rev() {
            lines.push(format!("← {} of {class} {address}", step.label()));
            if route.omitted > 0 && index == route.steps.len() / 2 {
                lines.push(format!("  … {} objects in between …", route.omitted));
            }
        }
        lines.push(format!("  root: {}", route.root));
    }
    if found.paths.len() < found.count {
        lines.push(format!("… {} more", found.count - found.paths.len()));
    }
    lines
}

impl Step {
    fn label(&self) -> String {
        let name = match self.kind.as_str() {
            "property" => format!(".{}", self.name),
            "context" => format!("variable {}", self.name),
            "internal" | "hidden" => format!("({})", self.name),
            _ => self.name.clone(),
        };
        match self.repeats {
            1 => name,
            repeats => format!("{name} ×{repeats}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_the_object_to_the_root() -> anyhow::Result<()> {
        let found: Found = serde_json::from_str(
            r#"{ "count": 2, "paths": [ { "root": "global", "address": "0x1", "class": "global", "omitted": 0, "steps": [
                { "kind": "property", "name": "app", "repeats": 1, "address": "0x5", "class": "App" },
                { "kind": "context", "name": "sessions", "repeats": 1, "address": "0x9", "class": "Map" },
                { "kind": "element", "name": "[3]", "repeats": 2, "address": "0xd", "class": "Session" }
            ] } ] }"#,
        )?;
        assert_eq!(
            text(&found),
            [
                "← [3] ×2 of Map 0x9",
                "← variable sessions of App 0x5",
                "← .app of global 0x1",
                "  root: global",
                "… 1 more"
            ]
        );
        let none = Found {
            count: 0,
            paths: Vec::new(),
        };
        assert_eq!(text(&none), ["dead: no root leads to it"]);
        Ok(())
    }
}
