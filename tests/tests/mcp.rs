//! `v8mini mcp`, as a client sees it that is made with the protocol's own library.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, clients, nodes};

/// What the client found.
fn ask(files: &[&Path]) -> Result<Value> {
    let mut client = clients::client("mcp.mjs")?;
    client.arg(&Tools::get().analyze).args(files);
    let output = client.output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Two captures of one program, with 300 visitors before each.
fn captures(dir: &Path) -> Result<[PathBuf; 2]> {
    let process = Workload::new("leaky-service.js", nodes::USUAL)?.spawn()?;
    let port = process.truth["port"].as_u64().context("no port")?;
    let files = [dir.join("first.v8mini"), dir.join("second.v8mini")];
    for file in &files {
        visit(u16::try_from(port)?)?;
        Tools::get().capture_to(process.pid(), file)?;
    }
    Ok(files)
}

/// Has 300 visitors come.
fn visit(port: u16) -> Result<()> {
    for visitor in 1..=300 {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        write!(
            connection,
            "GET /visit?user=customer-{visitor} HTTP/1.0\r\n\r\n"
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        ensure!(answer.contains("session"), "{answer}");
    }
    Ok(())
}

fn text<'a>(found: &'a Value, pointer: &str) -> Result<&'a str> {
    found
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("nothing at {pointer}"))
}

#[test]
fn a_client_initializes_lists_the_tools_and_calls_each() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [first, second] = captures(dir.path())?;
    let before: BTreeSet<_> = std::fs::read_dir(dir.path())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    let found = ask(&[&first, &second])?;
    let after: BTreeSet<_> = std::fs::read_dir(dir.path())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure!(before == after, "files were written: {after:?}");

    ensure!(found["server"]["name"] == "v8mini", "{}", found["server"]);
    ensure!(text(&found, "/instructions")?.contains("suspects"));
    let tools = found["tools"].as_array().context("no tools")?;
    let names: BTreeSet<&str> = tools.iter().filter_map(|it| it["name"].as_str()).collect();
    for name in [
        "bt",
        "diff",
        "find",
        "histogram",
        "info",
        "inspect",
        "instances",
        "node",
        "path",
        "refs",
        "source",
        "sql",
        "strings",
        "suspects",
        "tree",
        "waste",
    ] {
        ensure!(names.contains(name), "{name} is no tool: {names:?}");
    }
    for name in ["convert", "export", "redact", "shell", "mcp"] {
        ensure!(!names.contains(name), "{name} is a tool, but writes");
    }
    for tool in tools {
        let schema = &tool["inputSchema"];
        ensure!(
            schema["type"] == "object" && schema["additionalProperties"] == false,
            "{tool}"
        );
        ensure!(tool["annotations"]["readOnlyHint"] == true, "{tool}");
    }
    for (name, answer) in found["answers"].as_object().context("no answers")? {
        ensure!(answer["error"] == false, "{name}: {answer}");
        let text = answer["text"].as_str().context("no text")?;
        ensure!(text.contains("\n\nNext: "), "{name} leads nowhere: {text}");
        ensure!(text.len() < 10_000, "{name} is too long: {}", text.len());
    }

    // The answers are those of the commands.
    let own = Tools::get().analyze([
        "print".as_ref(),
        first.as_os_str(),
        format!("{}.id", text(&found, "/address")?).as_ref(),
    ])?;
    ensure!(text(&found, "/answers/print/text")?.starts_with(own.text().trim()));
    ensure!(text(&found, "/answers/inspect/text")?.starts_with("Session 0x"));
    ensure!(text(&found, "/answers/source/text")?.contains("onPrice"));
    ensure!(text(&found, "/answers/diff/text")?.contains("IncomingMessage"));
    let sessions = text(&found, "/answers/sql/text")?;
    ensure!(
        sessions.contains("0x") && sessions.contains("Session"),
        "{sessions}"
    );
    // An agent has tools, and maybe no shell.
    let suspects = text(&found, "/answers/suspects/text")?;
    ensure!(
        suspects.contains("inspect 0x") && !suspects.contains("v8mini "),
        "{suspects}"
    );
    Ok(())
}

#[test]
fn long_answers_come_in_parts_and_errors_are_told() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [first, _] = captures(dir.path())?;
    let found = ask(&[&first])?;
    let names: Vec<&str> = found["tools"]
        .as_array()
        .context("no tools")?
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    ensure!(!names.contains(&"diff"), "there is nothing to compare with");

    let whole = Tools::get()
        .analyze([
            "histogram".as_ref(),
            first.as_os_str(),
            "--limit=0".as_ref(),
        ])?
        .text();
    let parts = found["parts"].as_array().context("no parts")?;
    let (last, parts) = parts.split_last().context("no parts")?;
    ensure!(parts.len() > 1, "the answer came in one part");
    ensure!(text(last, "/text")?.contains("has no page"), "{last}");
    let mut lines: Vec<&str> = Vec::new();
    for part in parts {
        let text = text(part, "/text")?;
        lines.extend(text.split("\n\nPart ").next().unwrap_or_default().lines());
    }
    for line in whole.lines().filter(|line| !line.is_empty()) {
        ensure!(
            lines.iter().any(|found| found.trim() == line.trim()),
            "'{line}' is in no part"
        );
    }

    let wrong = &found["wrong"];
    ensure!(wrong["noTool"]["protocolError"] == -32602, "{wrong}");
    for (name, expected) in [
        ("noArgument", "no argument 'path'"),
        ("output", "no argument 'as_loaded'"),
        ("wrongType", "many"),
        ("wrongPattern", "no regular expression"),
        ("wrongAddress", "zzz"),
        ("missing", "ADDR"),
    ] {
        let answer = &wrong[name];
        ensure!(answer["error"] == true, "{name}: {answer}");
        ensure!(
            text(answer, "/text")?.contains(expected),
            "{name}: {answer}"
        );
    }
    // What looks like an option is a value: no class has this name.
    let option = text(wrong, "/option/text")?;
    ensure!(
        option.contains("Nothing was found") && !option.contains("Usage"),
        "{option}"
    );
    let together = found["together"].as_array().context("no answers")?;
    ensure!(
        together.iter().all(|answer| answer["error"] == false),
        "{together:?}"
    );
    Ok(())
}

#[test]
fn what_is_no_capture_is_told_at_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("text.v8mini");
    std::fs::write(&file, "no capture")?;
    let outcome = Tools::get().analyze(["mcp".as_ref(), file.as_os_str()])?;
    ensure!(outcome.code() == Some(2) && outcome.stdout.is_empty());
    ensure!(outcome.stderr.contains("cannot open"), "{}", outcome.stderr);
    Ok(())
}
