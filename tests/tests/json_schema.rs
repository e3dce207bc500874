//! What the commands answer with `--json` is what their schemas say: of whole captures, cut ones and damaged ones.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::{Tools, Workload, clients, nodes};

/// Answers on their way to the validator.
struct Answers {
    dir: tempfile::TempDir,
    count: usize,
}

impl Answers {
    /// A folder with the schemas of all commands.
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let list = Tools::get()
            .analyze(["schema", "--list"])?
            .success()?
            .text();
        for command in list.lines() {
            let schema = Tools::get().analyze(["schema", command])?.success()?;
            fs::write(
                dir.path().join(format!("{command}.schema.json")),
                schema.stdout,
            )?;
        }
        Ok(Self { dir, count: 0 })
    }

    fn add(&mut self, command: &str, answer: &[u8]) -> Result<()> {
        self.count += 1;
        let name = format!("{command}.{}.json", self.count);
        Ok(fs::write(self.dir.path().join(name), answer)?)
    }

    /// Asks a file, and keeps the answer if there is one. Errors are none of the schema's business; crashes are never right.
    fn ask(&mut self, command: &str, file: &Path, arguments: &[&str]) -> Result<bool> {
        let mut line: Vec<&OsStr> = vec![command.as_ref(), file.as_os_str()];
        line.extend(arguments.iter().map(OsStr::new));
        line.push("--json".as_ref());
        let outcome = Tools::get().analyze(line)?;
        let code = outcome.code().with_context(|| outcome.command.clone())?;
        ensure!(code <= 3, "{}: {code}: {}", outcome.command, outcome.stderr);
        if outcome.stdout.is_empty() {
            ensure!(code == 2 || code == 1, "{} says nothing", outcome.command);
            return Ok(false);
        }
        self.add(command, &outcome.stdout)?;
        Ok(true)
    }

    /// Asks a file many questions in one session, which opens it once.
    fn ask_all(&mut self, file: &Path, questions: &[(&str, &[&str])]) -> Result<()> {
        for (command, answer) in session(file, questions)? {
            // What a question finds nothing for, or what makes no sense of this file, has no answer.
            if !answer.trim().is_empty() {
                self.add(&command, answer.as_bytes())?;
            }
        }
        Ok(())
    }

    /// What is wrong; and that no command was forgotten.
    fn validate(&self, expected: &[&str]) -> Result<()> {
        let output = clients::client("validate.mjs")?
            .arg(self.dir.path())
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report: Value = serde_json::from_slice(&output.stdout)?;
        for command in expected {
            ensure!(
                report["held"][command].as_u64() > Some(0),
                "no answer of {command} was held against its schema: {report:#}"
            );
        }
        let problems = report["problems"].as_array().context("no problems field")?;
        ensure!(problems.is_empty(), "{problems:#?}");
        Ok(())
    }
}

/// Asks a file many questions in one session: each command, and what it printed.
fn session(file: &Path, questions: &[(&str, &[&str])]) -> Result<Vec<(String, String)>> {
    let mut line: Vec<String> = ["shell", "--color", "never"].map(str::to_owned).to_vec();
    line.push(file.to_string_lossy().into_owned());
    for (command, arguments) in questions {
        let arguments: Vec<String> = arguments.iter().map(|it| format!("'{it}'")).collect();
        line.extend(["-c".to_owned(), format!("echo '{MARK}'")]);
        line.extend([
            "-c".to_owned(),
            format!("{command} {} --json", arguments.join(" ")),
        ]);
    }
    let outcome = Tools::get().analyze(line)?;
    let code = outcome.code().context("the session was ended")?;
    ensure!(code <= 3, "{code}: {}", outcome.stderr);
    let text = outcome.text();
    let answers: Vec<&str> = text.split(&format!("{MARK}\n")).skip(1).collect();
    ensure!(
        answers.len() == questions.len(),
        "{} answers to {} questions: {}",
        answers.len(),
        questions.len(),
        outcome.stderr
    );
    let commands = questions.iter().map(|(command, _)| (*command).to_owned());
    Ok(commands
        .zip(answers.into_iter().map(str::to_owned))
        .collect())
}

/// Stands alone on the line before an answer.
const MARK: &str = "=== answer";

