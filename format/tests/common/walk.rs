//! A reader that knows nothing but the tables of the specification: it walks over a file and says
//! what each byte is.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::spec;

/// A walk over the bytes of a file, or over a decompressed payload.
pub(crate) struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// One line for each field: offset, bytes, name and value.
    pub(crate) listing: String,
    /// Name and value of each field in order.
    pub(crate) values: Vec<(String, String)>,
}

/// Bytes in a line of the listing.
const WIDTH: usize = 16;

impl<'a> Walk<'a> {
    pub(crate) fn new(text: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            text,
            bytes,
            at: 0,
            listing: String::new(),
            values: Vec::new(),
        }
    }

    /// The whole file: header, chunks, seek table.
    pub(crate) fn file(&mut self) {
        self.heading("file header");
        self.fixed("File header");
        loop {
            let start = self.at;
            let kind = String::from_utf8_lossy(&self.bytes[start + 12..start + 16]).into_owned();
            self.heading(&format!("{kind}: chunk header"));
            let header = self.fixed("Chunk header");
            let end = self.at + header["stored_len"] as usize;
            self.heading(&format!("{kind}: payload"));
            self.payload(&kind, header["encoding"], header["raw_len"] as usize, end);
            assert_eq!(
                self.at, end,
                "the payload of {kind} does not end where it should"
            );
            if kind == "DONE" {
                break;
            }
        }
        self.heading("seek table");
        self.seek_table();
        assert_eq!(self.at, self.bytes.len());
    }

    fn payload(&mut self, kind: &str, encoding: u64, raw_len: usize, end: usize) {
        let stored = &self.bytes[self.at..end];
        match (kind, encoding) {
            ("MEMY", _) => self.zstd_frame(end),
            (_, 0) => self.raw_payload(kind, end),
            _ => {
                let raw = zstd::bulk::decompress(stored, raw_len).unwrap();
                assert_eq!(raw.len(), raw_len);
                let mut inner = Walk::new(self.text, &raw);
                inner.raw_payload(kind, raw_len);
                assert_eq!(inner.at, raw_len);
                self.values.append(&mut inner.values);
                self.field(end - self.at, "zstd frame", "");
            }
        }
    }

    fn raw_payload(&mut self, kind: &str, end: usize) {
        match kind {
            "INDX" => {
                let head = self.fixed("Index head");
                for _ in 0..head["entry_count"] {
                    self.fixed("Index entry");
                }
            }
            "DONE" => drop(self.fixed("DONE: end record")),
            "PAGE" => {
                while self.at < end {
                    self.fixed("Page record");
                }
            }
            _ => {
                let prefix = format!("#### {kind}: ");
                let record = self
                    .text
                    .lines()
                    .find_map(|line| line.strip_prefix(&prefix));
                let record = record.unwrap_or_else(|| panic!("{kind} is not specified"));
                self.value(&format!("list of {record}"), "items");
            }
        }
    }

    /// The fields of a table with offsets; integers by name.
    fn fixed(&mut self, heading: &str) -> HashMap<String, u64> {
        let start = self.at;
        let mut integers = HashMap::new();
        for field in spec::fixed_layout(self.text, heading) {
            assert_eq!(self.at - start, field.offset, "{heading}.{}", field.name);
            let bytes = &self.bytes[self.at..self.at + field.size];
            let value = match field.ty.as_str() {
                "u8" | "u16" | "u32" | "u64" | "i64" => {
                    let value = integer(bytes);
                    integers.insert(field.name.clone(), value);
                    number(value)
                }
                _ => readable(bytes),
            };
            self.field(field.size, &field.name, &value);
        }
        integers
    }

    /// A value of a type as records have it.
    fn value(&mut self, ty: &str, name: &str) {
        match ty {
            "u8" | "bool" => drop(self.integer(1, name)),
            "u32" => drop(self.integer(4, name)),
            "u64" | "i64" => drop(self.integer(8, name)),
            "text" | "bytes" => {
                let len = self.integer(8, &format!("{name}: length")) as usize;
                let bytes = &self.bytes[self.at..self.at + len];
                let value = match std::str::from_utf8(bytes) {
                    Ok(value) if ty == "text" => format!("\"{value}\""),
                    _ => readable(bytes),
                };
                self.field(len, name, &value);
            }
            _ => {
                if let Some(item) = ty.strip_prefix("list of ") {
                    for _ in 0..self.integer(8, &format!("{name}: count")) {
                        self.value(item, name);
                    }
                } else if let Some(item) = ty.strip_prefix("optional ") {
                    if self.integer(1, &format!("{name}: present")) == 1 {
                        self.value(item, name);
                    }
                } else {
                    for (ty, name) in spec::record(self.text, ty) {
                        self.value(&ty, &name);
                    }
                }
            }
        }
    }

    fn integer(&mut self, size: usize, name: &str) -> u64 {
        let value = integer(&self.bytes[self.at..self.at + size]);
        self.field(size, name, &number(value));
        value
    }

    /// A zstd frame as zstd's specification lays it out, as far as the example needs: one raw
    /// block.
    fn zstd_frame(&mut self, end: usize) {
        let simple = self.bytes[self.at + 4] == 0x20 && self.bytes[self.at + 6] & 0b111 == 1;
        if simple {
            self.integer(4, "zstd: Magic_Number");
            self.field(
                1,
                "zstd: Frame_Header_Descriptor",
                "single segment, no checksum",
            );
            self.integer(1, "zstd: Frame_Content_Size");
            self.field(3, "zstd: Block_Header", "last block, raw");
        }
        let bytes = &self.bytes[self.at..end];
        let value = if simple {
            readable(bytes)
        } else {
            String::new()
        };
        self.field(bytes.len(), "memory", &value);
    }

    fn seek_table(&mut self) {
        self.integer(4, "Skippable_Magic_Number");
        let size = self.integer(4, "Frame_Size");
        for _ in 0..(size - 9) / 8 {
            self.integer(4, "Compressed_Size");
            self.integer(4, "Decompressed_Size");
        }
        self.integer(4, "Number_Of_Frames");
        self.integer(1, "Seek_Table_Descriptor");
        self.integer(4, "Seekable_Magic_Number");
    }

    fn heading(&mut self, title: &str) {
        let separator = if self.listing.is_empty() { "" } else { "\n" };
        writeln!(self.listing, "{separator}{title}").unwrap();
    }

    /// Notes a field of `size` bytes and goes past it.
    fn field(&mut self, size: usize, name: &str, value: &str) {
        let bytes = &self.bytes[self.at..self.at + size];
        let what = if value.is_empty() {
            name.to_owned()
        } else {
            format!("{name} = {value}")
        };
        for (i, row) in bytes.chunks(WIDTH).enumerate() {
            let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            let line = format!("{:>4}  {:<47}", self.at + i * WIDTH, hex.join(" "));
            let what = if i == 0 { what.as_str() } else { "" };
            writeln!(self.listing, "{}", format!("{line}  {what}").trim_end()).unwrap();
        }
        self.values.push((name.to_owned(), value.to_owned()));
        self.at += size;
    }
}

fn integer(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn number(value: u64) -> String {
    if value < 100_000 {
        value.to_string()
    } else {
        format!("{value:#x}")
    }
}

/// Printable ASCII as it is, anything else as its escape; zeros at the end left out.
fn readable(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    if end == 0 {
        String::new()
    } else {
        format!("\"{}\"", bytes[..end].escape_ascii())
    }
}
