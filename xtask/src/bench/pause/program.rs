//! The programs that are captured: `tests/workloads/writer.js` in different roles.

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::Value;
use v8mini_tests::{NodeProcess, Workload};

use super::clients::Clients;

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Changes 15 sessions a millisecond.
    Light,
    /// Changes 150 sessions a millisecond, at random: several hundred megabytes become dirty in a second.
    Heavy,
    /// Serves requests, and changes 15 sessions a millisecond.
    Http,
    /// Changes 15 sessions a millisecond in the main thread and in each of two workers.
    Workers,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Light => "light writer",
            Self::Heavy => "heavy writer",
            Self::Http => "HTTP service",
            Self::Workers => "two workers",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Light => &["--rate", "15"],
            Self::Heavy => &["--rate", "150"],
            Self::Http => &["--rate", "15", "--http"],
            Self::Workers => &["--rate", "15", "--workers", "2"],
        }
    }
}

/// A program that runs, and its clients if it has any.
pub(super) struct Program {
    pub(super) kind: Kind,
    /// Megabytes of heap that were asked for.
    pub(super) megabytes: u64,
    /// Bytes of live heap, as the program says.
    pub(super) heap_bytes: u64,
    pub(super) clients: Option<Clients>,
    process: NodeProcess,
}

/// What a program saw in a period. Times are milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The longest time for which the event loop did not turn.
    pub(super) longest_gap: f64,
    /// All such times worth mentioning, from and to, on CLOCK_MONOTONIC.
    pub(super) gaps: Vec<(f64, f64)>,
    /// Turns of the event loop in each millisecond.
    pub(super) pace: f64,
    /// How long each request took, sorted.
    pub(super) latencies: Vec<f64>,
}

impl Program {
    pub(super) fn start(kind: Kind, megabytes: u64, node: &str) -> Result<Self> {
        let asked = megabytes.to_string();
        let mut arguments = vec!["--mb", &asked];
        arguments.extend(kind.arguments());
        let process = Workload::new("writer.js", node)?
            .node_argument("--max-old-space-size=16384")
            .spawn_with(&arguments)?;
        let heap_bytes = process.truth["heapUsed"]
            .as_u64()
            .context("the workload does not say heapUsed")?;
        let clients = match process.truth["port"].as_u64() {
            Some(port) => Some(Clients::start(u16::try_from(port)?)?),
            None => None,
        };
        Ok(Self {
            kind,
            megabytes,
            heap_bytes,
            clients,
            process,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Begins a period.
    pub(super) fn watch(&mut self) -> Result<()> {
        if let Some(clients) = &self.clients {
            clients.take()?;
        }
        self.process.ask("watch")?;
        Ok(())
    }

    /// Ends a period.
    pub(super) fn report(&mut self) -> Result<Seen> {
        let report = self.process.ask("report")?;
        let figure = |name: &str| {
            report[name]
                .as_f64()
                .with_context(|| format!("the workload does not report {name}"))
        };
        let gaps = report["gaps"].as_array().into_iter().flatten();
        Ok(Seen {
            longest_gap: figure("longestGapMs")?,
            gaps: gaps.filter_map(pair).collect(),
            pace: figure("turns")? / figure("elapsedMs")?,
            latencies: match &self.clients {
                Some(clients) => clients.take()?,
                None => Vec::new(),
            },
        })
    }
}

fn pair(gap: &Value) -> Option<(f64, f64)> {
    Some((gap.get(0)?.as_f64()?, gap.get(1)?.as_f64()?))
}

impl Seen {
    /// The longest gap that overlaps a time, in milliseconds of CLOCK_MONOTONIC; 0 if none was worth mentioning.
    pub(super) fn gap_over(&self, from: f64, to: f64) -> f64 {
        self.gaps
            .iter()
            .filter(|(start, end)| *start < to && from < *end)
            .map(|(start, end)| end - start)
            .fold(0.0, f64::max)
    }

    /// The latency that a part (0 to 1) of the requests did not exceed, in milliseconds.
    pub(super) fn latency(&self, part: f64) -> Option<f64> {
        let last = self.latencies.len().checked_sub(1)?;
        self.latencies
            .get((last as f64 * part).round() as usize)
            .copied()
    }
}
