//! `v8mini tree`: the dominator tree, from the top down.

use std::io::Write;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::address::object_at;
use super::dominators::{Liveness, Retainer, retainer, sort_by_retained};
use super::file::{FileArgs, InputArgs};
use super::output::{DIM, HEADING, Outcome, Output, grouped};
use super::schema::Hex;
use super::session::{Query, Session};
use super::verdict::{CoverageReport, Verdict};
use crate::graph::{Children, DominatorTree};

/// Deepest that the tree is shown at once.
const MAX_DEPTH: usize = 64;
/// Most objects that are shown at once.
const MAX_OBJECTS: usize = 1 << 20;

/// Shows the dominator tree from the top down: below each object what only it keeps alive, the most first
///
/// It begins with what nothing but the roots dominates, or with the object of --node. Go on with --node and an address that
/// was shown, or with a greater --depth.
#[derive(Debug, Args)]
pub(super) struct Tree {
    #[command(flatten)]
    file: FileArgs,

    /// Begin with this object.
    #[arg(long, value_name = "ADDR")]
    node: Option<String>,

    /// Show so many levels.
    #[arg(long, short = 'd', value_name = "N", default_value_t = 3)]
    depth: usize,

    /// Of each object, show so many below it; 0 for all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    limit: usize,

    /// On the first level, leave out so many before.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
}

/// An object of the tree.
#[derive(Debug, Serialize, JsonSchema)]
struct Branch {
    /// 0 for the first level.
    level: usize,
    #[serde(flatten)]
    object: Retainer,
    /// How many it dominates immediately, shown or not.
    children: usize,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    /// The object that it begins with, tagged; absent for the roots.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Hex>")]
    node: Option<String>,
    /// How many there are on the first level, shown or not.
    count: usize,
    offset: usize,
    /// In the order of the text: each is followed by what it dominates, on the next level.
    branches: &'a [Branch],
    #[serde(flatten)]
    liveness: Liveness,
    coverage: CoverageReport,
    warnings: &'a [String],
}

impl Query for Tree {
    fn input(&self) -> &InputArgs {
        &self.file.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let selection = self.file.selection(session)?;
        let start = match &self.node {
            Some(text) => Some(object_at(&session.objects, text)?),
            None => None,
        };
        let tree = session.dominators(selection);
        let verdict = Verdict::of_tree(session, selection, &tree);
        let node = match start {
            Some(address) => Some(tree.nodes().id(address).ok_or_else(|| {
                anyhow::anyhow!("{address} is not in the part of the heap that was selected")
            })?),
            None => None,
        };
        let children = tree.children();
        let count = children.of(node).len();
        let branches = self.branches(session, &tree, &children, node);
        if self.file.json {
            output.json(&Report {
                node: start.map(|address| address.to_string()),
                count,
                offset: self.offset,
                branches: &branches,
                liveness: Liveness::of(&tree),
                coverage: verdict.coverage(),
                warnings: &verdict.warnings,
            })?;
        } else {
            if let Some(top) = node.and_then(|id| retainer(session, &tree, id)) {
                writeln!(output, "{}", top.summary)?;
                writeln!(
                    output,
                    "retains {} bytes, {} of them its own\n",
                    grouped(top.retained_bytes),
                    grouped(top.shallow_bytes)
                )?;
            }
            writeln!(
                output,
                "{HEADING}{:>14}  Object{HEADING:#}",
                "Retained bytes"
            )?;
            for branch in &branches {
                let more = match branch.children {
                    0 => String::new(),
                    more => format!("  {DIM}({} below){DIM:#}", grouped(more as u64)),
                };
                writeln!(
                    output,
                    "{:>14}  {:indent$}{}{more}",
                    grouped(branch.object.retained_bytes),
                    "",
                    branch.object.summary,
                    indent = 2 * branch.level
                )?;
            }
            let shown = branches.iter().filter(|branch| branch.level == 0).count();
            if self.offset.saturating_add(shown) < count {
                writeln!(
                    output,
                    "{DIM}… and {} more on the first level: --offset {}{DIM:#}",
                    grouped((count - self.offset - shown) as u64),
                    self.offset + shown
                )?;
            }
            Liveness::of(&tree).write(output)?;
            verdict.write(output)?;
        }
        Ok(verdict.outcome(!branches.is_empty()))
    }
}

impl Tree {
    fn branches(
        &self,
        session: &Session,
        tree: &DominatorTree,
        children: &Children,
        node: Option<usize>,
    ) -> Vec<Branch> {
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let depth = self.depth.clamp(1, MAX_DEPTH);
        let below = |id: Option<usize>, offset: usize| {
            let mut ids = children.of(id).to_vec();
            sort_by_retained(tree, &mut ids);
            let ids: Vec<usize> = ids.into_iter().skip(offset).take(limit).collect();
            ids.into_iter()
        };
        let mut branches = Vec::new();
        let mut stack = vec![below(node, self.offset)];
        while let Some(level) = stack.last_mut() {
            let Some(id) = level.next() else {
                stack.pop();
                continue;
            };
            let level = stack.len() - 1;
            if branches.len() == MAX_OBJECTS {
                break;
            }
            if let Some(object) = retainer(session, tree, id) {
                branches.push(Branch {
                    level,
                    object,
                    children: children.of(Some(id)).len(),
                });
            }
            if stack.len() < depth {
                stack.push(below(Some(id), 0));
            }
        }
        branches
    }
}
