//! `v8mini inspect`: one object and what it holds.

use std::io::Write;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::address::value_at;
use super::file::InputArgs;
use super::output::{Outcome, Output, grouped};
use super::session::{Query, Session};
use super::value_schema::ValueSchema;
use crate::heap::PageSelection;
use crate::inspect::{MAX_DEPTH, Options, describe_property, to_json, to_text};
use crate::v8::Address;

/// Shows one object: its class, its properties and elements, and what is in maps, promises, functions, buffers, …
///
/// Properties are shown wherever V8 keeps them, getters, symbols and #private names included; strings with all their
/// characters; functions with file, line, column and the variables that they close over. Addresses are tagged, as V8 prints
/// them: any of them can be inspected in turn.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    #[command(flatten)]
    input: InputArgs,

    /// Address of the object in hexadecimal, as v8mini instances prints it, or global; a path of properties may follow:
    /// 0x2a1f03c81b49._events.close, global.cache
    #[arg(value_name = "ADDR")]
    address: String,

    /// Open objects inside objects so many levels deep.
    #[arg(long, short = 'd', value_name = "N", default_value_t = 2)]
    depth: usize,

    /// Show so many characters (UTF-16 code units) of a string; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 500)]
    string_length: usize,

    /// Show so many elements, entries and properties of one object; 0 for all.
    #[arg(long, short = 'l', value_name = "N", default_value_t = 100)]
    array_length: usize,

    /// Show the address of each object's map (hidden class).
    #[arg(long, short = 'm')]
    print_map: bool,

    /// Show what the object retains, too: what would be free if it were gone. It takes a look at the whole heap.
    #[arg(long)]
    retained: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    #[serde(flatten)]
    #[schemars(with = "ValueSchema")]
    object: serde_json::Value,
    /// For --retained; 0 if it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    retained_bytes: Option<u64>,
}

impl Query for Inspect {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let value = value_at(&session.objects, &self.address)?;
        let unlimited = |length| if length == 0 { usize::MAX } else { length };
        let options = Options {
            depth: self.depth.min(MAX_DEPTH),
            string_length: unlimited(self.string_length),
            array_length: unlimited(self.array_length),
            print_map: self.print_map,
        };
        let description = describe_property(&session.objects, value, &options);
        let retained = match description.address {
            Some(address) if self.retained => Some(retained_by(session, address)),
            _ => None,
        };
        if self.json {
            output.json(&Report {
                object: to_json(&description),
                retained_bytes: retained,
            })?;
        } else {
            writeln!(output, "{}", to_text(&description, self.print_map))?;
            if let Some(bytes) = retained {
                writeln!(output, "retains {} bytes", grouped(bytes))?;
            }
        }
        Ok(session.outcome_without_walk())
    }
}

fn retained_by(session: &Session, address: Address) -> u64 {
    let tree = session.dominators(PageSelection::default());
    let id = tree.nodes().id(address);
    id.map_or(0, |id| tree.retained(id))
}
