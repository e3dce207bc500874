//! What `v8mini diff` says, as JSON has it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::schema::Hex;
use crate::graph::RootKind;
use crate::growth::{Holders, Matched, Row};
use crate::inspect::{Options, describe, one_line};
use crate::v8::{Address, Objects};

/// So many new objects of a class are named…
const NAMED: usize = 5;
/// …and so many ways that lead to them.
const WAYS: usize = 3;

/// One of the captures.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CaptureReport {
    pub(super) file: String,
    pub(super) pid: u32,
    pub(super) node_version: String,
    /// Nanoseconds since 1970; 0 if it is not known.
    pub(super) captured_at_ns: i64,
    pub(super) objects: u64,
    pub(super) shallow_bytes: u64,
    pub(super) coverage_ratio: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RowReport {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    /// In each capture.
    pub(super) counts: Vec<u64>,
    pub(super) shallow_bytes: Vec<u64>,
    /// With `--retained`: what they keep together, in each capture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) retained_bytes: Vec<u64>,
    pub(super) growth_count: i64,
    pub(super) growth_bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) growth_retained: Option<i64>,
    pub(super) verdict: &'static str,
    /// By least squares; null without times.
    pub(super) bytes_per_hour: Option<f64>,
    /// Of all growth, what happened in the last interval; null if there is none.
    pub(super) last_share: Option<f64>,
    /// Address of one of them in the last capture, tagged.
    #[schemars(with = "Option<Hex>")]
    pub(super) example: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ObjectsReport {
    pub(super) name: String,
    pub(super) role: &'static str,
    /// Missing where the objects of a large heap were not put side by side.
    #[serde(flatten)]
    pub(super) matched: Option<MatchedReport>,
    /// Some of the new ones.
    pub(super) examples: Vec<Example>,
    /// What holds the new ones.
    pub(super) held: HeldReport,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MatchedReport {
    pub(super) same: u64,
    pub(super) changed: u64,
    pub(super) moved: u64,
    pub(super) ambiguous: u64,
    pub(super) new: u64,
    pub(super) gone: u64,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct HeldReport {
    /// How many of the new ones were looked at.
    pub(super) looked_at: usize,
    /// Those of them that are dead, and not yet swept.
    pub(super) dead: usize,
    /// Whether `by` has whole ways from a root, or the last steps of them only.
    pub(super) from_roots: bool,
    pub(super) by: Vec<WayReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WayReport {
    /// In words: indexes and keys are left out.
    pub(super) path: String,
    pub(super) root: Option<&'static str>,
    /// How many of the looked-at objects it leads to.
    pub(super) objects: usize,
    /// The nearest object on it that was there before, tagged, and its class.
    #[schemars(with = "Option<Hex>")]
    pub(super) holder: Option<String>,
    pub(super) holder_class: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Example {
    #[schemars(with = "Hex")]
    pub(super) address: String,
    #[serde(serialize_with = "crate::commands::output::plain")]
    pub(super) summary: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::commands) struct Report<'a> {
    pub(super) captures: &'a [CaptureReport],
    pub(super) by: &'static str,
    pub(super) same_process: bool,
    pub(super) includes_unreachable: bool,
    pub(super) rows: Vec<RowReport>,
    pub(super) totals: Totals,
    pub(super) objects: Vec<ObjectsReport>,
    pub(super) warnings: &'a [String],
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(super) struct Totals {
    pub(super) rows: usize,
    pub(super) growth_count: i64,
    pub(super) growth_bytes: i64,
}

pub(super) fn row_report(row: &Row, timed: bool) -> RowReport {
    RowReport {
        name: row.group.class.name.clone(),
        kind: row.group.class.kind.name(),
        role: row.group.role.name(),
        counts: row.counts.iter().map(|count| count.count).collect(),
        shallow_bytes: row.counts.iter().map(|count| count.bytes).collect(),
        retained_bytes: row.retained.clone(),
        growth_retained: (!row.retained.is_empty()).then(|| row.growth_retained()),
        growth_count: row.growth_count(),
        growth_bytes: row.growth_bytes(),
        verdict: row.trend.verdict.name(),
        bytes_per_hour: timed.then_some(row.trend.slope * 3600.0),
        last_share: row.trend.last_share,
        example: row.last().ends.map(|(_, last)| last.to_string()),
    }
}

/// Which objects of a row are new, and what holds them.
pub(super) fn objects_report(
    after: &Objects,
    row: &Row,
    matched: Option<&Matched>,
    new: &[Address],
    held: HeldReport,
) -> ObjectsReport {
    let examples = new.iter().take(NAMED).map(|address| Example {
        address: address.to_string(),
        summary: one_line(&describe(after, address.tagged(), &Options::ONE_LINE)),
    });
    ObjectsReport {
        name: row.group.class.name.clone(),
        role: row.group.role.name(),
        matched: matched.map(|matched| MatchedReport {
            same: matched.same,
            changed: matched.changed,
            moved: matched.moved,
            ambiguous: matched.ambiguous,
            new: matched.new.len() as u64,
            gone: matched.gone,
        }),
        examples: examples.collect(),
        held,
    }
}

pub(super) fn held_report(holders: &Holders, from_roots: bool) -> HeldReport {
    let ways = holders.list.iter().take(WAYS).map(|held| WayReport {
        path: held.path.clone(),
        root: held.root.map(RootKind::name),
        objects: held.objects,
        holder: held.holder.as_ref().map(|(address, _)| address.to_string()),
        holder_class: held.holder.as_ref().map(|(_, class)| class.clone()),
    });
    HeldReport {
        looked_at: holders.looked_at,
        dead: holders.dead,
        from_roots,
        by: ways.collect(),
    }
}
