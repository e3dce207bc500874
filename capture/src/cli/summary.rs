//! What is said at the end of a capture.

use std::collections::BTreeMap;

use crate::linux::Captured;
use indicatif::HumanBytes;
use v8mini_format::model::{Isolate, Statistics};

use super::destination::Output;

/// What is said at the end.
pub(super) struct Summary<'a> {
    pub(super) captured: &'a Captured,
    pub(super) output: &'a Output,
    /// The file's name; `None` if none was written.
    pub(super) place: Option<String>,
}

/// `36.8`; below ten milliseconds `0.31`.
fn milliseconds(nanoseconds: u64) -> String {
    let value = nanoseconds as f64 / 1e6;
    let digits = if value < 10.0 { 2 } else { 1 };
    format!("{value:.digits$}")
}

impl Summary<'_> {
    /// Whether nothing is missing or doubtful.
    pub(super) fn is_complete(&self) -> bool {
        self.captured.metadata.problems.is_empty() && self.output.unpacked.is_none()
    }

    /// One line for a person.
    pub(super) fn line(&self) -> String {
        let metadata = &self.captured.metadata;
        let Statistics {
            pause_ns,
            wanted_bytes,
            captured_bytes,
            ..
        } = self.output.statistics;
        let coverage = 100.0 * captured_bytes as f64 / wanted_bytes.max(1) as f64;
        format!(
            "paused {} ms ({}) · {} in {} isolate{}, {} pages · coverage {coverage:.1} % · {}{}",
            milliseconds(pause_ns),
            metadata.process.mode,
            HumanBytes(self.output.written.raw_bytes),
            metadata.isolates.len(),
            if metadata.isolates.len() == 1 {
                ""
            } else {
                "s"
            },
            metadata.pages.len(),
            HumanBytes(self.output.written.stored_bytes),
            match &self.place {
                Some(place) => format!(" in {place}"),
                None => " would be written".to_owned(),
            },
        )
    }

    fn isolate_json(&self, isolate: &Isolate) -> serde_json::Value {
        let mut spaces = BTreeMap::<&str, (usize, u64)>::new();
        for page in self
            .captured
            .metadata
            .pages
            .iter()
            .filter(|page| page.heap == isolate.heap)
        {
            let (pages, bytes) = spaces.entry(page.space.name()).or_default();
            *pages += 1;
            *bytes += page.size;
        }
        let spaces: serde_json::Map<_, _> = spaces
            .into_iter()
            .map(|(name, (pages, bytes))| {
                (
                    name.to_owned(),
                    serde_json::json!({ "pages": pages, "bytes": bytes }),
                )
            })
            .collect();
        serde_json::json!({
            "address": format!("{:#x}", isolate.address),
            "heap": format!("{:#x}", isolate.heap),
            "tid": isolate.tid,
            "gc_state": format!("{:?}", isolate.gc_state).to_lowercase(),
            "allocation_areas": isolate.allocation_areas.len(),
            "spaces": spaces,
        })
    }

    /// The same and more for a program.
    pub(super) fn json(&self) -> serde_json::Value {
        let metadata = &self.captured.metadata;
        let mut problems: Vec<_> = metadata
            .problems
            .iter()
            .map(
                |problem| serde_json::json!({ "stage": problem.stage, "message": problem.message }),
            )
            .collect();
        if let Some(error) = &self.output.unpacked {
            problems.push(
                serde_json::json!({ "stage": "pack", "message": format!("not packed: {error:#}") }),
            );
        }
        let declined: Vec<_> = self
            .captured
            .declined
            .iter()
            .map(|declined| serde_json::json!({ "mode": declined.mode, "reason": declined.reason }))
            .collect();
        serde_json::json!({
            "file": self.place,
            "pid": metadata.process.pid,
            "node_version": metadata.process.node_version,
            "v8_version": metadata.v8_version.map(|version| version.to_string()),
            "mode": metadata.process.mode,
            "declined": declined,
            "redaction": metadata.redaction.to_string(),
            "monotonic_ns": metadata.process.monotonic_ns,
            "pause_ns": self.output.statistics.pause_ns,
            "total_ns": self.output.statistics.total_ns,
            "wanted_bytes": self.output.statistics.wanted_bytes,
            "captured_bytes": self.output.statistics.captured_bytes,
            "raw_bytes": self.output.written.raw_bytes,
            "stored_bytes": self.output.written.stored_bytes,
            "isolates": metadata.isolates.iter().map(|isolate| self.isolate_json(isolate)).collect::<Vec<_>>(),
            "pages": metadata.pages.len(),
            "threads": metadata.threads.len(),
            "complete": self.is_complete(),
            "notes": self.captured.notes,
            "problems": problems,
        })
    }
}
