//! `v8mini-capture`: captures the V8 heap of a live process.
fn main() {
    let pid = std::env::args().nth(1).and_then(|p| p.parse().ok()).unwrap_or(0);
    match v8mini_capture::linux::capture(pid, v8mini_capture::linux::Options::default(), &mut |p| eprintln!("{p:?}")) {
        Ok(c) => {
            let m = &c.metadata;
            println!("{:?} {:?}", m.v8_version, m.process);
            println!("stat {:?} consts {}", c.statistics, m.constants.len());
            for i in &m.isolates { println!("{i:x?}"); }
            for t in &m.threads { println!("{} {} {:x} {:x}-{:x} {}", t.tid, t.name, t.isolate, t.stack_start, t.stack_end, t.state); }
            for md in m.modules.iter().take(2) { println!("{md:x?}"); }
            let mut by = std::collections::BTreeMap::new();
            for p in &m.pages { let e = by.entry((p.heap, p.space.name())).or_insert((0,0)); e.0+=1; e.1+=p.size; }
            for (k,v) in by { println!("   {:x} {} pages {} bytes {}", k.0, k.1, v.0, v.1); }
            for p in m.problems.iter().take(9) { println!("problem {p:?}"); }
        }
        Err(e) => println!("error: {e}"),
    }
}
