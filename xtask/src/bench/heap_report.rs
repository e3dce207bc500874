//! Says what the rounds measured.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::heap::{Dump, Round, Snapshot};
use super::measure::{Usage, median};

/// All rounds, and what the workload said about its heap.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) truth: Value,
    pub(super) rounds: Vec<Round>,
    pub(super) snapshot: Option<Snapshot>,
}

/// The aims that the project sets itself, as ratios to gcore and absolute figures on two cores.
const PAUSE_AIM: f64 = 1.0 / 4.0;
const FILE_AIM: f64 = 1.0 / 8.0;
const HISTOGRAM_AIM_S: f64 = 3.0;

impl Report {
    pub(super) fn text(&self) -> String {
        let heap = self.truth["heapUsed"].as_f64().unwrap_or(0.0);
        let rss = self.truth["rss"].as_f64().unwrap_or(0.0);
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "Node.js {}, {:.2} GB of live heap, {:.2} GB resident; medians of {} rounds\n",
            self.truth["node"].as_str().unwrap_or("?"),
            heap / 1e9,
            rss / 1e9,
            self.rounds.len()
        );
        let _ = writeln!(
            out,
            "{:<26}{:>12}{:>12}{:>10}   aim",
            "", "v8mini", "gcore", "ratio"
        );
        let pause = self.dumps(|dump| dump.pause.as_secs_f64() * 1e3);
        row(&mut out, "pause, ms", pause, Some(PAUSE_AIM));
        row(
            &mut out,
            "wall time, ms",
            self.dumps(|dump| dump.wall.as_secs_f64() * 1e3),
            None,
        );
        let file = self.dumps(|dump| dump.file_bytes as f64 / 1e6);
        row(&mut out, "file, MB", file, Some(FILE_AIM));
        if let Some(packed) = median(
            self.rounds
                .iter()
                .filter_map(|round| round.gcore_zstd_bytes)
                .map(|b| b as f64 / 1e6),
        ) {
            row(
                &mut out,
                "file after zstd -3, MB",
                (file.0, Some(packed)),
                None,
            );
        }
        let wall = self.usage(|round| round.histogram.wall.as_secs_f64());
        let _ = writeln!(
            out,
            "{:<26}{wall:>12.2}{:>22}   {}",
            "histogram, s",
            "",
            verdict(wall, HISTOGRAM_AIM_S, "< 3 s")
        );
        let cpu = self.usage(|round| round.histogram.cpu.as_secs_f64());
        let _ = writeln!(out, "{:<26}{cpu:>12.2}", "histogram, s on all cores");
        let peak = self.usage(|round| round.histogram.peak_bytes as f64);
        let aim = verdict(peak, heap, &format!("< {:.0} MB of heap", heap / 1e6));
        let _ = writeln!(
            out,
            "{:<26}{:>12.1}{:>22}   {aim}",
            "histogram's peak, MB",
            peak / 1e6,
            ""
        );
        let of_core = |figure: fn(&Usage) -> f64| {
            median(
                self.rounds
                    .iter()
                    .filter_map(|round| round.core_histogram.as_ref().map(figure)),
            )
        };
        if let (Some(wall), Some(peak)) = (
            of_core(|usage| usage.wall.as_secs_f64()),
            of_core(|usage| usage.peak_bytes as f64 / 1e6),
        ) {
            let _ = writeln!(out, "{:<38}{wall:>12.2}", "histogram of the core, s");
            let _ = writeln!(
                out,
                "{:<38}{peak:>12.1}",
                "its peak with the mapped core, MB"
            );
        }
        if let Some(Snapshot { dump, extra_bytes }) = self.snapshot {
            let _ = writeln!(
                out,
                "v8.writeHeapSnapshot: stands still {:.1} s, file {:.0} MB, {:.0} MB more memory",
                dump.pause.as_secs_f64(),
                dump.file_bytes as f64 / 1e6,
                extra_bytes as f64 / 1e6
            );
        }
        out
    }

    pub(super) fn json(&self) -> Value {
        let rounds: Vec<Value> = self
            .rounds
            .iter()
            .map(|round| {
                json!({
                    "v8mini": dump_json(&round.ours),
                    "gcore": round.gcore.as_ref().map(dump_json),
                    "gcore_zstd_bytes": round.gcore_zstd_bytes,
                    "histogram": usage_json(&round.histogram),
                    "core_histogram": round.core_histogram.as_ref().map(usage_json),
                    "capture": round.capture,
                })
            })
            .collect();
        let snapshot = self.snapshot.as_ref().map(|snapshot| {
            json!({ "dump": dump_json(&snapshot.dump), "extra_bytes": snapshot.extra_bytes })
        });
        json!({ "workload": self.truth, "rounds": rounds, "snapshot": snapshot })
    }

    /// The medians of a figure of our dumps and of gcore's.
    fn dumps(&self, figure: impl Fn(&Dump) -> f64) -> (f64, Option<f64>) {
        let ours = self.usage(|round| figure(&round.ours));
        (
            ours,
            median(
                self.rounds
                    .iter()
                    .filter_map(|round| round.gcore.as_ref())
                    .map(&figure),
            ),
        )
    }

    fn usage(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure)).unwrap_or(f64::NAN)
    }
}

fn usage_json(usage: &Usage) -> Value {
    json!({
        "wall_ms": milliseconds(usage.wall),
        "cpu_ms": milliseconds(usage.cpu),
        "peak_bytes": usage.peak_bytes,
    })
}

fn dump_json(dump: &Dump) -> Value {
    json!({
        "pause_ms": milliseconds(dump.pause),
        "wall_ms": milliseconds(dump.wall),
        "file_bytes": dump.file_bytes,
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn row(out: &mut String, name: &str, (ours, gcore): (f64, Option<f64>), aim: Option<f64>) {
    let _ = match gcore {
        None => writeln!(out, "{name:<26}{ours:>12.1}{:>12}", "-"),
        Some(gcore) => {
            let aim = aim.map(|aim| verdict(ours / gcore, aim, &format!("< 1/{:.0}", 1.0 / aim)));
            let ratio = format!("1/{:.1}", gcore / ours);
            writeln!(
                out,
                "{name:<26}{ours:>12.1}{gcore:>12.1}{ratio:>10}   {}",
                aim.unwrap_or_default()
            )
        }
    };
}

fn verdict(figure: f64, aim: f64, text: &str) -> String {
    if figure < aim {
        format!("{text}: met")
    } else {
        format!("{text}: NOT MET")
    }
}