/// The first string of an answer's field, at a JSON pointer.
fn text(command: &str, file: &Path, arguments: &[&str], pointer: &str) -> Result<String> {
    let answer = Tools::get().query(command, file, arguments)?;
    let found = answer.pointer(pointer).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("{command} has no {pointer}"))?
        .to_owned())
}

/// Asks everything of a file that can be asked with an object of it.
fn ask_everything(answers: &mut Answers, file: &Path, object: &str) -> Result<()> {
    let file_name = file.to_str().context("a file with a strange name")?;
    let small = ["--limit", "5"];
    let questions: &[(&str, &[&str])] = &[
        ("info", &[]),
        ("histogram", &[]),
        ("histogram", &["--by", "space"]),
        ("histogram", &["--retained"]),
        ("instances", &["Object", "--limit", "3"]),
        ("instances", &["Socket", "--sort", "retained"]),
        ("find", &["--string", "e", "--limit", "3"]),
        ("find", &["--property", "fd", "--limit", "3"]),
        ("refs", &[object]),
        ("refs", &[object, "--recursive", "--limit", "5"]),
        ("inspect", &[object]),
        ("inspect", &[object, "--print-map", "--retained"]),
        ("what", &[object]),
        ("what", &["0x10"]),
        ("node", &[]),
        ("functions", &small),
        ("scripts", &[]),
        ("source", &["server.js"]),
        ("source", &["walkthrough.js:20"]),
        ("strings", &small),
        ("waste", &[]),
        ("suspects", &["--all"]),
        ("suspects", &[file_name]),
        ("diff", &[file_name]),
        ("diff", &[file_name, "--objects", "Socket"]),
        ("diff", &[file_name, "--retained"]),
        ("bt", &["--async"]),
        ("bt", &["--all", "--args", "--source", "--native"]),
        ("bt", &[]),
        ("dominators", &small),
        ("tree", &small),
        ("tree", &["--node", object]),
        ("path", &[object]),
        ("path", &["--type", "Socket"]),
        ("garbage", &small),
        (
            "sql",
            &["SELECT class, live_bytes, 0.5, NULL FROM types LIMIT 3"],
        ),
    ];
    answers.ask_all(file, questions)
}

/// Commands that need a live heap's answers, and those that write files.
const ALL: [&str; 28] = [
    "bt",
    "cache",
    "convert",
    "diff",
    "dominators",
    "export",
    "find",
    "functions",
    "garbage",
    "histogram",
    "info",
    "inspect",
    "instances",
    "node",
    "pack",
    "path",
    "redact",
    "refs",
    "report",
    "scripts",
    "source",
    "sql",
    "strings",
    "suspects",
    "tree",
    "unpack",
    "waste",
    "what",
];

#[test]
fn every_answer_is_what_the_schema_says() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let logs = dir.path().to_str().context("a strange name")?;
    let process = Workload::new("walkthrough.js", nodes::USUAL)?.spawn_with(&["--logs", logs])?;
    let file = dir.path().join("walkthrough.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let socket = text("instances", &file, &["Socket"], "/instances/0/address")?;

    let mut answers = Answers::new()?;
    ask_everything(&mut answers, &file, &socket)?;

    let redacted = dir.path().join("redacted.v8mini");
    let snapshot = dir.path().join("out.heapsnapshot");
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let packed = dir.path().join("packed.v8mini");
    let unpacked = dir.path().join("unpacked.v8mini");
    let outputs: [(&str, &[&str]); 8] = [
        ("cache", &[]),
        ("report", &["-o", &path(&dir.path().join("report.html"))]),
        ("redact", &["-o", &path(&redacted)]),
        ("export", &["--to", "heapsnapshot", "-o", &path(&snapshot)]),
        ("pack", &["-o", &path(&packed)]),
        ("unpack", &["-o", &path(&unpacked)]),
        (
            "export",
            &["--to", "core", "-o", &path(&dir.path().join("out.core"))],
        ),
        (
            "export",
            &["--to", "parquet", "-o", &path(&dir.path().join("lake"))],
        ),
    ];
    for (command, arguments) in outputs {
        ensure!(
            answers.ask(command, &file, arguments)?,
            "{command} says nothing"
        );
    }
    // What a redacted capture does not have must be allowed to be missing, too.
    ask_everything(&mut answers, &redacted, &socket)?;

    let core = dir.path().join("core");
    let gcore = std::process::Command::new("gcore")
        .arg("-o")
        .arg(&core)
        .arg(process.pid().to_string())
        .output()
        .context("gcore, a part of gdb, is needed")?;
    let core = dir.path().join(format!("core.{}", process.pid()));
    ensure!(core.exists(), "{}", String::from_utf8_lossy(&gcore.stderr));
    let converted = dir.path().join("converted.v8mini");
    ensure!(answers.ask("convert", &core, &["-o", &path(&converted)])?);
    for command in ["info", "node", "bt"] {
        ensure!(answers.ask(command, &core, &[])?, "{command} of a core");
    }
    answers.validate(&ALL)
}

