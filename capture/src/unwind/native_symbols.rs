//! The functions that addresses lie in.

use std::collections::BTreeMap;

use object::Endianness;
use object::elf::{FileHeader64, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE};
use object::read::elf::{ElfFile64, Sym, SymbolTable};
use v8mini_format::model::Symbol;

/// Longest name that is kept, in bytes; templates of V8 have some of 2000.
const MAX_NAME_BYTES: usize = 4096;

/// How far a function without a size may reach, in bytes.
pub const MAX_UNSIZED_BYTES: u64 = 64 << 10;

/// A function that an address may lie in.
struct Function<'data> {
    start: u64,
    size: u64,
    name: &'data [u8],
}

/// The symbols of functions that `addresses` (sorted) lie in. A return address belongs to the call before it, so the last byte
/// before an address counts, too.
pub(super) fn find(file: &[u8], load_bias: u64, addresses: &[u64]) -> Vec<Symbol> {
    let Ok(elf) = ElfFile64::<Endianness>::parse(file) else {
        return Vec::new();
    };
    // By address looked up: the function found so far.
    let mut found: BTreeMap<u64, Function<'_>> = BTreeMap::new();
    for table in [elf.elf_symbol_table(), elf.elf_dynamic_symbol_table()] {
        collect(&elf, table, load_bias, addresses, &mut found);
    }
    let mut symbols: BTreeMap<u64, Symbol> = BTreeMap::new();
    for function in found.into_values() {
        let name = function.name.get(..MAX_NAME_BYTES).unwrap_or(function.name);
        symbols.entry(function.start).or_insert_with(|| Symbol {
            address: function.start,
            size: function.size,
            name: String::from_utf8_lossy(name).into_owned(),
        });
    }
    symbols.into_values().collect()
}

fn collect<'data>(
    elf: &ElfFile64<'data, Endianness>,
    table: &SymbolTable<'data, FileHeader64<Endianness>>,
    load_bias: u64,
    addresses: &[u64],
    found: &mut BTreeMap<u64, Function<'data>>,
) {
    let endian = elf.endian();
    for symbol in table.iter() {
        let kind = symbol.st_type();
        if symbol.is_undefined(endian)
            || !(kind == STT_FUNC || kind == STT_GNU_IFUNC || kind == STT_NOTYPE)
            || symbol.st_value(endian) == 0
        {
            continue;
        }
        let start = symbol.st_value(endian).wrapping_add(load_bias);
        let size = symbol.st_size(endian);
        let Some(end) = start.checked_add(size) else {
            continue;
        };
        // A function without a size, as hand-written assembly has, reaches to the next one.
        let reach = if size == 0 {
            start.saturating_add(MAX_UNSIZED_BYTES)
        } else {
            end
        };
        let first = addresses.partition_point(|address| *address < start);
        let inside = addresses.get(first..).unwrap_or_default().iter();
        for address in inside.take_while(|address| **address <= reach) {
            // A function that ends at the address is what a call at its end returns to; one that begins there is better only for
            // who was interrupted, and both are kept apart by their own entries.
            let key = if *address == end && size != 0 {
                address.wrapping_sub(1)
            } else {
                *address
            };
            let Ok(name) = symbol.name(endian, table.strings()) else {
                break;
            };
            if name.is_empty() {
                break;
            }
            let new = Function { start, size, name };
            match found.get(&key) {
                Some(old) if !is_better(&new, old) => {}
                _ => drop(found.insert(key, new)),
            }
        }
    }
}

/// Whether a symbol says more of an address than another: one with a size, then the nearest, then a real function's name over
/// an alias.
fn is_better(new: &Function<'_>, old: &Function<'_>) -> bool {
    let rank = |function: &Function<'_>| (function.size != 0, function.start);
    match rank(new).cmp(&rank(old)) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        // Aliases, of which C libraries have many: `read` rather than `__libc_read`, whatever the order of the table.
        std::cmp::Ordering::Equal => plainness(new.name) < plainness(old.name),
    }
}

fn plainness(name: &[u8]) -> (usize, usize, &[u8]) {
    let underscores = name.iter().take_while(|byte| **byte == b'_').count();
    (underscores, name.len(), name)
}
