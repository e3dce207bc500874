//! The two programs of the project, built once and run as a person would run them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::patience::Patient;
use crate::workspace_root;

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `v8mini-capture`.
    pub capture: PathBuf,
    /// `v8mini`.
    pub analyze: PathBuf,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Tools {
    /// The programs in the profile of the tests, built when they are first asked for.
    ///
    /// # Panics
    /// If they do not build: no test that needs them can go on.
    pub fn get() -> &'static Self {
        static TOOLS: OnceLock<Tools> = OnceLock::new();
        TOOLS.get_or_init(|| Self::build("dev").expect("the programs must build"))
    }

    /// Builds the programs in a cargo profile (`dev`, `release`).
    ///
    /// # Errors
    /// If they do not build.
    pub fn build(profile: &str) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .current_dir(workspace_root())
            // With what drives them, so that dependencies have the features that they have in `cargo test` and
            // `cargo xtask`, and are not built twice; without the fuzz targets, which nobody waits for here.
            .args(["build", "--workspace", "--exclude", "v8mini-fuzz", "--bins"])
            .args([
                "--profile",
                profile,
                "--message-format=json-render-diagnostics",
            ])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        ensure!(
            output.status.success(),
            "v8mini-capture and v8mini do not build"
        );
        Ok(Self {
            capture: executable(&output.stdout, "v8mini-capture")?,
            analyze: executable(&output.stdout, "v8mini")?,
        })
    }

    /// Runs `v8mini-capture` to its end.
    ///
    /// # Errors
    /// If it cannot be started; how it ends is the caller's to judge.
    pub fn capture<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Outcome> {
        run(&self.capture, arguments)
    }

    /// Runs `v8mini` to its end.
    ///
    /// # Errors
    /// If it cannot be started; how it ends is the caller's to judge.
    pub fn analyze<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Outcome> {
        run(&self.analyze, arguments)
    }

    /// Captures a process into `file`, and returns what the tool says of it.
    ///
    /// # Errors
    /// If the capture fails.
    pub fn capture_to(&self, pid: u32, file: &Path) -> Result<Value> {
        let pid = pid.to_string();
        self.capture([
            OsStr::new(&pid),
            OsStr::new("-o"),
            file.as_os_str(),
            OsStr::new("--json"),
        ])?
        .json()
    }

    /// What `v8mini COMMAND FILE ARGUMENTS… --json` answers.
    ///
    /// # Errors
    /// If the command fails or answers something other than JSON.
    pub fn query(&self, command: &str, file: &Path, arguments: &[&str]) -> Result<Value> {
        let mut line: Vec<&OsStr> = vec![command.as_ref(), file.as_os_str()];
        line.extend(arguments.iter().map(OsStr::new));
        line.push("--json".as_ref());
        self.analyze(line)?.json()
    }
}

impl Outcome {
    /// The outcome, if the program succeeded.
    ///
    /// # Errors
    /// If it did not, with what it said on standard error.
    pub fn success(self) -> Result<Self> {
        if !self.status.success() {
            bail!(
                "`{}` failed ({}): {}",
                self.command,
                self.status,
                self.stderr.trim()
            );
        }
        Ok(self)
    }

    /// The exit code; a program that a signal ended has none.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as JSON, if the program answered: with success, or with the code 3 of an answer that is as
    /// incomplete as its input.
    ///
    /// # Errors
    /// If it did not, or wrote something else.
    pub fn json(self) -> Result<Value> {
        let outcome = if self.code() == Some(3) {
            self
        } else {
            self.success()?
        };
        serde_json::from_slice(&outcome.stdout)
            .with_context(|| format!("`{}` wrote no JSON: {}", outcome.command, outcome.text()))
    }
}

/// Runs a program to its end with nothing on standard input, and no cache: what one test finds out is not for the next.
///
/// # Errors
/// If it cannot be started, or does not end in time.
pub fn run<S: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Result<Outcome> {
    let arguments: Vec<OsString> = arguments
        .into_iter()
        .map(|argument| argument.as_ref().to_owned())
        .collect();
    let output = Command::new(program)
        .args(&arguments)
        .env("V8MINI_CACHE", "off")
        .stdin(Stdio::null())
        .output_in_time()?;
    let mut command = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in &arguments {
        command.push(' ');
        command.push_str(&argument.to_string_lossy());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Outcome {
        command,
        status: output.status,
        stdout: output.stdout,
        stderr,
    })
}

/// Finds where cargo put an executable, in the messages of its build.
pub(crate) fn executable(messages: &[u8], name: &str) -> Result<PathBuf> {
    messages
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no executable named {name}"))
}
