//! The versions of V8 and Node.js from the heap itself, for a core whose binary is not at hand.
//!
//! Every Node.js program holds `process.versions.v8` and `process.release.headersUrl` as strings on its heap.

use memchr::memmem;
use v8mini_format::memory::{Memory, MemoryExt};
use v8mini_format::model::{Page, Space, V8Version};

use crate::symbols::find_node_version;

/// The heap is searched this far, in bytes: the strings are made when the program starts, but moved by the collector.
const MAX_SEARCHED_BYTES: u64 = 256 << 20;
/// Pages are searched in pieces of this many bytes.
const PIECE_BYTES: u64 = 1 << 20;
/// What pieces share, so that no string is cut.
const OVERLAP_BYTES: u64 = 256;
/// Longest version of V8 with four numbers that is looked at.
const MAX_VERSION: usize = 32;

/// What the heap says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeapVersions {
    pub(super) v8: Option<V8Version>,
    pub(super) node: Option<String>,
}

/// Searches the pages for both versions.
pub(super) fn find(memory: &dyn Memory, pages: &[Page]) -> HeapVersions {
    let mut found = HeapVersions::default();
    let mut searched = 0;
    let worthwhile = |page: &&Page| {
        !matches!(
            page.space,
            Space::Code | Space::CodeLargeObject | Space::Map | Space::NewFrom
        )
    };
    for page in pages.iter().filter(worthwhile) {
        let mut at = page.area_start;
        while at < page.area_end && searched < MAX_SEARCHED_BYTES {
            let len = (page.area_end - at).min(PIECE_BYTES);
            searched += len;
            if let Some(bytes) = usize::try_from(len)
                .ok()
                .and_then(|len| memory.read_vec(at, len).ok())
            {
                found.v8 = found.v8.or_else(|| v8_version(&bytes));
                found.node = found.node.take().or_else(|| find_node_version(&bytes));
            }
            if found.v8.is_some() && found.node.is_some() {
                return found;
            }
            if at + len >= page.area_end {
                break;
            }
            at += len - OVERLAP_BYTES.min(len - 1);
        }
    }
    found
}

/// `12.4.254.21-node.33` anywhere, or, before Node 8, a string that is `5.1.281.111` as a whole.
fn v8_version(bytes: &[u8]) -> Option<V8Version> {
    let with_suffix = memmem::find_iter(bytes, b"-node.").find_map(|end| {
        let head = bytes.get(end.saturating_sub(MAX_VERSION)..end)?;
        let digits = head
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
            .count();
        version(head.get(head.len() - digits..)?)
    });
    with_suffix.or_else(|| {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().enumerate().find_map(|(at, word)| {
            // A sequential one-byte string: its length in the upper half of a word (a Smi), then its characters, padded with 0.
            let len = usize::try_from(u64::from_le_bytes(*word) >> 32).ok()?;
            if !(7..MAX_VERSION).contains(&len) || word.get(..4)? != [0; 4] {
                return None;
            }
            let text = bytes.get((at + 1) * 8..)?.get(..len)?;
            version(text).filter(is_old)
        })
    })
}

/// Whether a version of V8 is one that named itself without a suffix. An address of the Internet looks the same.
fn is_old(version: &V8Version) -> bool {
    const RELEASED: [(u32, u32); 9] = [
        (4, 5),
        (4, 6),
        (5, 0),
        (5, 1),
        (5, 4),
        (5, 5),
        (5, 8),
        (6, 0),
        (6, 1),
    ];
    RELEASED.contains(&(version.major, version.minor)) && version.build > 30
}

fn version(text: &[u8]) -> Option<V8Version> {
    let text = std::str::from_utf8(text).ok()?;
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    let version = V8Version {
        major: numbers.next()??,
        minor: numbers.next()??,
        build: numbers.next()??,
        patch: numbers.next()??,
    };
    (numbers.next().is_none() && (4..100).contains(&version.major)).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Option<String> {
        v8_version(bytes).map(|version| version.to_string())
    }

    #[test]
    fn version_with_suffix() {
        let bytes = b"\0\0see -node.1 or 127.0.0.1-node.x, 12.4.254.21-node.33\0";
        assert_eq!(shown(bytes).as_deref(), Some("12.4.254.21"));
        assert_eq!(shown(b"-node."), None);
        assert_eq!(shown(b"1.12.4.254.21-node.33"), None);
    }

    #[test]
    fn old_version_as_a_whole_string() {
        let string = |text: &[u8]| {
            let mut bytes = vec![0xaa; 16];
            bytes.extend(((text.len() as u64) << 32).to_le_bytes());
            bytes.extend(text);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes
        };
        assert_eq!(
            shown(&string(b"5.1.281.111")).as_deref(),
            Some("5.1.281.111")
        );
        assert_eq!(shown(&string(b"5.1.281.111 and more")), None);
        assert_eq!(shown(&string(b"127.0.0.1")), None);
        assert_eq!(shown(&string(b"5.1.1.1")), None);
    }
}
