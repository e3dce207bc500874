//! `v8mini-capture`: captures the V8 heap of a live process.
fn main() {}
