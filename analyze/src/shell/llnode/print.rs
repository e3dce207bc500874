//! `v8 inspect` and `v8 print`.

use std::io::Write;

use super::super::options::Options;
use super::super::spelling::Call;
use super::Format;
use crate::commands::Outcome;

impl Format {
    /// What the options of `v8 inspect` ask for.
    ///
    /// # Errors
    /// If a number is none.
    pub(super) fn of(options: &Options, detailed: bool) -> anyhow::Result<Self> {
        let format = Self::default();
        Ok(Self {
            detailed: detailed || options.has('v') || options.has('d'),
            print_map: options.has('m'),
            print_source: options.has('s'),
            length: match options.number('l')? {
                _ if options.has('F') => 0,
                Some(length) => length,
                None => format.length,
            },
        })
    }
}

/// `v8 inspect`
pub(super) fn inspect(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    write(call, true)
}

/// `v8 print`
pub(super) fn print(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    write(call, false)
}

fn write(call: &mut Call<'_>, detailed: bool) -> anyhow::Result<Outcome> {
    let format = Format::of(&call.options, detailed)?;
    let value = call.value()?;
    let session = call.session();
    writeln!(call.output, "{}", format.value(&session.objects, value))?;
    Ok(session.outcome_without_walk())
}
