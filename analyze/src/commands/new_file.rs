//! Files that commands write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::{Context, bail};

/// The name that stands for standard output.
pub(super) const STANDARD_OUTPUT: &str = "-";

/// Whether a file is to go to standard output, which must be no terminal then, for a reason such as "a capture is binary".
pub(super) fn goes_to_stdout(path: &Path, reason: &str) -> anyhow::Result<bool> {
    let to_stdout = path == Path::new(STANDARD_OUTPUT);
    if to_stdout && io::stdout().is_terminal() {
        bail!(
            "standard output is a terminal, and {reason}: redirect it, or name a file with -o FILE"
        );
    }
    Ok(to_stdout)
}

/// Writes a file that appears under its name only when it is complete. Only its owner may read it: a heap holds whatever the
/// program had in memory.
///
/// What exists and is no regular file (a pipe, a device) is written to as it is: a file of its name would take its place.
///
/// # Errors
/// As `write`, and if there can be no file at `path`; nothing is left behind.
pub(super) fn write_new<T>(
    path: &Path,
    write: impl FnOnce(&File) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    try_write_new(path, write).with_context(|| format!("nothing was written to {}", path.display()))
}

fn try_write_new<T>(
    path: &Path,
    write: impl FnOnce(&File) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let path = match fs::metadata(path) {
        Ok(existing) if existing.is_dir() => bail!("it is a directory; name a file"),
        Ok(existing) if !existing.is_file() => {
            return write(&OpenOptions::new().write(true).open(path)?);
        }
        // Through a symbolic link, the file behind it is replaced and not the link.
        Ok(_) => path.canonicalize()?,
        Err(_) => path.to_owned(),
    };
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let temporary = tempfile::NamedTempFile::new_in(directory)?;
    let written = write(temporary.as_file())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(written)
}
