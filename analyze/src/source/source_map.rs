//! Source maps: what a script was compiled from.

use std::path::PathBuf;

use super::file_names::{read_text, resolve, unescape};
use super::heap_maps::map_in_heap;
use super::{Position, Text};
use crate::v8::{Address, Objects};

/// What a comment that names a source map begins with; the older form had an `@`.
const COMMENTS: [&str; 2] = ["//# sourceMappingURL=", "//@ sourceMappingURL="];

/// Where a source map was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapOrigin {
    /// In the script's own text.
    Inline,
    /// In the heap: Node.js had read it for its stack traces.
    Heap(Address),
    /// In a file of this machine.
    File(PathBuf),
}

/// A place in an original source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// Number of the source.
    pub source: u32,
    /// The place.
    pub position: Position,
}

/// A source map, decoded.
pub struct SourceMap {
    /// Where it was found.
    pub origin: MapOrigin,
    /// What its sources are relative to: a path or URL.
    base: String,
    map: oxc_sourcemap::SourceMap<'static>,
}

impl std::fmt::Debug for SourceMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceMap")
            .field("origin", &self.origin)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl SourceMap {
    /// The source map of a script: in its text, in the cache of Node.js, or in the file that its last comment names.
    /// `Ok(None)` if it says nothing of one.
    ///
    /// # Errors
    /// Why the map that the script names cannot be used, in words for a person.
    pub fn find(objects: &Objects, text: &Text) -> Result<Option<Self>, String> {
        let url = mapping_url(text);
        if let Some(data) = url.as_deref().and_then(|url| url.strip_prefix("data:")) {
            let json = decode_data(data).ok_or("its data: URL cannot be decoded")?;
            return Self::decode(MapOrigin::Inline, text.name.clone(), &json).map(Some);
        }
        if let Some((address, json)) = map_in_heap(objects, text) {
            let base = match &url {
                Some(url) => beside(&text.name, url),
                None => text.name.clone(),
            };
            return Self::decode(MapOrigin::Heap(address), base, &json).map(Some);
        }
        let Some(url) = url else {
            return Ok(None);
        };
        let path = resolve(&text.name, &url).ok_or_else(|| format!("{url} is no file"))?;
        let json = read_text(&path).ok_or_else(|| format!("{} cannot be read", path.display()))?;
        let base = path.to_string_lossy().into_owned();
        Self::decode(MapOrigin::File(path), base, &json).map(Some)
    }

    fn decode(origin: MapOrigin, base: String, json: &str) -> Result<Self, String> {
        let map = oxc_sourcemap::SourceMap::from_json_string(json);
        let map = map.map_err(|error| error.to_string())?.into_owned();
        Ok(Self { origin, base, map })
    }

    /// What a place in the script was compiled from: by the last mapping at or before it in its line.
    pub fn original(&self, position: Position) -> Option<Original> {
        let token = self
            .map
            .get_tokens()
            .filter(|token| {
                token.get_dst_line() as usize == position.line
                    && token.get_dst_col() as usize <= position.column
            })
            .max_by_key(|token| token.get_dst_col())?;
        Some(Original {
            source: token.get_source_id()?,
            position: Position {
                line: token.get_src_line() as usize,
                column: token.get_src_col() as usize,
            },
        })
    }

    /// The name of a source: its path, if it is a file; else as the map has it.
    pub fn source_name(&self, source: u32) -> String {
        let name = self.rooted(source);
        match resolve(&self.base, &name) {
            Some(path) => path.to_string_lossy().into_owned(),
            None => name,
        }
    }

    /// The text of a source: from the map itself, else from the file.
    pub fn source_text(&self, source: u32) -> Option<Text> {
        let name = self.source_name(source);
        let content = match self.map.get_source_content(source) {
            Some(content) => content.to_owned(),
            None => read_text(&resolve(&self.base, &self.rooted(source))?)?,
        };
        Some(Text::new(name, content.encode_utf16().collect()))
    }

    /// A source as the map names it, after the root that all share.
    fn rooted(&self, source: u32) -> String {
        let name = self.map.get_source(source).unwrap_or_default();
        match self.map.get_source_root().filter(|root| !root.is_empty()) {
            Some(root) if !name.starts_with('/') && !name.contains("://") => {
                format!("{}/{name}", root.trim_end_matches('/'))
            }
            _ => name.to_owned(),
        }
    }
}

/// The URL of the source map that the last such comment of a script names.
fn mapping_url(text: &Text) -> Option<String> {
    (0..text.lines()).rev().find_map(|line| {
        let units = text.line_units(line)?;
        // Most lines begin with something else, and decoding costs.
        let slashes = units.windows(2).position(|pair| pair == [0x2f, 0x2f])?;
        let line = String::from_utf16_lossy(units.get(slashes..)?);
        COMMENTS.iter().find_map(|comment| {
            let url = line.split_once(comment)?.1;
            let url = url.split_whitespace().next()?;
            Some(url.to_owned())
        })
    })
}

/// A path or URL beside another one.
fn beside(base: &str, reference: &str) -> String {
    match resolve(base, reference) {
        Some(path) => path.to_string_lossy().into_owned(),
        None => reference.to_owned(),
    }
}

/// The contents of a `data:` URL, after the scheme.
fn decode_data(data: &str) -> Option<String> {
    let (kind, data) = data.split_once(',')?;
    if kind.ends_with(";base64") {
        let bytes = base64_simd::forgiving_decode_to_vec(data.as_bytes()).ok()?;
        return String::from_utf8(bytes).ok();
    }
    unescape(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text::new("/srv/a.js".to_owned(), text.encode_utf16().collect())
    }

    #[test]
    fn the_last_comment_names_the_map() {
        let url = mapping_url(&text(
            "x();\n//# sourceMappingURL=old.map\ny(); //# sourceMappingURL=a.js.map\n",
        ));
        assert_eq!(url.as_deref(), Some("a.js.map"));
        assert_eq!(mapping_url(&text("x(); // nothing\n")), None);
    }

    #[test]
    fn maps_in_urls_are_decoded() {
        assert_eq!(
            decode_data("application/json;base64,e30=").as_deref(),
            Some("{}")
        );
        assert_eq!(
            decode_data("application/json,%7B%7D").as_deref(),
            Some("{}")
        );
        assert_eq!(decode_data("application/json;base64,*"), None);
    }

    #[test]
    fn positions_are_mapped() {
        let json = r#"{"version":3,"sourceRoot":"src/","sources":["a.ts"],"sourcesContent":["let a;\nlet b;\n"],"names":[],"mappings":"AAAA,KACA;"}"#;
        let map = SourceMap::decode(MapOrigin::Inline, "/srv/a.js".to_owned(), json).unwrap();
        let at = |line, column| map.original(Position { line, column });
        assert_eq!(at(0, 4).map(|found| found.position.line), Some(0));
        assert_eq!(at(0, 9).map(|found| found.position.line), Some(1));
        assert_eq!(at(1, 0), None);
        assert_eq!(
            map.source_text(0).and_then(|text| text.line(1)).as_deref(),
            Some("let b;")
        );
        assert_eq!(map.source_text(1).map(|_| ()), None);
    }
}
