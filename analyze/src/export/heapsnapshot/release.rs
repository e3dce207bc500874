//! In what V8's own snapshots differ from release to release, besides what the layouts say of objects.

use crate::v8::{Address, Objects};

/// V8 of Node.js 24. No Node.js has a V8 between 12.9 and this.
const NODE_24: (u32, u32) = (13, 6);
/// V8 of Node.js 26. No Node.js has a V8 between 14.1 and this.
const NODE_26: (u32, u32) = (14, 6);

fn release(objects: &Objects) -> (u32, u32) {
    let version = objects.layout().version;
    (version.major, version.minor)
}

/// Whether the C++ objects by which Node.js holds what the program has opened, sockets for instance, are edges of the root. From
/// Node.js 24 on they are in a list of its environment, which the program's globals do not lead to, so that DevTools takes
/// none of them for an owner: the global object owns all. From V8 14.6 on the native context owns it instead; to have the global
/// object own it would be no better than the handles.
pub(super) fn has_wraps_below_root(objects: &Objects) -> bool {
    !(NODE_24..NODE_26).contains(&release(objects))
}

/// Whether objects in read-only space, which a program has no influence on, are counted with their size: up to V8 12.9.
pub(super) fn has_sizes_of_immortals(objects: &Objects) -> bool {
    release(objects) < NODE_24
}

/// Whether an object that stands outside of trusted space for code or bytecode in it is filed under code itself: from V8 13.6 on.
pub(super) fn is_code_wrapper(objects: &Objects, type_name: &str) -> bool {
    release(objects) >= NODE_24
        && ["BYTECODE_WRAPPER_TYPE", "CODE_WRAPPER_TYPE"].contains(&type_name)
}

/// How many bytes outside of the heap are part of a string's own size: its characters, from V8 13.6 on.
pub(super) fn outside_bytes(objects: &Objects, string: Address, instance_type: u16) -> u64 {
    if release(objects) < NODE_24 {
        return 0;
    }
    objects
        .external_characters(string, instance_type)
        .map_or(0, |characters| characters.end - characters.start)
}
