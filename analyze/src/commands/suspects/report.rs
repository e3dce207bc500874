//! What `v8mini suspects` answers: as JSON, and as text.

use std::io::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::output::{DIM, HEADING, Output, grouped, human_bytes, percent};
use crate::commands::schema::Hex;
use crate::commands::verdict::CoverageReport;
use crate::graph::EdgeKind;
use crate::suspects::{self, Arrangement, Effect, Holder, Suspect, Use};

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SuspectReport {
    /// In one sentence, for people.
    pub(super) title: String,
    /// The object that accumulates, tagged.
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
    pub(super) arrangement: &'static str,
    pub(super) items: String,
    pub(super) count: u64,
    pub(super) retained_bytes: u64,
    pub(super) live_part: f64,
    pub(super) holder: HolderReport,
    pub(super) code: Vec<CodeReport>,
    pub(super) contents: Vec<ContentReport>,
    pub(super) reasons: Vec<String>,
    /// With later captures: how many there were in each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) counts: Vec<u64>,
    /// Commands to type next.
    pub(super) next: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HolderReport {
    pub(super) root: &'static str,
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
    pub(super) steps: Vec<StepReport>,
    /// In one line, for people.
    pub(super) path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StepReport {
    pub(super) kind: &'static str,
    pub(super) name: String,
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CodeReport {
    /// `grows`, `appends`, `shrinks`, `replaces`, `bounds`, `uses`: what it does with the object; `item`: the items lead to it.
    pub(super) role: &'static str,
    pub(super) function: String,
    pub(super) location: Option<String>,
    /// The line of the source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) line: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ContentReport {
    pub(super) class: String,
    pub(super) count: u64,
    pub(super) shallow_bytes: u64,
}

/// An accumulation that one capture does not make a suspect.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LargestReport {
    /// The object that accumulates, tagged.
    #[schemars(with = "Hex")]
    pub(super) address: String,
    pub(super) class: String,
    pub(super) items: String,
    pub(super) count: u64,
    pub(super) retained_bytes: u64,
    pub(super) live_part: f64,
    /// The path from a root, in one line.
    pub(super) path: String,
    pub(super) reasons: Vec<String>,
}

impl LargestReport {
    pub(super) fn of(suspect: &Suspect) -> Self {
        Self {
            address: suspect.owner.to_string(),
            class: suspect.owner_class.clone(),
            items: suspect.items.clone(),
            count: suspect.accumulation.count,
            retained_bytes: suspect.accumulation.bytes,
            live_part: suspect.part,
            path: holder_report(&suspect.holder).path,
            reasons: suspect.reasons.clone(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct Report<'a> {
    pub(super) live_bytes: u64,
    /// How many there are, shown or not.
    pub(super) count: usize,
    pub(super) suspects: &'a [SuspectReport],
    /// Of one capture: what is large, but nothing shows that it grows.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) largest: &'a [LargestReport],
    pub(super) coverage: CoverageReport,
    pub(super) warnings: &'a [String],
}

pub(super) fn report(suspect: &Suspect, counts: Vec<u64>, file: &std::path::Path) -> SuspectReport {
    let accumulation = &suspect.accumulation;
    let arrangement = match accumulation.arrangement {
        Arrangement::Crowd => "crowd",
        Arrangement::Chain => "chain",
        Arrangement::Tree => "tree",
    };
    let noun = match accumulation.arrangement {
        Arrangement::Crowd if accumulation.members > 0 => format!(
            "in {} collections of one {}",
            grouped(accumulation.members),
            suspect.owner_class
        ),
        Arrangement::Crowd => format!("in one {}", suspect.owner_class),
        Arrangement::Chain => format!("in a chain that begins at one {}", suspect.owner_class),
        Arrangement::Tree => format!("in a tree below one {}", suspect.owner_class),
    };
    let mut code: Vec<CodeReport> = suspect.uses.iter().map(code_report).collect();
    code.extend(suspect.item_code.iter().map(|item| CodeReport {
        role: "item",
        function: item.function.clone(),
        location: item.location.as_ref().map(ToString::to_string),
        line: String::new(),
    }));
    let mut reasons = suspect.reasons.clone();
    if let [first, .., last] = counts.as_slice() {
        if last > first {
            let refuted = [
                suspects::ONLY_READ,
                suspects::FILLED_ONCE,
                suspects::ONE_PIECE,
            ];
            reasons.retain(|reason| !refuted.contains(&reason.as_str()));
            for reason in &mut reasons {
                if reason == suspects::TAKEN_OUT {
                    reason.push_str(", but less than is put in");
                }
            }
        }
        reasons.insert(
            0,
            format!("it grew from {} to {}", grouped(*first), grouped(*last)),
        );
    }
    let grew = matches!(counts.as_slice(), [first, .., last] if last > first);
    if !grew && suspect.is_suspect {
        reasons.push(
            "one capture cannot tell a leak from a table that is as large as it has to be: name a later one, too"
                .to_owned(),
        );
    }
    let file = file.display();
    let address = suspect.owner.to_string();
    SuspectReport {
        title: format!(
            "{}: {} × {} {noun} retain {}, {} of all that is alive",
            if grew {
                "Likely leak"
            } else if suspect.is_suspect {
                "Possible leak"
            } else {
                "Accumulation"
            },
            grouped(accumulation.count),
            suspect.items,
            human_bytes(accumulation.bytes),
            percent(suspect.part)
        ),
        next: vec![
            format!("v8mini inspect {file} {address}"),
            format!("v8mini path {file} {address}"),
            format!("v8mini tree {file} --node {address}"),
        ],
        address,
        class: suspect.owner_class.clone(),
        arrangement,
        items: suspect.items.clone(),
        count: accumulation.count,
        retained_bytes: accumulation.bytes,
        live_part: suspect.part,
        holder: holder_report(&suspect.holder),
        code,
        contents: suspect
            .contents
            .iter()
            .map(|content| ContentReport {
                class: content.class.clone(),
                count: content.count,
                shallow_bytes: content.bytes,
            })
            .collect(),
        reasons,
        counts,
    }
}

fn code_report(found: &Use) -> CodeReport {
    CodeReport {
        role: match found.effect {
            Effect::Grows => "grows",
            Effect::Appends => "appends",
            Effect::Shrinks => "shrinks",
            Effect::Replaces => "replaces",
            Effect::Bounds => "bounds",
            Effect::Uses => "uses",
        },
        function: found.function.clone(),
        location: found.location.as_ref().map(ToString::to_string),
        line: found.line.clone(),
    }
}

fn holder_report(holder: &Holder) -> HolderReport {
    let mut path = holder.first.1.clone();
    for step in &holder.steps {
        match step.kind {
            EdgeKind::Element => path += &format!("[{}]", step.name),
            EdgeKind::Context => path += &format!(" → variable {}", step.name),
            EdgeKind::Property => path += &format!(".{}", step.name),
            _ => path += &format!(" → {}", step.name),
        }
    }
    if holder.is_cut {
        path.insert_str(0, "… → ");
    }
    HolderReport {
        root: holder.root.name(),
        address: holder.first.0.to_string(),
        class: holder.first.1.clone(),
        steps: holder
            .steps
            .iter()
            .map(|step| StepReport {
                kind: step.kind.name(),
                name: step.name.clone(),
                address: step.to.to_string(),
                class: step.class.clone(),
            })
            .collect(),
        path,
    }
}

pub(super) fn write_largest(
    output: &mut Output,
    largest: &[LargestReport],
    file: &std::path::Path,
) -> std::io::Result<()> {
    if largest.is_empty() {
        return Ok(());
    }
    let file = file.display();
    writeln!(
        output,
        "{HEADING}large, but nothing shows that it grows: take a second capture and run `v8mini diff {file} LATER`{HEADING:#}"
    )?;
    for found in largest {
        writeln!(
            output,
            "   {} in {} × {} in {} {}  {DIM}{}{DIM:#}",
            human_bytes(found.retained_bytes),
            grouped(found.count),
            found.items,
            found.class,
            found.address,
            found.path
        )?;
        for reason in &found.reasons {
            writeln!(output, "      {DIM}{reason}{DIM:#}")?;
        }
    }
    writeln!(output)
}

pub(super) fn write_suspect(
    output: &mut Output,
    number: usize,
    suspect: &SuspectReport,
) -> std::io::Result<()> {
    writeln!(output, "{HEADING}{number}. {}{HEADING:#}", suspect.title)?;
    writeln!(
        output,
        "   where      {} {}",
        suspect.class, suspect.address
    )?;
    writeln!(
        output,
        "   held by    {} {DIM}(root: {}){DIM:#}",
        suspect.holder.path, suspect.holder.root
    )?;
    for code in &suspect.code {
        let role = match code.role {
            "grows" | "appends" => "filled by",
            "shrinks" => "emptied by",
            "replaces" => "set by",
            "bounds" => "bounded by",
            "item" => "items of",
            _ => "used by",
        };
        let function = match code.function.as_str() {
            "" => "(anonymous function)",
            name => name,
        };
        writeln!(
            output,
            "   {role:<11}{function} {DIM}{}{DIM:#}  {}",
            code.location.as_deref().unwrap_or(""),
            code.line
        )?;
    }
    for (index, content) in suspect.contents.iter().enumerate() {
        writeln!(
            output,
            "   {:<11}{} × {}, {}",
            if index == 0 { "contents" } else { "" },
            grouped(content.count),
            content.class,
            human_bytes(content.shallow_bytes)
        )?;
    }
    for reason in &suspect.reasons {
        writeln!(output, "   because    {reason}")?;
    }
    for next in &suspect.next {
        writeln!(output, "   {DIM}next       {next}{DIM:#}")?;
    }
    writeln!(output)
}
