//! The secret of a user, by which a cache of the user's own is told from all others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Name of the file that has it, in the user's cache directory.
const FILE_NAME: &str = "key";

/// 32 random bytes that only the user can read.
#[derive(Clone)]
pub(super) struct Secret([u8; 32]);

impl Secret {
    /// The user's, drawn when it is asked for the first time. `None` if it cannot be kept, or if others could have read or
    /// written it.
    pub(super) fn of_user(directory: &Path) -> Option<Self> {
        let path = directory.join(FILE_NAME);
        match Self::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read.ok().flatten(),
        }
        make_directory(directory).ok()?;
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        // Another process may do the same at this moment: whoever links its file first wins.
        let mut file = tempfile::NamedTempFile::new_in(directory).ok()?;
        file.write_all(&bytes).ok()?;
        match file.persist_noclobber(&path) {
            Ok(_) => Some(Self(bytes)),
            Err(_) => Self::read(&path).ok().flatten(),
        }
    }

    fn read(path: &Path) -> io::Result<Option<Self>> {
        // What a symbolic link leads to may be somebody else's.
        if !fs::symlink_metadata(path)?.is_file() {
            return Ok(None);
        }
        let file = File::open(path)?;
        if !is_private(&file)? {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(33).read_to_end(&mut bytes)?;
        Ok(bytes.try_into().ok().map(Self))
    }

    /// What authenticates a sequence of bytes.
    pub(super) fn authenticate(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    /// Whether a sequence of bytes is what this user has written.
    pub(super) fn is_authentic(&self, parts: &[&[u8]], code: &[u8; 32]) -> bool {
        // In the same time wherever they differ.
        blake3::Hash::from_bytes(self.authenticate(parts)) == blake3::Hash::from_bytes(*code)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Makes a directory that only the user can look into.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Whether nobody but the owner can read or write a file.
#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let facts = file.metadata()?;
    Ok(facts.is_file() && facts.mode() & 0o077 == 0)
}

/// On Windows, the directory is the user's own.
#[cfg(not(unix))]
fn is_private(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.is_file())
}

/// Opens a file to read and write it, but not through a symbolic link, and nothing that is no file.
pub(super) fn open_own(path: &Path) -> io::Result<File> {
    let named = fs::symlink_metadata(path)?;
    if !named.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if !is_private(&file)? || !is_same(&named, &file.metadata()?) {
        return Err(io::Error::other("others can write it"));
    }
    Ok(file)
}

/// Whether what was opened is what had the name before.
#[cfg(unix)]
fn is_same(named: &fs::Metadata, opened: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (named.dev(), named.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, opened: &fs::Metadata) -> bool {
    opened.is_file()
}
