//! The file of a cache: a header that says of what it was made, and sections behind it.
//!
//! | offset | header | | offset | section |
//! | -----: | --- | --- | -----: | --- |
//! | 0 | signature | | 0 | magic |
//! | 8 | version | | 4 | kind |
//! | 16 | identity of the file that it was made of | | 8 | part of the heap |
//! | 48 | authentication code of the above | | 16 | whether it is a part |
//! | | | | 24 | bytes that follow |
//! | | | | 32 | authentication code of header, the above, and what follows |

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::secret::{Secret, make_directory, open_own};
use super::{Identity, Locations};

const SIGNATURE: [u8; 8] = *b"V8MCACHE";
/// Of the file and of what is in its sections.
const VERSION: u64 = 1;
const HEADER: usize = 80;
const SECTION_MAGIC: [u8; 4] = *b"SECT";
const SECTION_HEADER: usize = 64;
/// A cache grows to no more than this.
const MAX_BYTES: u64 = 2 << 30;
/// A cache has one section for each question about each isolate.
const MAX_SECTIONS: usize = 1 << 10;

/// Which section: what it is of, and of which part of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SectionKey {
    /// [`super::Stored::KIND`].
    pub(crate) kind: u32,
    /// Address of a `Heap`; `None` for all.
    pub(crate) heap: Option<u64>,
}

/// A section that is there.
#[derive(Debug, Clone, Copy)]
struct Section {
    key: SectionKey,
    /// Where its header begins.
    at: u64,
    len: u64,
}

/// What was kept about a file.
#[derive(Debug)]
pub(crate) struct Cache {
    identity: Identity,
    secret: Secret,
    locations: Locations,
    found: Option<Found>,
}

/// A cache that is there, and valid so far.
#[derive(Debug)]
struct Found {
    file: File,
    sections: Vec<Section>,
    /// Where the next section is to be written: behind the last one that is whole.
    end: u64,
}

impl Cache {
    /// Looks for the cache of a file. `None` if the user has no place for caches.
    pub(crate) fn open(locations: Locations, identity: Identity) -> Option<Self> {
        let secret = Secret::of_user(&locations.directory)?;
        let mut cache = Self {
            identity,
            secret,
            locations,
            found: None,
        };
        let paths = cache.locations.paths.iter();
        cache.found = paths.into_iter().find_map(|path| cache.find(path).ok());
        Some(cache)
    }

    fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend(SIGNATURE);
        header.extend(VERSION.to_le_bytes());
        header.extend(self.identity.0);
        let code = self.secret.authenticate(&[&header]);
        header.extend(code);
        header
    }

    /// The cache at a path, if it is one of this very file.
    fn find(&self, path: &Path) -> io::Result<Found> {
        let mut file = open_own(path)?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        // The code is a function of the rest: to be the same is to be authentic.
        if header != *self.header() {
            return Err(io::Error::other(
                "made of another file, or by somebody else",
            ));
        }
        let len = file.metadata()?.len();
        let mut end = HEADER as u64;
        let mut sections = Vec::new();
        while sections.len() < MAX_SECTIONS {
            let mut header = [0; SECTION_HEADER];
            file.seek(SeekFrom::Start(end))?;
            if file.read_exact(&mut header).is_err() {
                break;
            }
            let Some((key, bytes)) = parse(&header) else {
                break;
            };
            let next = end
                .checked_add(SECTION_HEADER as u64)
                .and_then(|start| start.checked_add(bytes));
            let Some(next) = next.filter(|next| *next <= len) else {
                break;
            };
            sections.push(Section {
                key,
                at: end,
                len: bytes,
            });
            end = next;
        }
        Ok(Found {
            file,
            sections,
            end,
        })
    }

    /// The section of a key, authenticated. One that is damaged is as if it were not there.
    pub(crate) fn get(&mut self, key: SectionKey) -> Option<Vec<u8>> {
        let found = self.found.as_mut()?;
        let section = *found
            .sections
            .iter()
            .rev()
            .find(|section| section.key == key)?;
        let read = found.read(section);
        let identity = self.identity.0;
        if let Ok((header, bytes)) = read
            && let Some((start, code)) = header.split_last_chunk()
            && self.secret.is_authentic(&[&identity, start, &bytes], code)
        {
            return Some(bytes);
        }
        // Whatever lies behind it may be damaged, too: it is made anew.
        self.found = None;
        None
    }

    /// Whether there is a section of a key.
    pub(crate) fn has(&self, key: SectionKey) -> bool {
        let sections = self.found.iter().flat_map(|found| &found.sections);
        sections.into_iter().any(|section| section.key == key)
    }

    /// Adds sections. Those that would make the cache too large are left out.
    ///
    /// # Errors
    /// If no place can be written to.
    pub(crate) fn add(&mut self, sections: &[(SectionKey, Vec<u8>)]) -> io::Result<()> {
        if sections.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut room = MAX_BYTES.saturating_sub(self.found.as_ref().map_or(0, |found| found.end));
        for (key, payload) in sections {
            let len = (SECTION_HEADER + payload.len()) as u64;
            if len > room {
                continue;
            }
            room -= len;
            let start = section_start(*key, payload.len() as u64);
            let code = self
                .secret
                .authenticate(&[&self.identity.0, &start, payload]);
            bytes.extend(start);
            bytes.extend(code);
            bytes.extend_from_slice(payload);
        }
        if let Some(found) = &mut self.found {
            return found.append(&bytes);
        }
        let mut result = Err(io::Error::other("there is no place for it"));
        for path in &self.locations.paths {
            result = create(path, &self.locations.directory, &self.header(), &bytes);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

impl Found {
    fn read(&mut self, section: Section) -> io::Result<([u8; SECTION_HEADER], Vec<u8>)> {
        let mut header = [0; SECTION_HEADER];
        self.file.seek(SeekFrom::Start(section.at))?;
        self.file.read_exact(&mut header)?;
        // It was compared with the length of the file.
        let len = usize::try_from(section.len).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.file.read_exact(&mut bytes)?;
        Ok((header, bytes))
    }

    /// Writes sections behind the last one, unless another process is writing or has written since.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.try_lock().map_err(io::Error::from)?;
        let result = (|| {
            let mut header = [0; SECTION_HEADER];
            self.file.seek(SeekFrom::Start(self.end))?;
            let is_more = self.file.read_exact(&mut header).is_ok();
            let room = self.file.metadata()?.len().saturating_sub(self.end);
            let room = room.saturating_sub(SECTION_HEADER as u64);
            if is_more && parse(&header).is_some_and(|(_, bytes)| bytes <= room) {
                return Ok(());
            }
            self.file.set_len(self.end)?;
            self.file.seek(SeekFrom::Start(self.end))?;
            self.file.write_all(bytes)
        })();
        let unlocked = self.file.unlock();
        result.and(unlocked)
    }
}

/// Whether a file looks like a cache, so that it may be replaced or removed.
pub(crate) fn is_cache(path: &Path) -> bool {
    let Ok(mut file) = fs::symlink_metadata(path).and_then(|found| match found.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("no regular file")),
    }) else {
        return false;
    };
    let mut signature = [0; SIGNATURE.len()];
    file.read_exact(&mut signature).is_ok() && signature == SIGNATURE
}

