//! Pieces of styled text, and the smallest things made of them.

use anstyle::{AnsiColor, Style};

use crate::inspect::List;
use crate::inspect::escape::{escape_units, quote};
use crate::v8::{Address, StringValue, SymbolKind};

pub(super) const NUMBER: Style = AnsiColor::Yellow.on_default();
pub(super) const STRING: Style = AnsiColor::Green.on_default();
pub(super) const SPECIAL: Style = AnsiColor::Magenta.on_default();
pub(super) const FUNCTION: Style = AnsiColor::Cyan.on_default();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const PROBLEM: Style = AnsiColor::Red.on_default();

/// Items of a list up to this width share a line.
pub(super) const SHORT: usize = 24;
/// Text with escapes, and how wide it is without them.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    /// With escapes.
    pub(super) text: String,
    /// Columns; without meaning if it has several lines.
    pub(super) width: usize,
    /// Whether it has several lines.
    pub(super) lines: bool,
}

impl Text {
    pub(super) fn styled(style: Style, text: &str) -> Self {
        Self {
            text: format!("{style}{text}{style:#}"),
            width: text.chars().count(),
            lines: false,
        }
    }

    pub(super) fn plain(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            width: text.chars().count(),
            lines: false,
        }
    }

    pub(super) fn push(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.width += other.width;
        self.lines |= other.lines;
    }

    pub(super) fn push_plain(&mut self, text: &str) {
        self.push(&Self::plain(text));
    }
}

pub(super) fn string_text(string: &StringValue) -> Text {
    let mut text = Text::styled(STRING, &quote(&string.units));
    if let Some(missing) = &string.missing {
        text.push(&Text::styled(
            PROBLEM,
            &format!(
                "… ({} of {} units: {missing})",
                string.units.len(),
                string.length
            ),
        ));
    } else if !string.is_complete() {
        text.push_plain(&format!(
            "… ({} of {} units)",
            string.units.len(),
            string.length
        ));
    }
    text
}

pub(super) fn symbol_text(description: Option<&StringValue>, kind: SymbolKind) -> String {
    let description = description.map_or_else(String::new, |text| escape_units(&text.units));
    match kind {
        SymbolKind::PrivateName => description,
        SymbolKind::PrivateBrand => format!("brand of {description}"),
        SymbolKind::WellKnown => description,
        SymbolKind::Registered => format!("Symbol.for({description})"),
        SymbolKind::Plain => format!("Symbol({description})"),
        SymbolKind::Internal if description.is_empty() => "internal symbol".to_owned(),
        SymbolKind::Internal => format!("internal symbol {description}"),
    }
}

pub(super) fn is_identifier(name: &StringValue) -> bool {
    let is_start = |unit: &u16| matches!(*unit, 0x24 | 0x5f | 0x41..=0x5a | 0x61..=0x7a);
    let is_part = |unit: &u16| is_start(unit) || matches!(*unit, 0x30..=0x39);
    name.is_complete() && name.units.first().is_some_and(is_start) && name.units.iter().all(is_part)
}

/// Short parts of a list, as many on a line as fit.
pub(super) fn fill(parts: &[Text], indent: usize, line: usize) -> String {
    let mut text = String::new();
    let mut width = usize::MAX;
    for (index, part) in parts.iter().enumerate() {
        let comma = if index + 1 < parts.len() { "," } else { "" };
        if width.saturating_add(part.width + 2) > line {
            text.push_str(&format!("\n{:indent$}", ""));
            width = indent;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(&part.text);
        text.push_str(comma);
        width += part.width + comma.len();
    }
    text
}

pub(super) fn address(address: Option<Address>) -> Text {
    address.map_or_else(Text::default, |address| {
        Text::styled(DIM, &format!(" {address}"))
    })
}

pub(super) fn holes(count: u64) -> Option<Text> {
    match count {
        0 => None,
        1 => Some(Text::styled(DIM, "<1 empty item>")),
        _ => Some(Text::styled(DIM, &format!("<{count} empty items>"))),
    }
}

pub(super) fn more(count: u64, what: &str) -> Text {
    Text::styled(DIM, &format!("… {count} {what}"))
}

pub(super) fn push_rest<T>(parts: &mut Vec<Text>, list: &List<T>, what: &str) {
    match list.more {
        Some(0) => {}
        Some(count) => parts.push(more(count, what)),
        None => parts.push(Text::styled(DIM, &format!("… {what}"))),
    }
    if let Some(missing) = &list.missing {
        parts.push(Text::styled(PROBLEM, &format!("<{missing}>")));
    }
}
