//! `v8mini what`: what is at an address.

use std::io::Write;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::address::address_number;
use super::file::InputArgs;
use super::output::{HEADING, Outcome, Output, grouped};
use super::schema::Hex;
use super::session::{Query, Session};
use crate::inspect::{Options, describe, one_line};
use crate::stack::demangle;
use crate::v8::{Address, Objects};
use crate::whatis::{PagePart, PagePlace, WhatIs, what_is};

/// Says what is at an address, whatever it is: the object around it and what of it, the heap page, a thread's stack, V8's own
/// structures, the contents of a buffer or string, a mapped file
///
/// The address may be tagged or not, and need not be the beginning of anything.
#[derive(Debug, Args)]
pub(super) struct What {
    #[command(flatten)]
    input: InputArgs,

    /// Address, in hexadecimal.
    #[arg(value_name = "ADDR")]
    address: String,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    #[schemars(with = "Hex")]
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    smi: Option<i32>,
    /// Null if it is not in the file.
    #[schemars(with = "Option<Hex>")]
    word: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registers: Vec<RegisterReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<PageReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external: Option<ExternalReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<StackReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolate: Option<IsolateReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<ModuleReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<MappingReport>,
}

#[derive(Serialize, JsonSchema)]
struct RegisterReport {
    tid: u32,
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct ObjectReport {
    #[schemars(with = "Hex")]
    address: String,
    size: u64,
    offset: u64,
    class: String,
    instance_type: String,
    is_free: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    summary: String,
}

#[derive(Serialize, JsonSchema)]
struct PageReport {
    #[schemars(with = "Hex")]
    address: String,
    size: u64,
    space: &'static str,
    isolate: Option<usize>,
    part: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct ExternalReport {
    #[schemars(with = "Hex")]
    owner: String,
    kind: &'static str,
    offset: u64,
}

#[derive(Serialize, JsonSchema)]
struct StackReport {
    tid: u32,
    thread: String,
    above_stack_pointer: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<FrameReport>,
}

#[derive(Serialize, JsonSchema)]
struct FrameReport {
    /// As v8mini bt --native numbers it.
    number: usize,
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct IsolateReport {
    number: usize,
    offset: u64,
}

#[derive(Serialize, JsonSchema)]
struct ModuleReport {
    path: String,
    #[schemars(with = "Hex")]
    offset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol_offset: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct MappingReport {
    #[schemars(with = "Hex")]
    start: String,
    #[schemars(with = "Hex")]
    end: String,
    permissions: String,
    name: String,
}

impl Query for What {
    fn input(&self) -> &InputArgs {
        &self.input
    }

    fn answer(&self, session: &Session, output: &mut Output) -> anyhow::Result<Outcome> {
        let objects = &session.objects;
        let report = Report::new(objects, what_is(objects, address_number(&self.address)?));
        if self.json {
            output.json(&report)?;
        } else {
            writeln!(output, "{HEADING}{}{HEADING:#}", report.address)?;
            for line in report.lines() {
                writeln!(output, "  {line}")?;
            }
        }
        Ok(session.outcome_without_walk())
    }
}

impl Report {
    fn new(objects: &Objects, what: WhatIs) -> Self {
        let summary = |object: Address| {
            let text = one_line(&describe(objects, object.tagged(), &Options::ONE_LINE));
            // JSON has no styles.
            anstream::adapter::strip_str(&text).to_string()
        };
        Self {
            address: format!("{:#x}", what.address),
            smi: what.smi,
            word: what.word.map(|word| format!("{word:#x}")),
            registers: what
                .registers
                .into_iter()
                .map(|(tid, name)| RegisterReport { tid, name })
                .collect(),
            object: what.object.map(|place| ObjectReport {
                address: place.address.to_string(),
                size: place.size,
                offset: place.offset,
                class: place.class,
                instance_type: place.instance_type,
                is_free: place.is_free,
                part: place.part,
                summary: summary(place.address),
            }),
            page: what.page.map(|place| PageReport {
                address: format!("{:#x}", place.page.address),
                size: place.page.size,
                space: place.page.space.name(),
                isolate: place.isolate,
                part: part_name(&place),
            }),
            external: what.external.map(|place| ExternalReport {
                owner: place.owner.to_string(),
                kind: if place.is_string {
                    "string"
                } else {
                    "array_buffer"
                },
                offset: place.offset,
            }),
            stack: what.stack.map(|place| StackReport {
                tid: place.tid,
                thread: place.name,
                above_stack_pointer: place.above_stack_pointer,
                frame: place
                    .frame
                    .map(|(number, name)| FrameReport { number, name }),
            }),
            isolate: what
                .isolate
                .map(|(number, offset)| IsolateReport { number, offset }),
            module: what.module.map(|place| ModuleReport {
                path: place.path,
                offset: format!("{:#x}", place.offset),
                symbol_offset: place.symbol.as_ref().map(|(_, offset)| *offset),
                symbol: place.symbol.map(|(symbol, _)| demangle(&symbol.name)),
            }),
            mapping: what.region.map(|region| MappingReport {
                start: format!("{:#x}", region.start),
                end: format!("{:#x}", region.end),
                permissions: [
                    if region.permissions.read { 'r' } else { '-' },
                    if region.permissions.write { 'w' } else { '-' },
                    if region.permissions.execute { 'x' } else { '-' },
                    if region.permissions.shared { 's' } else { 'p' },
                ]
                .iter()
                .collect(),
                name: region.name,
            }),
        }
    }

