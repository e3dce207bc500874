//! Finding `process.version` in the constants of a Node binary.

use memchr::memmem;

/// The longest version looked at: `v26.10.0-nightly20260101aabbccddee`.
const MAX_LEN: usize = 48;

/// Node's version among `bytes`, the read-only data of its binary.
///
/// A release build carries the address of its headers, `https://nodejs.org/download/release/v22.23.3/node-v22.23.3-headers.tar.gz`,
/// which nothing else spells. A distribution's build does not; there, the version stands alone as a C string (`NODE_VERSION`) among
/// those of Node's dependencies and of the versions that deprecated something, all of which are lower.
pub(crate) fn find(bytes: &[u8]) -> Option<String> {
    release_url(bytes).or_else(|| highest_c_string(bytes))
}

fn release_url(bytes: &[u8]) -> Option<String> {
    memmem::find_iter(bytes, b"/node-v").find_map(|at| {
        let rest = bytes.get(at + b"/node-".len()..)?;
        let rest = rest.get(..rest.len().min(MAX_LEN))?;
        let len = memmem::find(rest, b"-headers.tar")?;
        parse(rest.get(..len)?).map(|(_, version)| version)
    })
}

fn highest_c_string(bytes: &[u8]) -> Option<String> {
    memmem::find_iter(bytes, b"\0v")
        .filter_map(|at| {
            let rest = bytes.get(at + 1..)?;
            let rest = rest.get(..rest.len().min(MAX_LEN))?;
            parse(rest.get(..memchr::memchr(0, rest)?)?)
        })
        .max()
        .map(|(_, version)| version)
}

/// `v1.2.3` or `v1.2.3-pre`, with its numbers.
fn parse(text: &[u8]) -> Option<([u32; 3], String)> {
    let text = std::str::from_utf8(text).ok()?;
    let (numbers, tag) = text
        .strip_prefix('v')?
        .split_once('-')
        .unwrap_or((text.get(1..)?, ""));
    if !tag
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    {
        return None;
    }
    let mut parts = numbers.split('.');
    let mut number = || {
        let part = parts.next()?;
        (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let version = [number()?, number()?, number()?];
    parts.next().is_none().then(|| (version, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_url_wins() {
        let bytes = b"\0v99.0.0\0https://nodejs.org/download/release/v22.23.3/node-v22.23.3-headers.tar.gz\0";
        assert_eq!(find(bytes).as_deref(), Some("v22.23.3"));
    }

    #[test]
    fn highest_c_string_without_a_url() {
        let bytes = b"\0v1.0.2\0\0v18.19.0\0v6.0.0\0see v20.1.0 \0v3.\0v21\0v22.1.x\0";
        assert_eq!(find(bytes).as_deref(), Some("v18.19.0"));
    }

    #[test]
    fn tags_and_rubbish() {
        assert_eq!(
            find(b"\0v26.0.0-nightly2026\0").as_deref(),
            Some("v26.0.0-nightly2026")
        );
        assert_eq!(find(b"\0v26.0.0-\xff\0"), None);
        assert_eq!(find(b"\0v4294967296.0.0\0"), None);
        assert_eq!(find(b""), None);
    }
}
