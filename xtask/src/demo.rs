//! `cargo xtask demo`: the whole in one minute, on a program that leaks.

use std::fs;
use std::path::Path;

use anstream::println;
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_tests::{Outcome, Tools, Workload, nodes, target_dir, tools};

use v8mini_tests::http::Connection;

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const COMMAND: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();

/// Capture a leaking web service, see what fills its heap, and look into one leaked object
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Node.js release to run the service on (22, 22.23.3): it is fetched; without this, the machine's own is taken
    #[arg(long)]
    node: Option<String>,
    /// How many visitors the service gets
    #[arg(long, default_value_t = 20_000)]
    visits: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let node = match (&arguments.node, nodes::installed()) {
        (None, Some(installed)) => installed,
        (release, _) => nodes::ensure(release.as_deref().unwrap_or(nodes::USUAL))?,
    };
    let dir = target_dir().join("demo");
    fs::create_dir_all(&dir)?;
    let file = dir.join("shop.v8mini");

    heading("Build the two programs");
    command("cargo build --bins");
    let tools = Tools::build("dev")?;

    heading("Start a web shop that never closes a session");
    command(&format!(
        "{} tests/workloads/leaky-service.js",
        node.path.display()
    ));
    // Killed when this function ends, however it ends; on Ctrl-C the terminal interrupts it too.
    let mut shop = Workload::on(&node.path, "leaky-service.js").spawn()?;
    let port = shop.truth["port"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    let port = port.context("the service did not say its port")?;
    note(&format!(
        "Node.js {}, process {}, port {port}",
        node.version,
        shop.pid()
    ));

    heading("Visit it");
    command(&format!(
        "curl 'http://localhost:{port}/visit?user=ada'    # {} times",
        arguments.visits
    ));
    let mut connection = Connection::open(port)?;
    for visit in 0..arguments.visits {
        connection.get(&format!("/visit?user=customer-{visit}"))?;
    }
    let memory = connection.get("/memory")?;
    note(&memory);

    heading("Capture it, while it runs");
    let pid = shop.pid().to_string();
    let path = shown(&file);
    show(&tools.capture, &["v8mini-capture", &pid, "-o", &path])?;
    ensure!(shop.is_alive(), "the service did not survive its capture");
    connection
        .get("/health")
        .context("the service does not answer after its capture")?;
    note("the service answers as before");

    heading("What fills the heap?");
    show(
        &tools.analyze,
        &["v8mini", "histogram", &path, "--limit", "12"],
    )?;

    heading("Where are the sessions?");
    show(
        &tools.analyze,
        &["v8mini", "instances", &path, "Session", "--limit", "3"],
    )?;
    let sessions = tools.query("instances", &file, &["Session", "--limit", "1"])?;
    let session = sessions["instances"][0]["address"]
        .as_str()
        .context("no Session was found")?;

    heading("What does one hold?");
    show(&tools.analyze, &["v8mini", "inspect", &path, session])?;
    let found = tools.query("inspect", &file, &[session])?;
    let properties = found["properties"].as_array().into_iter().flatten();
    let listener = properties.filter(|property| property["name"] == "onPrice");
    let listener = listener
        .filter_map(|property| property["value"]["address"].as_str())
        .next();

    heading("And what does its listener, which nobody removes, keep alive?");
    let listener = listener.context("the session has no listener")?;
    show(
        &tools.analyze,
        &["v8mini", "inspect", &path, listener, "--depth", "0"],
    )?;

    println!("\n{QUIET}The capture stays in {path}; the service is stopped.{QUIET:#}");
    Ok(())
}

fn heading(text: &str) {
    println!("\n{HEADING}{text}{HEADING:#}");
}

fn command(line: &str) {
    println!("{COMMAND}$ {line}{COMMAND:#}");
}

fn note(text: &str) {
    println!("{QUIET}{text}{QUIET:#}");
}

/// Shows a command line as a person types it, and what it prints.
fn show(program: &Path, line: &[&str]) -> Result<Outcome> {
    command(&line.join(" "));
    let outcome = tools::run(program, &line[1..])?.success()?;
    // The summary of a capture goes to standard error: standard output may be the capture itself.
    println!(
        "{}",
        format!("{}{}", outcome.text(), outcome.stderr).trim_end()
    );
    Ok(outcome)
}

/// The path as seen from the root of the workspace, where a person types the commands.
fn shown(file: &Path) -> String {
    let root = v8mini_tests::workspace_root();
    let root = root.canonicalize().unwrap_or(root);
    let canonical = file
        .parent()
        .and_then(|dir| dir.canonicalize().ok())
        .unwrap_or_default();
    let file = canonical.join(file.file_name().unwrap_or_default());
    let in_current_dir = std::env::current_dir().is_ok_and(|dir| dir == root);
    match file.strip_prefix(&root) {
        Ok(relative) if in_current_dir => relative.display().to_string(),
        _ => file.display().to_string(),
    }
}
