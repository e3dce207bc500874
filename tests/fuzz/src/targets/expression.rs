use v8mini_analyze::layout::{Expr, Place, Subject};

use crate::allocation::bounded;
use crate::seeds::Seed;

/// The text as a place and as an expression over objects of the seed, whose words are changed by what follows a newline.
pub fn expression(data: &[u8]) {
    let (text, words) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => data.split_at(end),
        None => (data, &[][..]),
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    bounded(data.len(), || {
        if let Ok(place) = text.parse::<Place>() {
            place.load(words);
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        if let Ok(expr) = Expr::parse(text) {
            expr.eval(Subject {
                bytes: words,
                memory: &Seed::get().bytes,
            });
        }
    });
}

/// Expressions of the layout tables.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        "smi@8",
        "u32@16[10..20]",
        "16 + 8 * smi@8",
        "align(16 + 2 * u32@12, 8)",
        "8 + 8 * (3 + if(eq(u32@8[0..4], 3), 10, 20))",
        "smi@(8 + 8 * u32@16) - max(2, ceil(u8@3, 4)) / 1",
        "tagged@8->u32@52 + lt(1, 2)\n\x01\x02\x03\x04\x05\x06\x07\x08\x01\x10\0\0\0\0\0\0",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
