//! All of the battery on one Node.js release: a row of the support matrix.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Verdict, isolates, population, specimens};
use crate::core_dump::{self, Signal};
use crate::nodes::{self, Version};
use crate::{Tools, Workload};

/// What a release is tried for, in the order of [`Row::results`].
pub const ABILITIES: [&str; 4] = ["populations", "cores", "values", "worker threads"];

/// Worker threads are on by default since this release.
const FIRST_WITH_WORKERS: Version = Version(12, 0, 0);

/// What the battery found on one release.
#[derive(Debug)]
pub struct Row {
    /// Version of Node.js.
    pub node: String,
    /// Version of V8.
    pub v8: String,
    /// The layout table that was taken.
    pub layout: String,
    /// How much of the used page bytes the walk accounts for, of 100.
    pub coverage_percent: f64,
    /// One result for each of [`ABILITIES`].
    pub results: Vec<Trial>,
}

/// How one ability fared.
#[derive(Debug)]
pub enum Trial {
    /// It was compared with the truth.
    Judged(Verdict),
    /// It could not be tried, because a program failed.
    Failed(String),
    /// The release does not have what is tried.
    Absent,
}

impl Trial {
    fn of(judged: Result<Verdict>, what: &str, release: &str) -> Self {
        match judged.with_context(|| format!("{what} on Node.js {release}")) {
            Ok(verdict) => Self::Judged(verdict),
            Err(error) => Self::Failed(format!("{error:#}")),
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Judged(verdict) if verdict.is_right() => write!(f, "yes ({})", verdict.checked),
            Self::Judged(verdict) => write!(f, "{verdict}"),
            Self::Failed(_) => f.write_str("fails"),
            Self::Absent => f.write_str("n/a"),
        }
    }
}

impl Row {
    /// Whether everything that the release has is right, and next to all of its heap was walked.
    pub fn is_green(&self) -> bool {
        let right = |trial: &Trial| match trial {
            Trial::Judged(verdict) => verdict.is_right(),
            Trial::Failed(_) => false,
            Trial::Absent => true,
        };
        self.coverage_percent >= 99.5 && self.results.iter().all(right)
    }

    /// What is wrong, one line each.
    pub fn differences(&self) -> impl Iterator<Item = &str> {
        self.results.iter().flat_map(|trial| match trial {
            Trial::Judged(verdict) => verdict.wrong.iter().map(String::as_str).collect(),
            Trial::Failed(why) => vec![why.as_str()],
            Trial::Absent => Vec::new(),
        })
    }
}

type Check = fn(&Tools, &Path, &Value) -> Result<Verdict>;

/// Runs the battery on a Node.js release (see [`nodes::ensure`]).
///
/// # Errors
/// If the release cannot be had or run; what fails on it is part of the row.
pub fn run(tools: &Tools, release: &str) -> Result<Row> {
    let version = nodes::ensure(release)?.version;
    let release = version.to_string();
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("battery.v8mini");
    let trial = |workload: &str, check: Check| -> Result<Trial> {
        let process = Workload::new(workload, &release)?.spawn()?;
        let judged = tools
            .capture_to(process.pid(), &file)
            .and_then(|_| check(tools, &file, &process.truth));
        Ok(Trial::of(judged, workload, &release))
    };
    let values = trial("specimens.js", specimens::check)?;
    let workers = match version >= FIRST_WITH_WORKERS {
        true => trial("workers.js", isolates::check)?,
        false => Trial::Absent,
    };
    // Last, so that its capture is the one that the other columns are read from.
    let mut process = Workload::new("population.js", &release)?
        .dumping_core_to(dir.path())
        .spawn()?;
    let captured = tools.capture_to(process.pid(), &file);
    let populations = Trial::of(
        captured.and_then(|_| population::check(tools, &file, &process.truth)),
        "population.js",
        &release,
    );
    let core = core_dump::kill_with(&mut process, Signal::Abort, dir.path());
    let cores = Trial::of(
        core.and_then(|core| population::check(tools, &core, &process.truth)),
        "the core of population.js",
        &release,
    );
    let info = tools.query("info", &file, &[]).unwrap_or_default();
    Ok(Row {
        node: release,
        v8: text(&info["v8_version"]),
        layout: text(&info["layout"]["table"]),
        coverage_percent: info["coverage"]["ratio"].as_f64().unwrap_or(0.0) * 100.0,
        results: vec![populations, cores, values, workers],
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}
