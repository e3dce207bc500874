//! What goes into an archive: the same bytes for the same contents, whoever builds it and when.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header, HeaderMode};

/// Files by their paths in the archive, `/` between folders.
#[derive(Debug, Default)]
pub(super) struct Contents(BTreeMap<String, (Vec<u8>, Mode)>);

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everybody may read it.
    Data,
    /// Everybody may run it, too.
    Program,
}

impl Mode {
    const fn bits(self) -> u32 {
        match self {
            Self::Data => 0o644,
            Self::Program => 0o755,
        }
    }
}

impl Contents {
    pub(super) fn add(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>, mode: Mode) {
        self.0.insert(path.into(), (bytes.into(), mode));
    }

    pub(super) fn add_file(
        &mut self,
        path: impl Into<String>,
        file: &Path,
        mode: Mode,
    ) -> Result<()> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.add(path, bytes, mode);
        Ok(())
    }

    /// Adds what `other` has, with `prefix` before every path.
    pub(super) fn add_all(&mut self, prefix: &str, other: &Self) {
        for (path, (bytes, mode)) in &other.0 {
            self.add(format!("{prefix}{path}"), bytes.clone(), *mode);
        }
    }

    /// Paths and bytes, in the order of the paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(path, (bytes, _))| (path.as_str(), bytes.as_slice()))
    }

    /// Writes all below one folder into a compressed archive.
    pub(super) fn write_tar_gz(&self, folder: &str, file: &Path) -> Result<()> {
        let write = || -> Result<()> {
            // Neither the time nor the system is noted.
            let out = GzBuilder::new()
                .operating_system(255)
                .write(File::create(file)?, Compression::best());
            let mut archive = Builder::new(out);
            archive.mode(HeaderMode::Deterministic);
            for (path, (bytes, mode)) in &self.0 {
                let mut header = Header::new_ustar();
                header.set_entry_type(EntryType::Regular);
                header.set_size(bytes.len() as u64);
                header.set_mode(mode.bits());
                archive.append_data(&mut header, format!("{folder}/{path}"), bytes.as_slice())?;
            }
            archive.into_inner()?.finish()?.flush()?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", file.display()))
    }

    /// Writes the files below a folder.
    pub(super) fn write_into(&self, folder: &Path) -> Result<()> {
        for (path, (bytes, mode)) in &self.0 {
            let file = folder.join(path);
            let parent = file.parent().context("a file without a folder")?;
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
            fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&file, fs::Permissions::from_mode(mode.bits()))?;
            }
            #[cfg(not(unix))]
            let _ = mode;
        }
        Ok(())
    }
}

/// Compresses as `gzip -9n` does.
pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = GzBuilder::new()
        .operating_system(3)
        .write(Vec::new(), Compression::best());
    out.write_all(bytes)?;
    Ok(out.finish()?)
}
