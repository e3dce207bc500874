//! The checksums of the files of a release, as `sha256sum` writes and checks them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

const FILE: &str = "SHA256SUMS";

/// Writes the sums of all files of a folder.
pub(super) fn write(folder: &Path) -> Result<()> {
    let mut sums = String::new();
    for path in super::sorted(folder)? {
        let name = path.file_name().context("a file without a name")?;
        if name == FILE {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for byte in Sha256::digest(&bytes) {
            let _ = write!(sums, "{byte:02x}");
        }
        let _ = writeln!(sums, "  {}", name.to_string_lossy());
    }
    let file = folder.join(FILE);
    fs::write(&file, sums).with_context(|| format!("cannot write {}", file.display()))
}
