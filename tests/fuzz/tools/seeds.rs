//! Writes what the targets begin with, one directory each: `cargo run --package v8mini-fuzz --example seeds -- DIR`. Prints a line for
//! each target: its name and its longest input.

use std::path::PathBuf;

use v8mini_fuzz::{TARGETS, regressions};

fn main() -> std::io::Result<()> {
    let root = std::env::args_os().nth(1).map(PathBuf::from);
    let root = root.ok_or_else(|| std::io::Error::other("the directory is missing"))?;
    for target in TARGETS {
        let dir = root.join(target.name);
        std::fs::create_dir_all(&dir)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{number}")), seed)?;
        }
        for (name, input) in regressions(target.name)? {
            std::fs::write(dir.join(format!("regression-{name}")), input)?;
        }
        println!("{} {}", target.name, target.max_len);
    }
    Ok(())
}
