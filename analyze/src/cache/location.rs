//! Where caches are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What names of caches end in.
pub(crate) const CACHE_SUFFIX: &str = ".v8mini-cache";
/// What names of captures end in.
const CAPTURE_SUFFIX: &str = ".v8mini";
/// Names the directory of all caches; `off` for none.
const VARIABLE: &str = "V8MINI_CACHE";

/// Where the cache of a file may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locations {
    /// The user's own directory: it has the secret, and the caches of files whose directories cannot be written to.
    pub(crate) directory: PathBuf,
    /// Paths of the cache, the best first.
    pub(crate) paths: Vec<PathBuf>,
}

impl Locations {
    /// Of a file. `None` if caches are turned off, or if the user has no place for them.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        Self::with(file, user_directory()?, std::env::var_os(VARIABLE))
    }

    fn with(file: &Path, user_directory: PathBuf, variable: Option<OsString>) -> Option<Self> {
        let chosen = variable.filter(|text| !text.is_empty());
        if chosen.as_deref().is_some_and(is_off) {
            return None;
        }
        // Beside the file itself, not beside a link that leads there. The file of a cache may be gone.
        let file = file.canonicalize().or_else(|error| {
            let name = file.file_name().ok_or(error)?;
            let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
            let directory = directory.unwrap_or(Path::new(".")).canonicalize()?;
            Ok::<_, std::io::Error>(directory.join(name))
        });
        let file = file.ok()?;
        let name = cache_name(file.file_name()?);
        let mut elsewhere = name.clone();
        elsewhere.push(format!(
            ".{}",
            blake3::hash(file.as_os_str().as_encoded_bytes())
                .to_hex()
                .get(..16)?
        ));
        elsewhere.push(CACHE_SUFFIX);
        Some(match chosen.map(PathBuf::from) {
            Some(directory) => Self {
                paths: vec![directory.join(elsewhere)],
                directory,
            },
            None => {
                let mut beside = name;
                beside.push(CACHE_SUFFIX);
                Self {
                    paths: vec![file.with_file_name(beside), user_directory.join(elsewhere)],
                    directory: user_directory,
                }
            }
        })
    }

    /// The user's directory of caches. `None` if the user has no place for them.
    pub(crate) fn shared_directory() -> Option<PathBuf> {
        match std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
            Some(directory) if !is_off(&directory) => Some(directory.into()),
            _ => user_directory(),
        }
    }
}

fn is_off(text: &OsStr) -> bool {
    ["off", "0", "no", "false"].iter().any(|off| text == *off)
}

/// The name of a file without the ending of captures.
fn cache_name(name: &OsStr) -> OsString {
    match name
        .to_str()
        .and_then(|name| name.strip_suffix(CAPTURE_SUFFIX))
    {
        Some(stem) if !stem.is_empty() => stem.into(),
        _ => name.to_owned(),
    }
}

/// Where programs keep what they can make again.
fn user_directory() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    base.filter(|base| base.is_absolute())
        .map(|base| base.join("v8mini"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_the_file_first() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let file = dir.join("node.1.v8mini");
        std::fs::write(&file, "").unwrap();
        let user = dir.join("user");
        let found = Locations::with(&file, user.clone(), None).unwrap();
        assert_eq!(found.paths[0], dir.join("node.1.v8mini-cache"));
        assert!(found.paths[1].starts_with(&user));
        let chosen = Locations::with(&file, user.clone(), Some("/some/where".into())).unwrap();
        assert_eq!(chosen.paths.len(), 1);
        assert!(chosen.paths[0].starts_with("/some/where"));
        assert_eq!(Locations::with(&file, user, Some("off".into())), None);
    }

    #[test]
    fn names_of_cores_stay_whole() {
        assert_eq!(cache_name(OsStr::new("core.123")), "core.123");
        assert_eq!(cache_name(OsStr::new(".v8mini")), ".v8mini");
        assert_eq!(cache_name(OsStr::new("a.v8mini")), "a");
    }
}
