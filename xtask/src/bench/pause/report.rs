//! The table of pauses.

use std::fmt::Write;

use super::round::Measured;
use super::{Mode, Scenario};
use crate::bench::measure::median;
use crate::tools::last_commit;

/// What the page begins with, in Markdown.
fn head() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "\
# Pauses

Written by `cargo xtask bench pause --write`, on a machine with {cores} cores: medians of some rounds with the range in brackets. In each
round every mode took its turn on the same process, which was then left undisturbed for as long as the capture took (2 s at
least, 10 s at most).

- *stop*: from when the first thread stopped that did something until all of those ran again, as the tool measures it.
- *seen*: the longest time for which the program's own event loop did not turn that overlaps the stop; for gcore,
  during the dump. Gaps below 0.2 ms (for the HTTP service, 2 ms) are not recorded: 0.
- *worst*: the longest such gap during the whole capture; *undisturbed*, in the time after it. The program's own garbage
  collections are in both.
- *pace*: turns of the event loop during the capture, relative to the time after it. A program that never rests shares {cores} cores
  with the tool.
- *requests*: median, 99th percentile and maximum of the latency during the capture, as four clients saw it; in brackets, the maximum
  while the service was undisturbed.
- *file*: relative to the same process's core after `zstd -3`.
- *tool*: peak memory of the tool.
"
    )
}

/// All that was measured of one program: a section of the page, in Markdown.
pub(super) fn section(scenario: &Scenario, node: &str) -> String {
    let rounds = scenario.rounds.iter().map(|(_, each)| each.len()).max();
    let mut out = format!(
        "\
## {}, {} MB

Node.js {node}, {:.0} MB of heap in use, {} rounds{}.

| mode | stop, ms | seen, ms | worst, ms | undisturbed, ms | pace | requests, ms | wall, s | file | tool, MB |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
",
        capitalised(scenario.kind.name()),
        scenario.megabytes,
        scenario.heap_bytes as f64 / 1e6,
        rounds.unwrap_or(0),
        // Without git, nobody knows.
        last_commit("%h", &["capture", "format"])
            .map_or_else(|_| String::new(), |commit| format!(", commit {commit}")),
    );
    for (mode, rounds) in &scenario.rounds {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", row(scenario, *mode, rounds));
    }
    out
}

/// A page with a section: in the place of the one with the same title if there is one, or else as the last. All of it takes two hours,
/// so that one program can be measured anew by itself; the modes are compared within a section.
pub(super) fn with_section(page: &str, section: &str) -> String {
    fn title(section: &str) -> Option<&str> {
        section.lines().next()
    }
    let mut sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    let new = section.trim_start_matches("## ").trim_end();
    match sections.iter_mut().find(|old| title(old) == title(new)) {
        Some(old) => *old = new,
        None => sections.push(new),
    }
    let mut out = head();
    for section in sections {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n## {}\n", section.trim_end());
    }
    out
}

fn row(scenario: &Scenario, mode: Mode, rounds: &[Measured]) -> String {
    let name = match rounds.iter().find_map(|round| round.fell_back_to.as_ref()) {
        Some(other) => format!("{} (fell back to {other})", mode.name()),
        None => mode.name().to_owned(),
    };
    let file = match (
        scenario.gcore_zstd_bytes,
        median(rounds.iter().map(|round| round.file_bytes as f64)),
    ) {
        (Some(packed), Some(bytes)) => {
            format!("{:.2} ({:.0} MB)", bytes / packed as f64, bytes / 1e6)
        }
        (None, Some(bytes)) => format!("{:.0} MB", bytes / 1e6),
        (_, None) => "-".to_owned(),
    };
    let requests = match (
        spread(rounds, |round| round.during.latency(0.5)),
        spread(rounds, |round| round.during.latency(0.99)),
        spread(rounds, |round| round.during.latency(1.0)),
        spread(rounds, |round| round.undisturbed.latency(1.0)),
    ) {
        (Some(half), Some(most), Some(all), Some(undisturbed)) => {
            format!(
                "{:.1} / {:.1} / {:.1} ({:.1})",
                half.median, most.median, all.median, undisturbed.median
            )
        }
        _ => String::new(),
    };
    let cell = |figure: fn(&Measured) -> Option<f64>| {
        spread(rounds, figure).map_or_else(String::new, |spread| spread.to_string())
    };
    format!(
        "| {name} | {} | {} | {} | {} | {} | {requests} | {} | {file} | {} |",
        cell(|round| round.stop),
        cell(|round| Some(round.pause)),
        cell(|round| Some(round.during.longest_gap)),
        cell(|round| Some(round.undisturbed.longest_gap)),
        cell(|round| Some(round.during.pace / round.undisturbed.pace)),
        cell(|round| Some(round.wall / 1e3)),
        spread(rounds, |round| Some(round.tool_bytes? as f64 / 1e6))
            .map_or_else(String::new, |spread| format!("{:.0}", spread.median)),
    )
}

/// The middle and the ends of some figures.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

fn spread(rounds: &[Measured], figure: impl Fn(&Measured) -> Option<f64>) -> Option<Spread> {
    let figures: Vec<f64> = rounds.iter().filter_map(figure).collect();
    Some(Spread {
        median: median(figures.iter().copied())?,
        least: figures.iter().copied().fold(f64::INFINITY, f64::min),
        most: figures.iter().copied().fold(0.0, f64::max),
    })
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} [{} … {}]",
            short(self.median),
            short(self.least),
            short(self.most)
        )
    }
}

/// Two digits behind the point for small figures, none for large ones.
fn short(figure: f64) -> String {
    match figure {
        0.0..10.0 => format!("{figure:.2}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::with_section;

    #[test]
    fn a_program_measured_anew_takes_the_place_of_what_was_measured_before() {
        let one = "## One, 100 MB\n\nold\n";
        let two = "## Two, 100 MB\n\nalso\n";
        let page = with_section(&with_section("", one), two);
        assert!(page.ends_with("\n## One, 100 MB\n\nold\n\n## Two, 100 MB\n\nalso\n"));

        let page = with_section(&page, "## One, 100 MB\n\nnew\n");
        assert!(page.starts_with("# Pauses\n"));
        assert!(page.ends_with("\n## One, 100 MB\n\nnew\n\n## Two, 100 MB\n\nalso\n"));
    }
}
