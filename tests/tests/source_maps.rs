//! What was compiled from TypeScript is shown in TypeScript, wherever the source map is.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::patience::Patient;
use v8mini_tests::{NodeProcess, Tools, Workload, nodes, target_dir, workspace_root};

const TYPESCRIPT: &str = "typescript@5.9.3";

/// The fourth line is where `distance` begins.
const PROGRAM: &str = "\
declare const require: (name: string) => any;
declare const process: any;
interface Point { x: number; y: number }
function distance(from: Point, to: Point): number {
  // The shortest way.
  const across: number = to.x - from.x;
  return Math.hypot(across, to.y - from.y);
}
const protocol = require(process.env.PROTOCOL as string);
protocol.keep(distance);
protocol.ready({ line: distance.toString() }, {});
";

/// The compiler, fetched once.
fn compiler() -> Result<PathBuf> {
    let home = target_dir().join("npm").join(TYPESCRIPT);
    let compiler = home.join("node_modules/typescript/bin/tsc");
    fs::create_dir_all(&home)?;
    // Whoever comes second waits here, and finds it in place.
    let lock = File::create(home.join("lock"))?;
    lock.lock()?;
    if !compiler.exists() {
        let output = Command::new("npm")
            .args([
                "install",
                "--no-save",
                "--no-audit",
                "--no-fund",
                TYPESCRIPT,
                "--prefix",
            ])
            .arg(&home)
            .output()
            .context("cannot run npm")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "npm cannot fetch {TYPESCRIPT}: {complaint}"
        );
    }
    Ok(compiler)
}

/// Compiles the program in `dir`.
fn compile(dir: &Path, options: &[&str]) -> Result<()> {
    fs::write(dir.join("program.ts"), PROGRAM)?;
    let output = Command::new(nodes::ensure(nodes::USUAL)?.path)
        .arg(compiler()?)
        .args([
            "--target", "es2022", "--module", "commonjs", "--outDir", "out",
        ])
        .args(options)
        .arg("program.ts")
        .current_dir(dir)
        .output_in_time()?;
    let complaint = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "tsc: {complaint}");
    Ok(())
}

fn run(dir: &Path, program: &str, option: Option<&str>) -> Result<NodeProcess> {
    let protocol = workspace_root().join("tests/workloads/protocol.js");
    let program = dir.join(program);
    let program = program.to_str().context("a path that is no text")?;
    let mut workload = Workload::new(program, nodes::USUAL)?.env(
        "PROTOCOL",
        protocol.to_str().context("a path that is no text")?,
    );
    if let Some(option) = option {
        workload = workload.node_argument(option);
    }
    workload.spawn()
}

/// What `v8mini source` says of `distance`.
fn distance(process: &NodeProcess, dir: &Path, more: &[&str]) -> Result<Value> {
    let tools = Tools::get();
    let file = dir.join("program.v8mini");
    tools.capture_to(process.pid(), &file)?;
    let functions = tools.query("functions", &file, &["--name", "^distance$"])?;
    let example = functions["functions"][0]["example"]
        .as_str()
        .context("no function")?;
    tools.query("source", &file, &[&[example], more].concat())
}

fn check_original(source: &Value, found_in: &str) -> Result<()> {
    ensure!(source["source_map"]["found_in"] == found_in, "{source}");
    let file = source["file"].as_str().unwrap_or_default();
    ensure!(file.ends_with("/program.ts"), "{source}");
    let lines: Vec<&str> = source["lines"]
        .as_array()
        .context("no lines")?
        .iter()
        .filter_map(|line| line["text"].as_str())
        .collect();
    let expected: Vec<&str> = PROGRAM.lines().skip(3).take(5).collect();
    ensure!(lines == expected, "{lines:?}");
    ensure!(
        source["first_line"] == 4 && source["last_line"] == 8,
        "{source}"
    );
    Ok(())
}

#[test]
fn a_map_in_the_script_leads_to_the_original() -> Result<()> {
    let dir = tempfile::tempdir()?;
    compile(dir.path(), &["--inlineSourceMap", "--inlineSources"])?;
    let process = run(dir.path(), "out/program.js", None)?;
    // Nothing but the capture is needed.
    fs::remove_file(dir.path().join("program.ts"))?;
    fs::remove_dir_all(dir.path().join("out"))?;
    check_original(&distance(&process, dir.path(), &[])?, "inline")?;
    let loaded = distance(&process, dir.path(), &["--as-loaded"])?;
    ensure!(loaded["source_map"].is_null(), "{loaded}");
    ensure!(!loaded["lines"].to_string().contains("Point"), "{loaded}");
    Ok(())
}

#[test]
fn a_map_beside_the_script_leads_to_the_original() -> Result<()> {
    let dir = tempfile::tempdir()?;
    compile(dir.path(), &["--sourceMap"])?;
    let process = run(dir.path(), "out/program.js", None)?;
    check_original(&distance(&process, dir.path(), &[])?, "file")?;
    // Without the original, it is said why it is not shown.
    fs::remove_file(dir.path().join("program.ts"))?;
    let loaded = distance(&process, dir.path(), &[])?;
    ensure!(loaded["source_map"].is_null(), "{loaded}");
    ensure!(
        loaded["problem"].to_string().contains("program.ts:4:"),
        "{loaded}"
    );
    Ok(())
}

#[test]
fn a_map_that_node_has_read_leads_to_the_original() -> Result<()> {
    let dir = tempfile::tempdir()?;
    compile(dir.path(), &["--sourceMap", "--inlineSources"])?;
    let process = run(dir.path(), "out/program.js", Some("--enable-source-maps"))?;
    fs::remove_file(dir.path().join("program.ts"))?;
    fs::remove_dir_all(dir.path().join("out"))?;
    check_original(&distance(&process, dir.path(), &[])?, "heap")
}

#[test]
fn stripped_types_leave_lines_where_they_were() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("program.ts"), PROGRAM)?;
    let process = run(dir.path(), "program.ts", None)?;
    let source = distance(&process, dir.path(), &[])?;
    let lines: Vec<&str> = source["lines"]
        .as_array()
        .context("no lines")?
        .iter()
        .filter_map(|line| line["text"].as_str())
        .collect();
    ensure!(process.truth["line"] == lines.join("\n"), "{source}");
    ensure!(source["first_line"] == 4, "{source}");
    Ok(())
}
