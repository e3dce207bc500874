//! Output that is longer than the terminal, page by page: by the program that $PAGER names, or here.

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use terminal_size::{Height, terminal_size};

use super::system::{self, Destination};
use crate::commands::Text;

/// Prints a text: if a person reads it and it is longer than the terminal, page by page.
///
/// # Errors
/// If it cannot be written.
pub(super) fn print(text: &Text, color: ColorChoice) -> io::Result<()> {
    if text.is_json {
        // What takes escapes out would take control characters out of strings too.
        return show(&text.bytes, &mut io::stdout());
    }
    let mut out = AutoStream::new(io::stdout(), color);
    if out.current_choice() == ColorChoice::Never {
        return show(text.plain().as_bytes(), &mut out);
    }
    show(&text.bytes, &mut out)
}

fn show(text: &[u8], out: &mut impl Write) -> io::Result<()> {
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    let Some(height) = height().filter(|height| lines >= *height) else {
        let mut out = BufWriter::new(out);
        out.write_all(text)?;
        return out.flush();
    };
    let pager = std::env::var("PAGER").unwrap_or_default();
    let is_paged = !pager.trim().is_empty()
        && system::run(&pager, Some(text), Destination::Shell)
            .is_ok_and(|(status, _)| status.success());
    if is_paged {
        return Ok(());
    }
    by_pages(text, height, &mut io::stdin().lock(), out)
}

/// Lines of the terminal, if a person sits there.
fn height() -> Option<usize> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return None;
    }
    let (_, Height(height)) = terminal_size()?;
    Some(usize::from(height))
}

/// Writes a page, asks, and goes on.
fn by_pages(
    text: &[u8],
    height: usize,
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<()> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let page = height.saturating_sub(1).max(1);
    let mut shown = 0;
    for chunk in lines.chunks(page) {
        for line in chunk {
            out.write_all(line)?;
        }
        shown += chunk.len();
        let more = lines.len() - shown;
        if more == 0 {
            break;
        }
        write!(
            out,
            "-- {more} more lines: Enter for a page, a for all, q to stop -- "
        )?;
        out.flush()?;
        let mut answer = String::new();
        if answers.read_line(&mut answer)? == 0 {
            break;
        }
        match answer.trim() {
            "q" => break,
            "a" => {
                for line in lines.get(shown..).unwrap_or_default() {
                    out.write_all(line)?;
                }
                break;
            }
            _ => {}
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paged(answers: &str) -> String {
        let mut out = Vec::new();
        by_pages(b"1\n2\n3\n4\n5\n", 3, &mut answers.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pages_end_when_the_reader_wants() {
        const ASK: &str = "more lines: Enter for a page, a for all, q to stop -- ";
        assert_eq!(paged("q\n"), format!("1\n2\n-- 3 {ASK}"));
        assert_eq!(
            paged("\n\n"),
            format!("1\n2\n-- 3 {ASK}3\n4\n-- 1 {ASK}5\n")
        );
        assert_eq!(paged("a\n"), format!("1\n2\n-- 3 {ASK}3\n4\n5\n"));
        assert_eq!(paged(""), format!("1\n2\n-- 3 {ASK}"));
    }
}
