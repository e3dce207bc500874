//! The file that a capture is written to: complete or not there at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;
use nix::sys::statvfs::statvfs;
use nix::unistd::linkat;

/// Owner only: a heap holds whatever the program had in memory.
const MODE: u32 = 0o600;

/// A file that appears under its name only when it is complete.
///
/// Until [`OutputFile::commit`] the bytes go to a file without a name in the same directory, which vanishes with this program
/// however that ends. On file systems that have no such files (NFS), it is a hidden file beside the final one, removed when
/// this value is dropped.
///
/// What exists and is no regular file (a pipe, a device) is written to as it is: a file of its name would take its place.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    destination: Option<Destination>,
}

/// Where a regular file is to appear.
#[derive(Debug)]
struct Destination {
    path: PathBuf,
    /// The name from which it is moved there.
    hidden: PathBuf,
    /// Whether the file has that name yet.
    is_named: bool,
}

impl OutputFile {
    /// Creates the file in the directory of `path`.
    ///
    /// # Errors
    /// If the directory is not there or not writable, or `path` is a directory.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = match fs::metadata(path) {
            Ok(existing) if existing.is_dir() => {
                return Err(io::Error::new(
                    io::ErrorKind::IsADirectory,
                    "it is a directory; name a file",
                ));
            }
            Ok(existing) if !existing.is_file() => {
                return Ok(Self {
                    file: OpenOptions::new().write(true).open(path)?,
                    destination: None,
                });
            }
            // Through a symbolic link, the file behind it is replaced and not the link.
            Ok(_) => path.canonicalize()?,
            Err(_) => path.to_owned(),
        };
        let name = path.file_name().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path does not end in a file name",
            )
        })?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        let hidden = path.with_file_name(hidden);
        let mut options = OpenOptions::new();
        options.write(true).mode(MODE);
        let unnamed = options
            .clone()
            .custom_flags(libc::O_TMPFILE)
            .open(directory(&path));
        let is_named = unnamed.is_err();
        let file = unnamed.or_else(|_| options.create_new(true).open(&hidden))?;
        Ok(Self {
            file,
            destination: Some(Destination {
                path,
                hidden,
                is_named,
            }),
        })
    }

    /// Makes the bytes durable and gives the file its name, replacing another of that name.
    ///
    /// # Errors
    /// If the disk is full or fails; nothing is left behind then.
    pub fn commit(mut self) -> io::Result<()> {
        let Some(destination) = &mut self.destination else {
            return Ok(());
        };
        self.file.sync_all()?;
        if !destination.is_named {
            // A link cannot replace a file, a rename can: hence two steps.
            let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            linkat(
                AT_FDCWD,
                unnamed.as_str(),
                AT_FDCWD,
                &destination.hidden,
                AtFlags::AT_SYMLINK_FOLLOW,
            )?;
            destination.is_named = true;
        }
        fs::rename(&destination.hidden, &destination.path)?;
        // The new name is durable once the directory is. Some file systems cannot do that; the file is complete anyway.
        let _unsupported =
            File::open(directory(&destination.path)).and_then(|directory| directory.sync_all());
        self.destination = None;
        Ok(())
    }
}

/// Bytes that are free for this user where a directory is.
///
/// # Errors
/// If it is not there.
pub fn free_bytes(directory: &Path) -> io::Result<u64> {
    let facts = statvfs(directory)?;
    Ok(facts
        .blocks_available()
        .saturating_mul(facts.fragment_size()))
}

/// The directory that a path's last component is in.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
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
        if let Some(destination) = self
            .destination
            .as_ref()
            .filter(|destination| destination.is_named)
        {
            // Nothing more can be done about a file that cannot be removed; its hidden name says what it is.
            let _stays = fs::remove_file(&destination.hidden);
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
        assert!(!path.exists());
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
    fn pipes_and_links_stay_what_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let mut file = OutputFile::create(&pipe).unwrap();
        file.write_all(b"bytes").unwrap();
        file.commit().unwrap();
        assert_eq!(reader.join().unwrap(), b"bytes");
        assert!(!fs::metadata(&pipe).unwrap().is_file());

        let (path, link) = (
            directory.path().join("a.v8mini"),
            directory.path().join("latest"),
        );
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut file = OutputFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn refuses_directories() {
        let directory = tempfile::tempdir().unwrap();
        assert!(OutputFile::create(directory.path()).is_err());
        assert!(OutputFile::create(&directory.path().join("no/such/a.v8mini")).is_err());
        assert!(OutputFile::create(Path::new("..")).is_err());
    }
}
