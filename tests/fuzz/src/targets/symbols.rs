use std::hint::black_box;

use v8mini_capture::symbols::{Binary, ModuleImage, by_likelihood, modules};
use v8mini_format::model::{Permissions, Region};

use crate::allocation::bounded;
use crate::image::Bytes;

/// Where the file is mapped.
const BASE: u64 = 0x40_0000;

/// The bytes as the ELF file that V8 is in: on disk, and mapped into a process.
pub fn symbols(data: &[u8]) {
    bounded(data.len(), || {
        if let Ok(binary) = Binary::parse(data) {
            black_box(binary.v8_symbols());
        }
    });
    // Headers are read a page at a time; the end of a mapping is filled up with zeros.
    let mut mapped = data.to_vec();
    mapped.resize(data.len().next_multiple_of(4096), 0);
    let regions = [0, 0x1000].map(|offset| Region {
        start: BASE + offset,
        end: BASE + mapped.len() as u64,
        permissions: Permissions {
            read: true,
            ..Permissions::default()
        },
        file_offset: offset,
        name: format!("/lib/{offset}.so"),
    });
    let memory = Bytes(vec![(BASE, mapped)]);
    bounded(data.len(), || {
        black_box(ModuleImage::read(&memory, BASE, &regions));
        let modules = modules(&memory, &regions);
        black_box(by_likelihood(&modules, "/lib/0.so"));
    });
}

/// A library that says about V8 what Node's binary does, made by `cc` from `seeds/v8-symbols.c`.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../seeds/v8-symbols.so").to_vec()]
}
