//! `::dump`, `::status`, `::dcmds`: what mdb itself has.

use std::io::Write;

use anyhow::Context;
use v8mini_format::MemoryExt;

use super::super::spelling::Call;
use super::COMMANDS;
use crate::commands::{Outcome, address_number};

/// Bytes that are dumped if nobody asks for more, and the most.
const BYTES: usize = 64;
const MAX_BYTES: usize = 1 << 20;

/// `::dump`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let target = call
        .target
        .clone()
        .context("an address is missing before ::dump")?;
    let start = address_number(&target)? & !15;
    let length = call.options.number('n')?.unwrap_or(BYTES).min(MAX_BYTES);
    let session = call.session();
    let bytes = session
        .objects
        .memory()
        .read_vec(start, length)
        .with_context(|| format!("cannot read {length} bytes at {start:#x}"))?;
    for (row, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = line.chunks(4).map(group).collect();
        let text: String = line
            .iter()
            .map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            })
            .collect();
        let at = start.saturating_add(row as u64 * 16);
        writeln!(call.output, "{at:x}:  {:<36} {text}", hex.join(" "))?;
    }
    Ok(Outcome::Done)
}

fn group(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `::status`
pub(super) fn status(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let session = call.session();
    let metadata = &session.objects.image().metadata;
    writeln!(
        call.output,
        "debugging {} (64-bit) of process {}",
        call.shell.path.display(),
        metadata.process.pid
    )?;
    writeln!(
        call.output,
        "V8 version: {}",
        session.objects.layout().version
    )?;
    writeln!(call.output, "isolates: {}", session.isolates().len())?;
    writeln!(call.output, "status: stopped: nothing of it runs here")?;
    Ok(Outcome::Done)
}

/// `::dcmds`
pub(super) fn dcmds(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let wanted = call.options.rest.first();
    for command in COMMANDS {
        if wanted.is_none_or(|name| name.trim_start_matches(':') == command.name) {
            writeln!(
                call.output,
                "::{} {}\n    {}",
                command.name, command.usage, command.about
            )?;
        }
    }
    Ok(Outcome::Done)
}
