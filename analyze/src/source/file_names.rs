//! From what a script is called to a file on this machine.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file that is read.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The path that a script's name or a `file:` URL stands for; `None` for other URLs and for names that are no absolute path.
pub(super) fn path_of(name: &str) -> Option<PathBuf> {
    let path = match name.strip_prefix("file://") {
        Some(path) => unescape(path.split(['?', '#']).next()?)?,
        None => name.to_owned(),
    };
    let path = PathBuf::from(path);
    path.is_absolute().then_some(path)
}

/// What `reference` means, seen from the file or URL `base`: both as in scripts and source maps.
pub(super) fn resolve(base: &str, reference: &str) -> Option<PathBuf> {
    if let Some(path) = path_of(reference) {
        return Some(path);
    }
    if reference.contains("://") || reference.starts_with("data:") {
        return None;
    }
    let directory = path_of(base)?.parent()?.to_owned();
    Some(normalize(&directory.join(unescape(reference)?)))
}

/// Takes `.` and `..` out of a path.
fn normalize(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut found = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            other => found.push(other),
        }
    }
    found
}

/// The text of a regular file of sensible length. A capture names the files that are read: no device, no pipe.
pub(super) fn read_text(path: &Path) -> Option<String> {
    let facts = fs::metadata(path).ok()?;
    if !facts.is_file() || facts.len() > MAX_FILE_BYTES {
        return None;
    }
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Takes `%20` and its like out of a URL.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths() {
        let path = |path: &str| Some(PathBuf::from(path));
        assert_eq!(path_of("/srv/a.js"), path("/srv/a.js"));
        assert_eq!(path_of("file:///srv/a%20b.mjs?x=1"), path("/srv/a b.mjs"));
        assert_eq!(path_of("node:fs"), None);
        assert_eq!(path_of("https://x.org/a.js"), None);
        assert_eq!(
            resolve("/srv/out/a.js", "a.js.map"),
            path("/srv/out/a.js.map")
        );
        assert_eq!(
            resolve("file:///srv/out/a.js", "../src/a.ts"),
            path("/srv/src/a.ts")
        );
        assert_eq!(resolve("[eval]", "a.js.map"), None);
        assert_eq!(unescape("%zz"), None);
    }
}
