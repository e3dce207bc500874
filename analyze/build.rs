//! Lists the tables of `spec/layouts/` for `layout::table` to include, so that adding a table is adding a file.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let dir = fs::canonicalize(manifest.join("../spec/layouts"))?;
    // Watching the directory also tells of new files.
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let name = entry?
            .file_name()
            .into_string()
            .map_err(|name| format!("{} has a file that is not UTF-8: {name:?}", dir.display()))?;
        if name.ends_with(".toml") && name != "fields.toml" {
            names.push(name);
        }
    }
    names.sort_unstable();
    let mut list = String::from("&[\n");
    for name in names {
        let path = dir.join(&name);
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(list, "    ({name:?}, include_str!({path:?})),")?;
    }
    list.push_str("]\n");
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("layout_tables.rs"),
        list,
    )?;
    Ok(())
}
