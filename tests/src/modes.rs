//! Ways of taking a snapshot: which of them work on this machine, and captures by one of them.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{NodeProcess, Tools};

/// All modes but `auto`, best first.
const ALL: [&str; 4] = ["log", "precopy", "fork", "stop"];
/// What needs nothing but the right to trace.
const EVERYWHERE: [&str; 2] = ["fork", "stop"];

/// The modes in which a process that is in no sandbox can be captured here. Why others cannot is printed: the kernel or the rights of
/// this user lack what they need.
///
/// # Errors
/// If a mode fails that works everywhere.
pub fn working(pid: u32) -> Result<Vec<&'static str>> {
    let mut working = Vec::new();
    for mode in ALL {
        let pid = pid.to_string();
        let summary = Tools::get()
            .capture([&pid, "--mode", mode, "--dry-run", "--json"])?
            .json()?;
        if summary["mode"] == mode {
            working.push(mode);
        } else {
            ensure!(
                !EVERYWHERE.contains(&mode),
                "{mode} does not work: {summary}"
            );
            println!("not tested: mode {mode}: {}", summary["declined"]);
        }
    }
    Ok(working)
}

/// Captures a process in a mode; prints it if it was another in the end. Returns the summary.
///
/// # Errors
/// If there is no capture.
pub fn capture(process: &NodeProcess, mode: &str, file: &Path, more: &[&str]) -> Result<Value> {
    let pid = process.pid().to_string();
    let mut arguments: Vec<&OsStr> = vec![
        pid.as_ref(),
        "--mode".as_ref(),
        mode.as_ref(),
        "-o".as_ref(),
        file.as_os_str(),
        "--json".as_ref(),
    ];
    arguments.extend(more.iter().map(OsStr::new));
    let summary = Tools::get().capture(arguments)?.json()?;
    if summary["mode"] != mode {
        eprintln!("{mode} is not possible here: {}", summary["declined"]);
    }
    Ok(summary)
}