#[test]
fn values_of_every_kind_are_what_the_schema_says() -> Result<()> {
    let mut answers = Answers::new()?;
    for release in ["6.17.1", nodes::USUAL, "26.10.0"] {
        let process = Workload::new("specimens.js", release)?.spawn()?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("specimens.v8mini");
        Tools::get().capture_to(process.pid(), &file)?;
        let subjects = process.truth["subjects"]
            .as_object()
            .context("no subjects")?;
        let names: Vec<[&str; 1]> = subjects.keys().map(|name| [name.as_str()]).collect();
        let mut questions: Vec<(&str, &[&str])> =
            names.iter().map(|name| ("instances", &name[..])).collect();
        // Maps, scripts and code are values that only V8 sees.
        for type_name in [&["--type", "MAP_TYPE"], &["--type", "SCRIPT_TYPE"]] {
            questions.push(("find", type_name));
        }
        let mut objects = Vec::new();
        for (command, answer) in session(&file, &questions)? {
            let answer: Value = serde_json::from_str(&answer)
                .with_context(|| format!("{command} of {release}: {answer}"))?;
            let list = &answer[if command == "find" {
                "objects"
            } else {
                "instances"
            }];
            let address = list[0]["address"].as_str().context("nothing was found")?;
            objects.push(address.to_owned());
        }
        let deep: Vec<[&str; 3]> = objects.iter().map(|it| [it, "--depth", "5"]).collect();
        let short: Vec<[&str; 4]> = objects.iter().map(|it| [it, "-l", "2", "-m"]).collect();
        let mut questions: Vec<(&str, &[&str])> = Vec::new();
        questions.extend(deep.iter().map(|it| ("inspect", &it[..])));
        questions.extend(short.iter().map(|it| ("inspect", &it[..])));
        answers.ask_all(&file, &questions)?;
    }
    answers.validate(&["inspect"])
}

#[test]
fn answers_from_cut_and_damaged_captures_are_what_the_schema_says() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let logs = dir.path().to_str().context("a strange name")?;
    let process = Workload::new("walkthrough.js", nodes::USUAL)?.spawn_with(&["--logs", logs])?;
    let file = dir.path().join("whole.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let socket = text("instances", &file, &["Socket"], "/instances/0/address")?;
    let whole = fs::read(&file)?;

    let mut answers = Answers::new()?;
    for cut in [70, 99] {
        let cut_file = dir.path().join(format!("cut-{cut}.v8mini"));
        fs::write(&cut_file, &whole[..whole.len() * cut / 100])?;
        ask_everything(&mut answers, &cut_file, &socket)?;
    }
    let mut damaged = whole;
    // Every 64 KiB a byte: most chunks of memory no longer have the checksum that they should.
    for at in (damaged.len() / 3..damaged.len()).step_by(65_536) {
        damaged[at] ^= 0x5a;
    }
    let damaged_file = dir.path().join("damaged.v8mini");
    fs::write(&damaged_file, &damaged)?;
    ask_everything(&mut answers, &damaged_file, &socket)?;
    answers.validate(&["histogram", "info", "what", "inspect", "strings"])
}

#[test]
fn a_command_without_json_has_no_schema() -> Result<()> {
    let outcome = Tools::get().analyze(["schema", "shell"])?;
    ensure!(outcome.code() == Some(2));
    ensure!(
        outcome.stderr.contains("v8mini schema --list"),
        "{}",
        outcome.stderr
    );
    Ok(())
}
