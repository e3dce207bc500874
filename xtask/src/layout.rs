//! `cargo xtask layout`: drafts a layout table for a new version of V8, and says what a person must check.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use v8mini_tests::{Tools, Workload, target_dir, workspace_root};

/// The program with objects of all kinds.
const PROBE: &str = "specimens.js";

/// Draft a table of spec/layouts/ for a release of Node.js from its binary and a probe process
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exact version (27.0.0) or a line whose latest is wanted (27)
    version: String,
    /// Write the draft to spec/layouts/, unless the version has a table already
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let tools = Tools::build("dev")?;
    let directory = target_dir().join("layout");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let file = directory.join(format!("{}.v8mini", arguments.version));
    let mut process = Workload::new(PROBE, &arguments.version)?.spawn()?;
    let captured = tools.capture_to(process.pid(), &file);
    process.kill()?;
    captured?;
    let info = tools.query("info", &file, &[])?;
    let draft = Draft::of(&info)?;
    print!("{}", draft.report);
    if draft.within_range {
        println!("\n{} covers this version: no table is needed.", draft.base);
        return Ok(());
    }
    println!("\n# spec/layouts/{}\n{}", draft.name, draft.table);
    if arguments.write {
        let path = workspace_root().join("spec/layouts").join(&draft.name);
        fs::write(&path, &draft.table)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("# written to {}", path.display());
    }
    Ok(())
}

/// A table, and what is to be checked before it is believed.
struct Draft {
    name: String,
    /// The table that was taken for the version.
    base: String,
    within_range: bool,
    table: String,
    report: String,
}

impl Draft {
    /// From what `v8mini info --json` says of the probe.
    fn of(info: &Value) -> Result<Self> {
        let text = |value: &Value, what: &str| -> Result<String> {
            Ok(value
                .as_str()
                .with_context(|| format!("v8mini info says no {what}"))?
                .to_owned())
        };
        let version = text(&info["v8_version"], "version of V8")?;
        let node = text(&info["process"]["node_version"], "version of Node.js")?;
        let layout = &info["layout"];
        let base = text(&layout["table"], "layout table")?;
        let minor: Vec<&str> = version.split('.').take(2).collect();
        let minor = minor.join(".");
        let mut report = format!(
            "Node.js {node}, V8 {version}: {} v8dbg constants, then {base}\n",
            layout["v8dbg_constants"]
        );
        let checks = layout["checks"].as_array().map_or(&[][..], Vec::as_slice);
        let mut passed = true;
        for check in checks {
            let ok = check["passed"] == true;
            passed &= ok;
            let mark = if ok { "ok    " } else { "FAILED" };
            let name = check["name"].as_str().unwrap_or("?");
            let detail = check["detail"].as_str().unwrap_or("");
            writeln!(report, "  {mark} {name}: {detail}")?;
        }
        report.push_str("Check by hand:\n");
        let unknown = info["not_recognised"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        for range in unknown {
            passed = false;
            writeln!(
                report,
                "  - the size of what begins with {}: {} bytes in {} places of {}, the largest at {}",
                range["begins_with"].as_str().unwrap_or("?"),
                range["bytes"],
                range["places"],
                range["space"].as_str().unwrap_or("?"),
                range["largest_at"].as_str().unwrap_or("?"),
            )?;
        }
        report.push_str(
            "  - instance types that v8dbg does not name and the table gives by their distance from others\n  \
               - bits of Map, ScopeInfo, SharedFunctionInfo, JSArrayBuffer and Symbol (src/objects/*.tq)\n  \
               - elements kinds (src/objects/elements-kind.h) and headers of variable-size objects\n  \
               - then: cargo xtask matrix VERSION compares values and populations with the truth\n",
        );
        let verified = if passed {
            format!("verified = [\"{}\"]\n", node.trim_start_matches('v'))
        } else {
            String::new()
        };
        let file = base.rsplit('/').next().unwrap_or(&base);
        Ok(Self {
            name: format!("v8-{minor}.toml"),
            within_range: layout["within_range"] == true,
            table: format!(
                "extends = \"{file}\"\n\n[v8]\nfrom = \"{minor}\"\nto = \"{minor}\"\n{verified}"
            ),
            base,
            report,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn info(unknown: &Value) -> Value {
        json!({
            "v8_version": "15.2.10.3",
            "process": { "node_version": "v27.0.0" },
            "layout": {
                "table": "spec/layouts/v8-14.6.toml",
                "within_range": false,
                "v8dbg_constants": 480,
                "checks": [{ "name": "meta-maps", "passed": true, "detail": "2" }],
            },
            "not_recognised": unknown,
        })
    }

    #[test]
    fn a_version_that_the_nearest_table_fits_gets_a_table_without_changes() {
        let draft = Draft::of(&info(&json!([]))).unwrap();
        assert_eq!(draft.name, "v8-15.2.toml");
        assert_eq!(
            draft.table,
            "extends = \"v8-14.6.toml\"\n\n[v8]\nfrom = \"15.2\"\nto = \"15.2\"\nverified = [\"27.0.0\"]\n"
        );
    }

    #[test]
    fn what_was_not_recognised_must_be_checked() {
        let unknown = json!([{
            "space": "old_space", "begins_with": "NEW_ARRAY_TYPE", "places": 3, "bytes": 960,
            "largest_at": "0x1000", "largest_bytes": 400,
        }]);
        let draft = Draft::of(&info(&unknown)).unwrap();
        assert!(
            draft
                .report
                .contains("NEW_ARRAY_TYPE: 960 bytes in 3 places")
        );
        assert!(!draft.table.contains("verified"));
        assert!(Draft::of(&json!({})).is_err());
    }
}
