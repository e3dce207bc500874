//! Long answers, part by part.

/// Characters of a part, about: what a reader with a short memory can take in.
const PART: usize = 8_000;

/// A part of an answer, and how many there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    pub(super) parts: usize,
}

/// The part with a number from 1; `None` if there are not so many. Parts end with a line, unless a line is longer than a part.
pub(super) fn part(answer: &str, number: usize) -> Option<Part<'_>> {
    let mut rest = answer;
    let mut parts = 0;
    let mut found = None;
    while !rest.is_empty() || parts == 0 {
        let (text, after) = rest.split_at(end_of_part(rest));
        parts += 1;
        if parts == number {
            found = Some(text);
        }
        rest = after;
    }
    found.map(|text| Part { text, parts })
}

fn end_of_part(text: &str) -> usize {
    if text.len() <= PART {
        return text.len();
    }
    let limit = (0..=PART)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    text.get(..limit)
        .and_then(|beginning| beginning.rfind('\n'))
        .map_or(limit, |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_together_are_the_answer() {
        let lines: String = (0..3000).map(|line| format!("line {line} ä\n")).collect();
        let long_line = "ö".repeat(PART);
        for answer in [lines.as_str(), long_line.as_str(), "short\n", ""] {
            let parts = part(answer, 1).unwrap().parts;
            let all: String = (1..=parts)
                .map(|number| part(answer, number).unwrap().text)
                .collect();
            assert_eq!(all, answer);
            assert_eq!(part(answer, parts + 1), None);
            assert_eq!(part(answer, 0), None);
        }
        assert!(part(&lines, 2).unwrap().text.starts_with("line "));
    }
}
