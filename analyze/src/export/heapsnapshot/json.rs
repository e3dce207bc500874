//! The JSON of a heap snapshot: what stands in it besides numbers, and how numbers and strings are written fast.

use std::io::{self, Write};

use super::node::NodeType;
use crate::graph::EdgeKind;

/// The fields of a node, in order. The first seven are V8's own since 10.9; readers find fields by name, and pass over
/// the last, in which this export keeps the object's address.
const NODE_FIELDS: [&str; 8] = [
    "type",
    "name",
    "id",
    "self_size",
    "edge_count",
    "trace_node_id",
    "detachedness",
    "address",
];

/// How many numbers a node takes: an edge names its target by the place of the target's first number.
pub(super) const NUMBERS_PER_NODE: u64 = NODE_FIELDS.len() as u64;

/// The kinds of edges, in V8's order.
const EDGE_KINDS: [EdgeKind; 7] = [
    EdgeKind::Context,
    EdgeKind::Element,
    EdgeKind::Property,
    EdgeKind::Internal,
    EdgeKind::Hidden,
    EdgeKind::Shortcut,
    EdgeKind::Weak,
];

/// The number of a kind of edge.
pub(super) fn edge_kind_number(kind: EdgeKind) -> u64 {
    EDGE_KINDS
        .iter()
        .position(|known| *known == kind)
        .map_or(0, |at| at as u64)
}

/// Writes everything before the first node: `nodes` and `edges` say how many there will be.
///
/// # Errors
/// As writing.
pub(super) fn write_head(out: &mut impl Write, nodes: u64, edges: u64) -> io::Result<()> {
    let other_node_fields = [
        "string", "number", "number", "number", "number", "number", "number",
    ];
    let mut node_types = vec![serde_json::json!(NodeType::ALL.map(NodeType::name))];
    node_types.extend(other_node_fields.map(Into::into));
    let meta = serde_json::json!({
        "node_fields": NODE_FIELDS,
        "node_types": node_types,
        "edge_fields": ["type", "name_or_index", "to_node"],
        "edge_types": [EDGE_KINDS.map(EdgeKind::name), "string_or_number", "node"],
        "trace_function_info_fields": ["function_id", "name", "script_name", "script_id", "line", "column"],
        "trace_node_fields": ["id", "function_info_index", "count", "size", "children"],
        "sample_fields": ["timestamp_us", "last_assigned_id"],
        "location_fields": ["object_index", "script_id", "line", "column"],
    });
    // Readers look for these words in this order.
    writeln!(
        out,
        "{{\"snapshot\":{{\"meta\":{meta},\"node_count\":{nodes},\"edge_count\":{edges},\"trace_function_count\":0,\
         \"extra_native_bytes\":0}},"
    )?;
    write!(out, "\"nodes\":[")
}

/// All numbers of two digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
};

/// Room for text on its way. A power of two, so that no place needs to be compared with it.
const ROOM: usize = 4096;
/// A line at most: a number has 20 digits at most and one character in front, and no more are in a line than a node has.
const LINE: usize = 256;
const _: () = assert!(ROOM.is_power_of_two() && LINE > NUMBERS_PER_NODE as usize * 21);

/// Writes numbers with commas between, line by line. Half of the time of an export went there, so it is not left to formatting as such: it is
/// known before how many digits a number has, and text is appended in large pieces.
pub(super) struct Lines<'t> {
    room: [u8; ROOM],
    /// So much of it is text.
    len: usize,
    text: &'t mut Vec<u8>,
    /// Whether a line stands in front of the next one.
    is_behind_another: bool,
}

impl<'t> Lines<'t> {
    /// Lines at the end of a text; `is_first` if none stand in front of them.
    pub(super) fn new(text: &'t mut Vec<u8>, is_first: bool) -> Self {
        Self {
            room: [0; ROOM],
            len: 0,
            text,
            is_behind_another: !is_first,
        }
    }

    /// Appends a line of numbers, as many as a node has at most.
    pub(super) fn push(&mut self, numbers: &[u64]) {
        if self.len > ROOM - LINE {
            self.flush();
        }
        if self.is_behind_another {
            self.put(self.len, b'\n');
            self.len += 1;
        }
        for number in numbers.iter().take(NUMBERS_PER_NODE as usize) {
            if self.is_behind_another {
                self.put(self.len, b',');
                self.len += 1;
            }
            self.is_behind_another = true;
            self.number(*number);
        }
    }

