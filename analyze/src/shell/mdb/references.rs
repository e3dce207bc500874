//! `::jsfindrefs`: who refers to an object.

use std::io::Write;

use super::super::spelling::Call;
use super::function::kind;
use super::jsprint::bare;
use crate::commands::Outcome;
use crate::graph::{EdgeKind, referrers};
use crate::heap::PageSelection;

/// `::jsfindrefs`, and `::findjsobjects -r`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let target = call.target_object()?;
    let verbose = call.options.has('v') || call.options.has('d');
    let session = call.session();
    let targets = std::iter::once(target).collect();
    let (found, _) = referrers(
        &session.objects,
        session.references(),
        PageSelection::default(),
        &targets,
        usize::MAX,
    );
    let is_seen = |kind| {
        matches!(
            kind,
            EdgeKind::Property | EdgeKind::Element | EdgeKind::Context | EdgeKind::Shortcut
        )
    };
    let any_seen = found.iter().any(|referrer| is_seen(referrer.edge.kind));
    let mut last = None;
    for referrer in &found {
        let holder = referrer.holder;
        if any_seen && !is_seen(referrer.edge.kind) || last == Some(holder) {
            continue;
        }
        last = Some(holder);
        if verbose {
            let kind = kind(&session.objects, holder.tagged());
            writeln!(
                call.output,
                "{} (type: {kind}, {})",
                bare(holder),
                referrer.edge.name
            )?;
        } else {
            writeln!(call.output, "{}", bare(holder))?;
        }
    }
    Ok(if found.is_empty() {
        Outcome::NothingFound
    } else {
        session.outcome_without_walk()
    })
}
