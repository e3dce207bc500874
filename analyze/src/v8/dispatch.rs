//! The code of functions where V8 keeps it in a table outside of the heap (13.6 and later).

use v8mini_capture::locate::{DispatchTable, find_handles, isolate_block};
use v8mini_format::{Memory, MemoryExt};

use super::{Address, Objects};
use crate::layout::Field;

/// The tables of an image: that of each isolate, by its heap. Isolates of one process share theirs.
#[derive(Debug, Default)]
pub(super) struct DispatchTables {
    /// The heap, and the place of its table in `tables`.
    by_heap: Vec<(u64, usize)>,
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    base: u64,
    pieces: Vec<Piece>,
}

/// Entries of a table that follow each other.
#[derive(Debug)]
struct Piece {
    /// The number of the first.
    first: u64,
    /// Where the `Code` of each is, 0 if it has none.
    codes: Vec<u64>,
}

impl DispatchTables {
    fn find(objects: &Objects) -> Self {
        let memory = objects.memory();
        let mut found = Self::default();
        for isolate in &objects.image().metadata.isolates {
            let block = isolate_block(memory, isolate.address, isolate.heap);
            let Some(table) = find_handles(memory, isolate.address, block).dispatch_table else {
                continue;
            };
            let known = found
                .tables
                .iter()
                .position(|known| known.base == table.base);
            let at = known.unwrap_or_else(|| {
                found.tables.push(Table::read(memory, &table));
                found.tables.len() - 1
            });
            found.by_heap.push((isolate.heap, at));
        }
        found
    }

    fn code(&self, heap: u64, entry: u64) -> Option<Address> {
        let (_, at) = self.by_heap.iter().find(|(of, _)| *of == heap)?;
        self.tables.get(*at)?.code(entry)
    }
}

impl Table {
    fn read(memory: &dyn Memory, table: &DispatchTable) -> Self {
        const ENTRY_BYTES: usize = DispatchTable::ENTRY_BYTES as usize;
        let mut pieces = Vec::new();
        for range in &table.memory {
            let Ok(len) = usize::try_from(range.len) else {
                continue;
            };
            let Ok(bytes) = memory.read_vec(range.start, len) else {
                continue;
            };
            let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
            let second = |entry: &[u8; ENTRY_BYTES]| {
                let word = entry.last_chunk().copied().map_or(0, u64::from_le_bytes);
                DispatchTable::code(word).unwrap_or(0)
            };
            pieces.push(Piece {
                first: range.start.saturating_sub(table.base) / DispatchTable::ENTRY_BYTES,
                codes: entries.iter().map(second).collect(),
            });
        }
        Self {
            base: table.base,
            pieces,
        }
    }

    fn code(&self, entry: u64) -> Option<Address> {
        let after = self.pieces.partition_point(|piece| piece.first <= entry);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        let code = piece
            .codes
            .get(usize::try_from(entry - piece.first).ok()?)?;
        (*code != 0).then_some(Address(*code))
    }
}

impl Objects {
    /// Whether functions have their code in a table outside of the heap.
    pub(crate) fn has_dispatch_tables(&self) -> bool {
        self.layout().place(Field::FunctionDispatchEntry).is_ok()
    }

    /// The word of the function's entry in the table of its isolate that refers to its `Code`.
    pub(super) fn dispatched_code(&self, function: Address) -> Option<Address> {
        let entry = self.field(function, Field::FunctionDispatchEntry).ok()?;
        let heap = self.pages().page_of(function.0)?.heap;
        let tables = (self.dispatch_tables).get_or_init(|| DispatchTables::find(self));
        tables.code(heap, entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_on_both_sides_of_a_gap() {
        let piece = |first, codes: &[u64]| Piece {
            first,
            codes: codes.to_vec(),
        };
        let table = Table {
            base: 0x10_0000,
            pieces: vec![piece(4096, &[0x1000, 0, 0x2000]), piece(12288, &[0x3000])],
        };
        let codes = [
            0,
            4095,
            4096,
            4097,
            4098,
            4099,
            12287,
            12288,
            12289,
            u64::MAX,
        ];
        assert_eq!(
            codes.map(|entry| table.code(entry).map_or(0, |code| code.0)),
            [0, 0, 0x1000, 0, 0x2000, 0, 0, 0x3000, 0, 0]
        );
    }
}