/// Makes a new cache, whole before it gets its name. Replaces nothing but a cache.
fn create(path: &Path, shared: &Path, header: &[u8], sections: &[u8]) -> io::Result<()> {
    let directory = path
        .parent()
        .ok_or_else(|| io::Error::other("no directory"))?;
    if directory == shared {
        make_directory(directory)?;
    }
    let is_there = fs::symlink_metadata(path).is_ok();
    if is_there && !is_cache(path) {
        return Err(io::Error::other("what lies there is no cache"));
    }
    // Readable by its owner only, as tempfile makes it.
    let mut file = tempfile::Builder::new()
        .prefix(".v8mini-cache-")
        .tempfile_in(directory)?;
    file.write_all(header)?;
    file.write_all(sections)?;
    let kept = if is_there {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    kept.map(drop).map_err(|error| error.error)
}

/// The bytes of a section before its authentication code.
fn section_start(key: SectionKey, len: u64) -> Vec<u8> {
    let mut start = Vec::with_capacity(SECTION_HEADER);
    start.extend(SECTION_MAGIC);
    start.extend(key.kind.to_le_bytes());
    start.extend(key.heap.unwrap_or(0).to_le_bytes());
    start.extend(u64::from(key.heap.is_some()).to_le_bytes());
    start.extend(len.to_le_bytes());
    start
}

/// What a section's header says: its key, and the bytes that follow.
fn parse(header: &[u8; SECTION_HEADER]) -> Option<(SectionKey, u64)> {
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (words, _) = rest.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
    let (heap, is_part, len) = (words.next()?, words.next()?, words.next()?);
    (*magic == SECTION_MAGIC && is_part <= 1).then_some((
        SectionKey {
            kind: u32::from_le_bytes(*kind),
            heap: (is_part == 1).then_some(heap),
        },
        len,
    ))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const ALL: SectionKey = SectionKey {
        kind: 1,
        heap: None,
    };
    const PART: SectionKey = SectionKey {
        kind: 1,
        heap: Some(0),
    };

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self {
                dir: tempfile::tempdir().unwrap(),
            }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("file.v8mini-cache")
        }

        fn open_of(&self, identity: u8) -> Cache {
            let locations = Locations {
                directory: self.dir.path().join("user"),
                paths: vec![self.path()],
            };
            Cache::open(locations, Identity([identity; 32])).unwrap()
        }

        fn open(&self) -> Cache {
            self.open_of(1)
        }

        fn filled(&self) {
            let mut cache = self.open();
            cache.add(&[(ALL, b"all".to_vec())]).unwrap();
            self.open().add(&[(PART, b"part".to_vec())]).unwrap();
        }
    }

    #[test]
    fn what_is_added_is_found_again() {
        let place = Place::new();
        assert!(!place.open().has(ALL));
        place.filled();
        let mut cache = place.open();
        assert_eq!(cache.get(ALL).as_deref(), Some(&b"all"[..]));
        assert_eq!(cache.get(PART).as_deref(), Some(&b"part"[..]));
        assert!(!cache.has(SectionKey {
            kind: 2,
            heap: None
        }));
        assert_eq!(place.open_of(2).get(ALL), None);
    }

    #[test]
    fn any_damage_makes_it_as_if_it_were_not_there() {
        let place = Place::new();
        place.filled();
        let whole = fs::read(place.path()).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(place.path(), &damaged).unwrap();
            let mut cache = place.open();
            for (key, value) in [(ALL, &b"all"[..]), (PART, b"part")] {
                let found = cache.get(key);
                assert!(found.is_none() || found.as_deref() == Some(value));
            }
            // A cut one is mended.
            fs::write(place.path(), &whole[..at]).unwrap();
            let mut cache = place.open();
            let _ = cache.get(ALL);
            let _ = cache.add(&[(ALL, b"all".to_vec())]);
            let found = place.open().get(ALL);
            assert!(at < 8 || found.as_deref() == Some(b"all"), "cut at {at}");
        }
    }

    #[test]
    fn a_cache_of_somebody_else_is_none() {
        let place = Place::new();
        place.filled();
        fs::remove_dir_all(place.dir.path().join("user")).unwrap();
        assert_eq!(place.open().get(ALL), None);
        place.filled();
        assert_eq!(place.open().get(ALL).as_deref(), Some(&b"all"[..]));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_neither_read_nor_written_through() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let place = Place::new();
        place.filled();
        assert_eq!(fs::metadata(place.path()).unwrap().mode() & 0o777, 0o600);
        let moved = place.dir.path().join("elsewhere");
        fs::rename(place.path(), &moved).unwrap();
        symlink(&moved, place.path()).unwrap();
        let before = fs::read(&moved).unwrap();
        let mut cache = place.open();
        assert_eq!(cache.get(ALL), None);
        assert!(cache.add(&[(ALL, b"all".to_vec())]).is_err());
        assert_eq!(fs::read(&moved).unwrap(), before);
        // What is no cache is not replaced.
        fs::remove_file(place.path()).unwrap();
        fs::write(place.path(), "mine").unwrap();
        assert!(place.open().add(&[(ALL, b"all".to_vec())]).is_err());
        assert_eq!(fs::read(place.path()).unwrap(), b"mine");
        // A secret that others can read is none.
        fs::remove_file(place.path()).unwrap();
        let key = place.dir.path().join("user/key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let locations = Locations {
            directory: place.dir.path().join("user"),
            paths: vec![place.path()],
        };
        assert!(Cache::open(locations, Identity([1; 32])).is_none());
    }
}
