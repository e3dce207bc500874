//! Rows of what is not on the heap: the capture itself, threads and their stacks.

use super::{Batch, Cell, Tables};
use crate::stack::{StackEnd, ThreadKind, demangle, kind_of_thread, unwind};

impl Tables<'_> {
    pub(super) fn capture(&self, batch: &mut Batch) {
        let source = &self.source;
        let metadata = &source.objects.image().metadata;
        let process = &metadata.process;
        let nodes = source.tree.nodes();
        let sizes = |ids: &mut dyn Iterator<Item = usize>| {
            ids.fold((0_u64, 0_u64), |(count, bytes), id| {
                (count + 1, bytes.saturating_add(nodes.size(id)))
            })
        };
        let (objects, bytes) = sizes(&mut (0..nodes.len()));
        let (live, live_bytes) = sizes(&mut source.tree.alive());
        let sum = |values: &mut dyn Iterator<Item = u64>| values.fold(0_u64, u64::saturating_add);
        let committed = sum(&mut metadata.pages.iter().map(|page| page.size));
        let resident = sum(&mut metadata.accounting.iter().map(|part| part.resident_bytes));
        batch.push([
            (process.captured_at_ns.div_euclid(1_000_000)).into(),
            process.node_version.as_str().into(),
            metadata
                .v8_version
                .map(|version| version.to_string())
                .into(),
            process.architecture.as_str().into(),
            process.arguments.join(" ").into(),
            process.mode.as_str().into(),
            metadata.redaction.to_string().into(),
            (process.uptime_ns as f64 / 1e9).into(),
            metadata
                .statistics
                .map(|statistics| statistics.pause_ns)
                .into(),
            metadata.isolates.len().into(),
            metadata.threads.len().into(),
            committed.into(),
            resident.into(),
            objects.into(),
            bytes.into(),
            live.into(),
            live_bytes.into(),
            source.tally.coverage.ratio().into(),
            source.complete.into(),
            source.warnings.join("; ").into(),
        ]);
    }

    pub(super) fn threads(&self, batch: &mut Batch) {
        let objects = self.source.objects;
        let metadata = &objects.image().metadata;
        for thread in &metadata.threads {
            let stack = unwind(objects, thread, usize::MAX);
            let kind = match kind_of_thread(metadata, thread) {
                ThreadKind::Main => "main",
                ThreadKind::Worker(_) => "worker",
                ThreadKind::Native => "native",
            };
            let isolate = metadata
                .isolates
                .iter()
                .position(|isolate| thread.isolate != 0 && isolate.address == thread.isolate);
            batch.push([
                thread.tid.into(),
                thread.name.as_str().into(),
                kind.into(),
                thread.state.to_string().into(),
                isolate.into(),
                stack.frames.len().into(),
                (stack.end == StackEnd::Complete).into(),
            ]);
        }
    }

    pub(super) fn frames(&self, batch: &mut Batch) {
        let objects = self.source.objects;
        for thread in &objects.image().metadata.threads {
            let stack = unwind(objects, thread, usize::MAX);
            for (index, frame) in stack.frames.iter().enumerate() {
                let function = frame.function.as_ref();
                let location = function.and_then(|function| function.location.as_ref());
                let (line, column) = location.and_then(|location| location.line_column).unzip();
                let native = frame.native.as_ref();
                let symbol = native.and_then(|native| native.symbol.as_deref());
                batch.push([
                    thread.tid.into(),
                    index.into(),
                    frame.kind.name().into(),
                    function.map(|function| function.name.as_str()).into(),
                    location.map(|location| location.file.as_str()).into(),
                    line.into(),
                    column.into(),
                    symbol.map(demangle).into(),
                    native.map_or(Cell::Null, |native| native.module.as_str().into()),
                    frame.is_inlined.into(),
                ]);
            }
        }
    }
}