    fn number(&mut self, mut rest: u64) {
        self.len += digits(rest);
        let mut end = self.len;
        // Four digits at a time: each division waits for the one before.
        while rest >= 10_000 {
            let four = (rest % 10_000) as usize;
            rest /= 10_000;
            self.pair(end - 2, four % 100);
            end -= 4;
            self.pair(end, four / 100);
        }
        let mut rest = rest as usize;
        if rest >= 100 {
            end -= 2;
            self.pair(end, rest % 100);
            rest /= 100;
        }
        match PAIRS.get(rest) {
            Some([tens, ones]) if rest >= 10 => {
                self.put(end - 2, *tens);
                self.put(end - 1, *ones);
            }
            _ => self.put(end - 1, b'0' + rest as u8),
        }
    }

    fn pair(&mut self, at: usize, number: usize) {
        let [tens, ones] = PAIRS.get(number).copied().unwrap_or_default();
        self.put(at, tens);
        self.put(at + 1, ones);
    }

    fn put(&mut self, at: usize, byte: u8) {
        self.room[at % ROOM] = byte;
    }

    fn flush(&mut self) {
        self.text
            .extend_from_slice(self.room.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

impl Drop for Lines<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// How many digits a number has.
const fn digits(number: u64) -> usize {
    match number {
        0 => 1,
        _ => number.ilog10() as usize + 1,
    }
}

/// Appends a string in quotes. All that is not ASCII is escaped: DevTools reads files in pieces, in which a character
/// of several bytes might be torn.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    out.push(b'"');
    let mut rest = text;
    // Nearly all strings are plain to their end, which is quicker to find out for all bytes together than for one after the other.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        out.extend(text.as_bytes());
        rest = "";
    }
    loop {
        let end = rest.bytes().position(|byte| !is_plain(byte));
        let (plain, tail) = rest.split_at(end.unwrap_or(rest.len()));
        out.extend(plain.as_bytes());
        let mut letters = tail.chars();
        let Some(letter) = letters.next() else { break };
        rest = letters.as_str();
        match letter {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\n' => out.extend(b"\\n"),
            '\r' => out.extend(b"\\r"),
            '\t' => out.extend(b"\\t"),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.extend(b"\\u");
                    let digit = |at: u16| char::from_digit(u32::from(*unit >> at) & 15, 16);
                    let digits =
                        [12, 8, 4, 0].map(|at| digit(at).map_or(b'0', |digit| digit as u8));
                    out.extend(digits);
                }
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back() {
        for text in [
            "",
            "plain",
            "\"\\\n\r\t\u{0}\u{7f}",
            "\u{e9}\u{4e2d}\u{1f600}x",
        ] {
            let mut out = Vec::new();
            push_string(&mut out, text);
            assert!(out.is_ascii());
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn numbers_are_separated() {
        let mut text = Vec::new();
        let mut lines = Lines::new(&mut text, true);
        lines.push(&[1, 20]);
        lines.push(&[300, u64::MAX]);
        drop(lines);
        assert_eq!(text, b"1,20\n,300,18446744073709551615");
        let most = [u64::MAX; NUMBERS_PER_NODE as usize];
        text.clear();
        let mut lines = Lines::new(&mut text, false);
        for _ in 0..100 {
            lines.push(&most);
        }
        drop(lines);
        let line = format!("\n{}", ",18446744073709551615".repeat(8));
        assert_eq!(text, line.repeat(100).as_bytes());
        let mut numbers: Vec<u64> = (0..1200).collect();
        numbers.extend((0..20).flat_map(|power| [10_u64.pow(power) - 1, 10_u64.pow(power)]));
        for number in numbers {
            text.clear();
            Lines::new(&mut text, true).push(&[number]);
            assert_eq!(text, number.to_string().as_bytes());
        }
    }

    #[test]
    fn every_field_has_a_type() {
        let mut out = Vec::new();
        write_head(&mut out, 2, 3).unwrap();
        out.extend(b"]}");
        let head: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let meta = &head["snapshot"]["meta"];
        for (fields, types) in [("node_fields", "node_types"), ("edge_fields", "edge_types")] {
            assert_eq!(
                meta[fields].as_array().unwrap().len(),
                meta[types].as_array().unwrap().len()
            );
        }
        assert_eq!(head["snapshot"]["edge_count"], 3);
    }
}
