//! Says what was measured, as Markdown.

use std::fmt::Write;

use serde_json::Value;
use v8mini_tests::witness::Comparison;

use super::machine::Machine;
use super::peers::Peer;
use super::{Ours, Snapshot};
use crate::bench::measure::{Usage, median};

/// Everything that was measured in one run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) n: u64,
    pub(super) rounds: usize,
    /// What the workload says of itself.
    pub(super) truth: Value,
    pub(super) machine: Machine,
    pub(super) ours: Vec<Ours>,
    /// Alive.
    pub(super) objects: u64,
    /// Dead, and not yet swept.
    pub(super) dead: u64,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) peers: Vec<Peer>,
    /// What V8 says of the same processes.
    pub(super) witnesses: Vec<Comparison>,
}

impl Report {
    /// The report.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "# Graphs of a large heap\n\n\
             `cargo xtask bench graph --n {}`: Node.js {}, {:.2} GB of live heap, {:.1} million objects, {} cores. Medians of {} \
             rounds, with nothing kept from one to the next; the peers ran once.\n",
            self.n,
            self.truth["node"].as_str().unwrap_or("?"),
            self.truth["heapUsed"].as_f64().unwrap_or(0.0) / 1e9,
            (self.objects + self.dead) as f64 / 1e6,
            self.machine.cores,
            self.rounds
        );
        let _ = writeln!(
            out,
            "| v8mini | seconds | of all cores | peak, MB | |\n| --- | ---: | ---: | ---: | --- |"
        );
        for ours in &self.ours {
            let wall = self.median(ours, |usage| usage.wall.as_secs_f64());
            let note = ours.written_bytes.map_or_else(String::new, |bytes| {
                format!("{:.0} MB/s", bytes as f64 / wall / 1e6)
            });
            let _ = writeln!(
                out,
                "| `{}` | {wall:.2} | {:.2} | {:.0} | {note} |",
                ours.what,
                self.median(ours, |usage| usage.cpu.as_secs_f64()),
                self.median(ours, |usage| usage.peak_bytes as f64 / 1e6),
            );
        }
        self.machine(&mut out);
        self.peers(&mut out);
        self.witnesses(&mut out);
        out
    }

    /// What part of what the machine can do.
    fn machine(&self, out: &mut String) {
        let Some(histogram) = self.ours.iter().find(|ours| ours.what == "histogram") else {
            return;
        };
        let wall = self.median(histogram, |usage| usage.wall.as_secs_f64());
        let rate = self.machine.heap_bytes as f64 / wall;
        let _ = writeln!(
            out,
            "\n`histogram` goes through {:.2} GB at {:.2} GB/s, start of the program included. That is {:.0} % of the rate at \
             which these cores decode the capture and do nothing else ({:.2} GB/s: zstd and checksums), and {:.0} % of that at \
             which they read memory ({:.1} GB/s).",
            self.machine.heap_bytes as f64 / 1e9,
            rate / 1e9,
            rate / self.machine.decoding * 100.0,
            self.machine.decoding / 1e9,
            rate / self.machine.memory * 100.0,
            self.machine.memory / 1e9
        );
    }

    fn peers(&self, out: &mut String) {
        let Some(snapshot) = self.snapshot else {
            return;
        };
        let dominators = self
            .ours
            .iter()
            .find(|ours| ours.what == "histogram --retained");
        let (wall, peak) = dominators.map_or((f64::NAN, f64::NAN), |ours| {
            (
                self.median(ours, |usage| usage.wall.as_secs_f64()),
                self.median(ours, |usage| usage.peak_bytes as f64),
            )
        });
        let _ = writeln!(
            out,
            "\nThe peers, on the snapshot that the same process wrote of itself (`v8.writeHeapSnapshot`: it stood still for {:.1} s, \
             took {:.2} GB more memory, and wrote {:.0} MB). All find dominators and retained sizes; the last columns say how many \
             times what `v8mini histogram --retained` needs, which also reads the capture.\n",
            snapshot.pause_ms / 1e3,
            snapshot.extra_bytes as f64 / 1e9,
            snapshot.file_bytes as f64 / 1e6
        );
        let _ = writeln!(
            out,
            "| peer | seconds | of all cores | peak, MB | time | memory |\n| --- | ---: | ---: | ---: | ---: | ---: |"
        );
        for peer in &self.peers {
            let _ = match &peer.usage {
                Ok(usage) => writeln!(
                    out,
                    "| {} | {:.2} | {:.2} | {:.0} | {:.1} × | {:.1} × |",
                    peer.name,
                    usage.wall.as_secs_f64(),
                    usage.cpu.as_secs_f64(),
                    usage.peak_bytes as f64 / 1e6,
                    usage.wall.as_secs_f64() / wall,
                    usage.peak_bytes as f64 / peak
                ),
                Err(why) => writeln!(out, "| {} | {why} | | | | |", peer.name),
            };
        }
    }

    fn witnesses(&self, out: &mut String) {
        if self.witnesses.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "\n## The same as V8?\n\n\
             Of the same process at the same moment, V8's own snapshot and the one that `v8mini export` makes of a capture, both in \
             the heap-snapshot worker of Chrome DevTools: objects and retained bytes by class. `v8mini histogram --retained` finds \
             the same dominators; on Node.js 24 and later, it counts handles as roots, which V8's snapshots no longer do."
        );
        for witness in &self.witnesses {
            let _ = write!(out, "\n{}", witness.text());
        }
    }

    fn median(&self, ours: &Ours, figure: impl Fn(&Usage) -> f64) -> f64 {
        median(ours.rounds.iter().map(figure)).unwrap_or(f64::NAN)
    }
}
