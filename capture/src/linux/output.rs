//! The file that a capture is written to: complete or not there at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Owner only: a heap holds whatever the program had in memory.
const MODE: u32 = 0o600;

/// A file that appears under its name only when it is complete.
///
/// Until [`OutputFile::commit`] the bytes go to a hidden file beside it, which is removed if this value is dropped. An
/// interrupt that kills the program at once leaves that hidden file, never a partial capture under the final name.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl OutputFile {
    /// Creates the hidden file in the directory of `path`.
    ///
    /// # Errors
    /// If the directory is not there or not writable, or `path` is a directory.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "it is a directory; name a file",
            ));
        }
        let name = path.file_name().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path does not end in a file name",
            )
        })?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&temporary)?;
        Ok(Self {
            file,
            temporary,
            path: path.to_owned(),
            committed: false,
        })
    }

    /// Makes the bytes durable and gives the file its name, replacing another of that name.
    ///
    /// # Errors
    /// If the disk is full or fails; nothing is left behind then.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // The new name is durable once the directory is. Some file systems cannot do that; the file is complete anyway.
        let _unsupported = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing more can be done about a file that cannot be removed; its hidden name says what it is.
            let _stays = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(directory: &Path) -> Vec<OsString> {
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect()
    }

    #[test]
    fn appears_when_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.v8mini");
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"bytes").unwrap();
        assert!(!path.exists() && names(directory.path()).len() == 1);
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"bytes");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(names(directory.path()), ["a.v8mini"]);
    }

    #[test]
    fn leaves_nothing_when_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = OutputFile::create(&directory.path().join("a.v8mini")).unwrap();
        file.write_all(b"bytes").unwrap();
        drop(file);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn refuses_directories() {
        let directory = tempfile::tempdir().unwrap();
        assert!(OutputFile::create(directory.path()).is_err());
        assert!(OutputFile::create(&directory.path().join("no/such/a.v8mini")).is_err());
        assert!(OutputFile::create(Path::new("..")).is_err());
    }
}
