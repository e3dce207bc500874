//! `v8mini cache`: what earlier commands kept.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::output::{Outcome, Output, grouped};
use crate::cache::{CACHE_SUFFIX, Locations, is_cache};

/// Lists what earlier commands kept so that later ones are fast, or removes it
///
/// What takes long to find out about a file, such as its dominator tree, is kept beside it, as FILE.v8mini-cache (of node.v8mini, as
/// node.v8mini-cache), or in the user's cache directory where that cannot be written to. A cache is only a help: it can be
/// removed at any time, is used for the very file and by the very build and user that it was made by, and answers are the same
/// without it. --no-cache does without; so does the environment variable V8MINI_CACHE=off, and V8MINI_CACHE=DIR keeps all
/// caches in a directory.
#[derive(Debug, Args)]
pub(super) struct Cache {
    /// The file whose caches are meant; without it, those in the user's cache directory.
    #[arg(value_name = "FILE")]
    path: Option<PathBuf>,

    /// Remove them.
    #[arg(long)]
    clear: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, JsonSchema)]
struct File {
    path: String,
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Report<'a> {
    caches: &'a [File],
    /// Whether they were removed.
    removed: bool,
}

impl Cache {
    /// Runs the command.
    pub(super) fn run(&self, output: &mut Output) -> anyhow::Result<Outcome> {
        let paths = match &self.path {
            Some(file) => Locations::of(file).map_or_else(Vec::new, |found| found.paths),
            None => match Locations::shared_directory() {
                Some(directory) => in_directory(&directory)?,
                None => Vec::new(),
            },
        };
        let mut caches = Vec::new();
        for path in paths.iter().filter(|path| is_cache(path)) {
            let bytes = fs::symlink_metadata(path).map_or(0, |found| found.len());
            if self.clear {
                fs::remove_file(path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
            caches.push(File {
                path: path.display().to_string(),
                bytes,
            });
        }
        if self.json {
            output.json(&Report {
                caches: &caches,
                removed: self.clear,
            })?;
        } else {
            for cache in &caches {
                let removed = if self.clear { ", removed" } else { "" };
                writeln!(
                    output,
                    "{}: {} bytes{removed}",
                    cache.path,
                    grouped(cache.bytes)
                )?;
            }
        }
        Ok(if caches.is_empty() {
            Outcome::NothingFound
        } else {
            Outcome::Done
        })
    }
}

/// The files of a directory that are named as caches.
fn in_directory(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot list {}", directory.display()))?,
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().ends_with(CACHE_SUFFIX)
        })
        .collect();
    paths.sort();
    Ok(paths)
}