    /// The answer for people, the most telling first.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(object) = &self.object {
            lines.push(object.line());
        }
        if let Some(external) = &self.external {
            let what = match external.kind {
                "string" => "characters of the external string",
                _ => "contents of the buffer",
            };
            lines.push(format!(
                "byte {} of the {what} {}",
                grouped(external.offset),
                external.owner
            ));
        }
        if let Some(stack) = &self.stack {
            lines.push(stack.line());
        }
        if let Some(isolate) = &self.isolate {
            lines.push(format!(
                "in the structures of isolate {}, at {:#x}",
                isolate.number, isolate.offset
            ));
        }
        if let Some(page) = &self.page {
            lines.push(page.line());
        }
        if let Some(module) = &self.module {
            lines.push(match (&module.symbol, module.symbol_offset) {
                (Some(symbol), Some(offset)) => format!("{symbol}+{offset:#x} in {}", module.path),
                _ => format!("at {} of {}", module.offset, module.path),
            });
        }
        for register in &self.registers {
            lines.push(format!(
                "in register {} of thread {}",
                register.name, register.tid
            ));
        }
        if let Some(smi) = self.smi {
            lines.push(format!("as a tagged value, the small integer {smi}"));
        }
        match &self.mapping {
            Some(mapping) => {
                let name = if mapping.name.is_empty() {
                    "anonymous memory"
                } else {
                    &mapping.name
                };
                let MappingReport {
                    start,
                    end,
                    permissions,
                    ..
                } = mapping;
                lines.push(format!("mapping {start}-{end} {permissions} {name}"));
            }
            None if lines.is_empty() => lines.push("nothing is mapped there".to_owned()),
            None => {}
        }
        match &self.word {
            Some(word) => lines.push(format!("holds {word}")),
            None if self.mapping.is_some() => {
                lines.push("its contents are not in the file".to_owned());
            }
            None => {}
        }
        lines
    }
}

impl ObjectReport {
    fn line(&self) -> String {
        let Self {
            address,
            size,
            offset,
            ..
        } = self;
        let size = grouped(*size);
        if self.is_free {
            return format!("free: byte {offset} of {size} free bytes from {address} on");
        }
        if *offset == 0 {
            return format!("{}, {size} bytes", self.summary);
        }
        let part = match &self.part {
            Some(part) => format!("{part}, byte {offset} of {size} of "),
            None => format!("byte {offset} of {size} of "),
        };
        format!("{part}{}", self.summary)
    }
}

impl StackReport {
    fn line(&self) -> String {
        let Self { tid, thread, .. } = self;
        let place = match self.above_stack_pointer {
            Some(above) if above >= 0 => format!(", {above} bytes above the stack pointer"),
            Some(below) => format!(
                ", {} bytes below the stack pointer: out of use",
                below.unsigned_abs()
            ),
            None => String::new(),
        };
        let frame = match &self.frame {
            Some(frame) => format!(", in frame {} ({})", frame.number, frame.name),
            None => String::new(),
        };
        format!("on the stack of thread {tid} ({thread}){place}{frame}")
    }
}

impl PageReport {
    fn line(&self) -> String {
        let isolate = match self.isolate {
            Some(number) => format!(" of isolate {number}"),
            None => ", shared by all isolates".to_owned(),
        };
        let part = match self.part {
            "header" => "V8's notes at the beginning of ",
            "objects" => "in ",
            "allocation_area" => "where the next objects go, in ",
            "from_space" => "in the unused half: ",
            "unrecognised" => "where no object was recognised, in ",
            _ => "unused, in ",
        };
        let Self { address, space, .. } = self;
        format!("{part}{space}{isolate}, page {address}")
    }
}

fn part_name(place: &PagePlace) -> &'static str {
    match place.part {
        PagePart::Header => "header",
        PagePart::Objects => "objects",
        PagePart::AllocationArea => "allocation_area",
        PagePart::FromSpace => "from_space",
        PagePart::Unrecognised(..) => "unrecognised",
        PagePart::Unused => "unused",
    }
}
