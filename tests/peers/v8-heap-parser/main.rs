//! Reads a heap snapshot with the crate `v8-heap-parser`, and has it find dominators and the retained sizes of all classes.

use std::fs::File;
use std::io::BufReader;

fn main() {
    let path = std::env::args().nth(1).expect("usage: v8-heap-parser-peer FILE");
    let file = File::open(&path).expect("the snapshot opens");
    let graph = v8_heap_parser::decode_reader(BufReader::with_capacity(1 << 20, file))
        .expect("the snapshot is one");
    let groups = graph.get_class_groups(false);
    println!("{{\"classes\":{},\"nodes\":{}}}", groups.len(), graph.nodes().len());
}
