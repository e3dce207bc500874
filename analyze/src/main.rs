//! `v8mini`: analyses a captured V8 heap.
fn main() {}
