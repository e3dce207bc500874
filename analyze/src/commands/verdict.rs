//! How far the answer of a command that walked the heap can be believed.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use v8mini_format::model::GcState;

use super::output::{Outcome, Output, WARNING, human_bytes, percent};
use super::session::Session;
use crate::graph::DominatorTree;
use crate::heap::{PageSelection, SpaceCoverage, Tally};
use crate::self_check::{Check, ENOUGH_COVERAGE, self_check};

/// What is known of the quality of an answer.
pub(crate) struct Verdict {
    /// The checks of the layout on the image.
    pub(crate) checks: Vec<Check>,
    /// What a reader must know before believing the figures.
    pub(crate) warnings: Vec<String>,
    ratio: f64,
    total: SpaceCoverage,
    complete: bool,
}

/// The coverage as JSON has it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CoverageReport {
    /// Part of the walkable bytes that was walked, 0 to 1.
    ratio: f64,
    walked_bytes: u64,
    walkable_bytes: u64,
    unknown_bytes: u64,
    missing_bytes: u64,
    /// Whether the figures can be taken as complete.
    complete: bool,
}

impl Verdict {
    /// Judges what was counted.
    pub(crate) fn of(session: &Session, selection: PageSelection, tally: &Tally) -> Self {
        let checks = self_check(&session.objects, selection, tally);
        let metadata = &session.objects.image().metadata;
        let layout = session.objects.layout();
        let total = tally.coverage.total();
        let ratio = tally.coverage.ratio();
        let mut warnings = Vec::new();
        if !session.integrity.is_intact() {
            warnings.push(format!("the file is not whole: {}", session.integrity));
        }
        if !layout.within_range {
            warnings.push(format!(
                "no layout table is made for V8 {}; {} was taken as the nearest",
                layout.version, layout.table
            ));
        }
        let mut collecting = false;
        for (number, isolate) in metadata.isolates.iter().enumerate() {
            if isolate.gc_state == GcState::Collecting {
                collecting = true;
                warnings.push(format!(
                    "isolate {number} was in the middle of a garbage collection: objects may be counted twice or not at all"
                ));
            }
        }
        match session.objects.pages().rejected() {
            0 => {}
            rejected => warnings.push(format!(
                "{rejected} pages were left out: they overlap others, or no page can be where they are"
            )),
        }
        for problem in &metadata.problems {
            warnings.push(format!("capture: {}", problem.message));
        }
        let failed = checks.iter().filter(|check| !check.passed);
        warnings.extend(
            failed
                .map(|check| format!("the layout may be wrong: {}: {}", check.name, check.detail)),
        );
        if ratio < ENOUGH_COVERAGE {
            warnings.push(format!(
                "{} of {} could not be walked ({} unknown in {} places, {} not in the file)",
                human_bytes(total.unknown + total.missing),
                human_bytes(total.walkable()),
                human_bytes(total.unknown),
                total.gaps,
                human_bytes(total.missing)
            ));
        }
        let complete = session.is_whole() && !collecting && checks.iter().all(|check| check.passed);
        Self {
            checks,
            warnings,
            ratio,
            total,
            complete,
        }
    }

    /// Judges what follows from references.
    ///
    /// What only roots keep alive that could not be located counts as dead.
    pub(super) fn of_tree(
        session: &Session,
        selection: PageSelection,
        tree: &DominatorTree,
    ) -> Self {
        Self::of_reachability(session, selection, tree.missing_roots())
    }

    /// Judges what follows from references, some of whose roots are missing.
    pub(super) fn of_reachability(
        session: &Session,
        selection: PageSelection,
        missing_roots: &[String],
    ) -> Self {
        let mut verdict = Self::of(session, selection, &session.tally(selection));
        verdict.warnings.extend(missing_roots.iter().map(|missing| {
            format!("roots not located: {missing}; what only they keep alive counts as dead")
        }));
        verdict
    }

    /// Whether the figures can be taken as complete.
    #[cfg(any(feature = "parquet", feature = "sql"))]
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The coverage for JSON.
    pub(crate) fn coverage(&self) -> CoverageReport {
        CoverageReport {
            ratio: self.ratio,
            walked_bytes: self.total.walked(),
            walkable_bytes: self.total.walkable(),
            unknown_bytes: self.total.unknown,
            missing_bytes: self.total.missing,
            complete: self.complete,
        }
    }

    /// The coverage as a last line, and the warnings.
    pub(crate) fn write(&self, output: &mut Output) -> io::Result<()> {
        let Self {
            ratio,
            total,
            warnings,
            ..
        } = self;
        let walkable = human_bytes(total.walkable());
        write!(output, "coverage: {} of {walkable} walked", percent(*ratio))?;
        if total.unknown > 0 {
            let unknown = human_bytes(total.unknown);
            write!(
                output,
                ", {unknown} in {} places not recognised",
                total.gaps
            )?;
        }
        if total.missing > 0 {
            write!(output, ", {} not in the file", human_bytes(total.missing))?;
        }
        writeln!(output)?;
        for warning in warnings {
            writeln!(output, "{WARNING}warning:{WARNING:#} {warning}")?;
        }
        Ok(())
    }

    /// How the command went.
    pub(crate) fn outcome(&self, found: bool) -> Outcome {
        if !self.complete {
            Outcome::Incomplete
        } else if found {
            Outcome::Done
        } else {
            Outcome::NothingFound
        }
    }
}
