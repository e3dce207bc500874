//! Which file a cache was made of, and by which program.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// So much of the beginning of a file is compared: the header of a capture with its UUID, and of a core.
const HEAD: u64 = 4 << 10;
/// And so much of the end: of a capture the end of the index with its checksums.
const TAIL: u64 = 64 << 10;

/// A number that two files, or two builds of the program, do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(pub(super) [u8; 32]);

impl Identity {
    /// Of a file as it lies there now, read by this program, and `facts` that the program has besides, such as those of a
    /// binary that belongs to a core.
    ///
    /// # Errors
    /// If the file cannot be read, or is none.
    pub(crate) fn of(path: &Path, facts: &str) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("only files have caches"));
        }
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        // Another build may understand the heap better.
        if let Ok(program) = std::env::current_exe().and_then(std::fs::metadata) {
            add(&numbers(&program));
        }
        add(&numbers(&found));
        let mut part = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut part)?;
        add(&part);
        part.clear();
        file.seek(SeekFrom::Start(found.len().saturating_sub(TAIL)))?;
        file.take(TAIL).read_to_end(&mut part)?;
        add(&part);
        add(facts.as_bytes());
        Ok(Self(hasher.finalize().into()))
    }
}

/// What changes when a file does, as far as the system tells.
fn numbers(found: &Metadata) -> Vec<u8> {
    let since = |time: io::Result<std::time::SystemTime>| {
        let since = time.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_nanos() as u64)
    };
    let mut all = vec![found.len(), since(found.modified())];
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // The time of change, unlike that of modification, cannot be set back.
        all.extend([
            found.dev(),
            found.ino(),
            found.ctime() as u64,
            found.ctime_nsec() as u64,
        ]);
    }
    all.into_iter().flat_map(u64::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_makes_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let identity = Identity::of(&path, "").unwrap();
        assert_eq!(Identity::of(&path, "").unwrap(), identity);
        assert_ne!(Identity::of(&path, "another binary").unwrap(), identity);
        let copy = dir.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        assert_ne!(Identity::of(&copy, "").unwrap(), identity);
        let mut bytes = vec![7; 1 << 20];
        bytes[500_000] = 8;
        std::fs::write(&path, bytes).unwrap();
        assert_ne!(Identity::of(&path, "").unwrap(), identity);
        assert!(Identity::of(dir.path(), "").is_err());
    }
}
