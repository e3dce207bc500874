//! `v8 getactivehandles` and `v8 getactiverequests`.

use std::io::Write;

use super::super::spelling::Call;
use super::Format;
use crate::commands::Outcome;
use crate::heap::PageSelection;
use crate::node::{Environment, Handles};

/// `v8 getactivehandles`
pub(super) fn handles(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    write(call, |environment| environment.handles())
}

/// `v8 getactiverequests`
pub(super) fn requests(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    write(call, |environment| environment.requests())
}

fn write(
    call: &mut Call<'_>,
    find: impl Fn(&Environment<'_>) -> Handles,
) -> anyhow::Result<Outcome> {
    let session = call.session();
    let environment = session.environment(PageSelection::default());
    let format = Format {
        detailed: true,
        ..Format::default()
    };
    let found = find(&environment);
    for handle in &found.open {
        writeln!(
            call.output,
            "{}",
            format.object(&session.objects, handle.address)
        )?;
    }
    writeln!(call.output, "Total: {}", found.open.len())?;
    Ok(session.outcome_without_walk())
}
