//! What the tests of this crate share.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod foreign;
pub(crate) mod spec;
pub(crate) mod walk;

use std::io::{self, Write};

use v8mini_format::Metadata;
use v8mini_format::model::{
    AllocationArea, FatalSignal, GcState, Isolate, MemoryUse, Module, Page, Permissions, Problem,
    Process, Redaction, Region, Register, Space, Symbol, Thread, UnwindBase, UnwindRow, UnwindRule,
    V8Version,
};

/// An output that can only be written to, a few bytes at a time, as a pipe.
#[derive(Default)]
pub(crate) struct NoSeek {
    pub(crate) bytes: Vec<u8>,
}

impl Write for NoSeek {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let taken = buf.len().min(4093);
        self.bytes.extend_from_slice(&buf[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Metadata with something in every field.
pub(crate) fn sample_metadata() -> Metadata {
    Metadata {
        process: Process {
            pid: 4242,
            name: "node".into(),
            executable: "/usr/bin/node".into(),
            arguments: vec!["node".into(), "--expose-gc".into(), "größe.js".into()],
            node_version: "v22.23.3".into(),
            architecture: "x86_64".into(),
            kernel: "6.12.0".into(),
            os_page_size: 4096,
            uptime_ns: 12_345_678_901,
            captured_at_ns: 1_760_000_000_123_456_789,
            monotonic_ns: 98_765_432_101,
            mode: "stop".into(),
            writer: "v8mini-capture 0.1.0".into(),
        },
        redaction: Redaction::Strings,
        signal: Some(FatalSignal {
            number: 11,
            code: 1,
            address: 0xdead,
            tid: 4242,
        }),
        v8_version: Some(V8Version {
            major: 12,
            minor: 4,
            build: 254,
            patch: 21,
        }),
        modules: vec![Module {
            path: "/usr/bin/node".into(),
            deleted: true,
            build_id: vec![0xde, 0xad, 0xbe, 0xef],
            start: 0x40_0000,
            end: 0x80_0000,
            load_bias: 0,
        }],
        constants: [
            ("class_JSObject__elements".to_owned(), 16),
            ("SmiTag".to_owned(), -1),
        ]
        .into(),
        threads: vec![Thread {
            tid: 4242,
            name: "MainThread".into(),
            registers: vec![
                Register {
                    name: "rip".into(),
                    value: 0x40_1234,
                },
                Register {
                    name: "rsp".into(),
                    value: 0x7fff_0000_1000,
                },
            ],
            stack_start: 0x7fff_0000_0000,
            stack_end: 0x7fff_0080_0000,
            isolate: 0x5555_0000,
            state: 'S',
        }],
        isolates: vec![Isolate {
            address: 0x5555_0000,
            heap: 0x5555_d000,
            tid: 4242,
            allocation_areas: vec![AllocationArea {
                start: 0x1000,
                top: 0x1100,
                limit: 0x2000,
            }],
            gc_state: GcState::Idle,
        }],
        pages: vec![Page {
            address: 0x1_0000_0000,
            size: 0x4_0000,
            flags: 0x1234_5678_9abc_def0,
            area_start: 0x1_0000_0100,
            area_end: 0x1_0004_0000,
            heap: 0x5555_d000,
            owner: 0x5556_0000,
            allocated_bytes: 0x3_ff00,
            high_water_mark: 0x4_0000,
            space: Space::Old,
            metadata_address: 0x5557_0000,
        }],
        regions: vec![Region {
            start: 0x40_0000,
            end: 0x80_0000,
            permissions: Permissions {
                read: true,
                write: false,
                execute: true,
                shared: false,
            },
            file_offset: 0x1000,
            name: "/usr/bin/node".into(),
        }],
        accounting: vec![MemoryUse {
            kind: "v8:old_space".into(),
            resident_bytes: 0x4_0000,
            mapped_bytes: 0x5_0000,
        }],
        symbols: vec![Symbol {
            address: 0x40_1200,
            size: 0x80,
            name: "_ZN4node5StartEiPPc".into(),
        }],
        unwind_rows: vec![UnwindRow {
            start: 0x40_1204,
            end: 0x40_1280,
            is_signal_frame: false,
            cfa: UnwindRule::Value(UnwindBase::Register(7), 16),
            frame_pointer: UnwindRule::Memory(UnwindBase::Cfa, -16),
            return_address: UnwindRule::Memory(UnwindBase::Cfa, -8),
        }],
        problems: vec![Problem {
            stage: "read-page".into(),
            message: "4096 bytes at 0x7000 could not be read: EFAULT".into(),
            address: 0x7000,
            bytes: 4096,
        }],
        statistics: None,
    }
}
