//! The report: one page that shows what the commands answer, for people who would rather look than read.
//!
//! Its figures are the answers of the commands themselves, asked for as JSON: nothing is computed here a second time. What no
//! command has is the outline of the dominator tree, small enough to be drawn.

mod answers;
mod fit;
mod outline;
mod page;
mod stacks;

pub(crate) use answers::Subject;
pub(crate) use page::page;

use serde::Serialize;
use serde_json::Value;

use self::answers::Asked;
use self::fit::Limits;
use crate::commands::{Outcome, Session};
use crate::heap::PageSelection;

/// Rises when the page can no longer read what older versions wrote. The page is in the same file, so this is for programs.
const VERSION: u32 = 1;
/// Rows of the table of classes. A heap has some hundreds of classes; those that generate them have any number.
const CLASSES: usize = 1500;
/// Classes of which growth is drawn.
const GROWTH: &str = "150";

/// All that the page shows, as it is written into it.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    version: u32,
    generator: String,
    /// The captures, in the order of time; the last one is what the report is about.
    files: Vec<String>,
    /// Whether contents of strings are shown.
    strings: bool,
    /// Whether something was left out to keep the file small.
    shortened: bool,
    /// Each the answer of a command, or `{"error": …}`.
    info: Value,
    classes: Value,
    suspects: Value,
    outline: Value,
    texts: Value,
    waste: Value,
    stacks: Value,
    /// Null for a single capture.
    growth: Value,
}

impl Document {
    /// Asks for everything. `earlier` is the first of several captures, `newest` the one that the report is about.
    pub(crate) fn collect(
        subject: &Subject<'_>,
        earlier: &Session,
        newest: &Session,
        selection: PageSelection,
        progress: &mut dyn FnMut(&'static str),
    ) -> (Self, Outcome) {
        let mut asked = Asked::default();
        progress("growth");
        let growth = match subject.later {
            [] => Value::Null,
            _ => asked.ask_all("diff", earlier, subject, &["--limit", GROWTH]),
        };
        progress("leak suspects");
        let suspects = asked.ask_all("suspects", earlier, subject, &["--limit", "10"]);
        progress("summary");
        let info = asked.ask("info", newest, subject, &[]);
        progress("classes");
        let mut classes = asked.ask(
            "histogram",
            newest,
            subject,
            &["--retained", "--limit", "0"],
        );
        fit::keep_largest(&mut classes, "rows", CLASSES);
        progress("dominator tree");
        let outline = asked.found(&outline::outline(newest, selection));
        progress("strings");
        let texts = asked.ask("strings", newest, subject, &["--limit", "25"]);
        progress("waste");
        let waste = asked.ask("waste", newest, subject, &["--limit", "8"]);
        progress("stacks");
        let mut stacks = asked.ask("bt", newest, subject, &["--all", "--native"]);
        stacks::slim(&mut stacks);
        let document = Self {
            version: VERSION,
            generator: concat!("v8mini ", env!("CARGO_PKG_VERSION")).to_owned(),
            files: subject.names(),
            strings: true,
            shortened: false,
            info,
            classes,
            suspects,
            outline,
            texts,
            waste,
            stacks,
            growth,
        };
        (document, asked.outcome())
    }

    /// Leaves out what is the content of a string, of a line of source, or of an argument.
    pub(crate) fn without_strings(&mut self) {
        self.strings = false;
        for part in self.parts() {
            fit::without_strings(part);
        }
    }

    /// Whether lists were shortened.
    pub(crate) const fn is_shortened(&self) -> bool {
        self.shortened
    }

    /// What must be known before the figures are believed.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let said = self.info["warnings"].as_array().into_iter().flatten();
        let said = said.filter_map(Value::as_str).map(str::to_owned);
        let parts = [
            ("summary", &self.info),
            ("classes", &self.classes),
            ("suspects", &self.suspects),
            ("dominator tree", &self.outline),
            ("strings", &self.texts),
            ("waste", &self.waste),
            ("stacks", &self.stacks),
            ("growth", &self.growth),
        ];
        let failed = parts.into_iter().filter_map(|(name, part)| {
            let error = part.get("error")?.as_str()?;
            Some(format!("{name}: {error}"))
        });
        said.chain(failed).collect()
    }

    /// What the window is called.
    pub(crate) fn title(&self) -> String {
        let process = &self.info["process"];
        let name = process["name"].as_str().unwrap_or("V8 heap");
        match process["pid"].as_u64() {
            Some(pid) if pid > 0 => format!("{name} {pid} · v8mini report"),
            _ => format!("{name} · v8mini report"),
        }
    }

    /// As JSON for the page, no longer than `budget` bytes: if it must be, by leaving out the ends of lists and texts.
    pub(crate) fn encode(&mut self, budget: usize) -> serde_json::Result<String> {
        let mut limits = Limits::default();
        loop {
            let mut cut = false;
            for part in self.parts() {
                cut |= fit::cut(part, limits);
            }
            // Long texts alone are cut in every heap, and nobody misses their ends.
            self.shortened |= cut && limits != Limits::default();
            let text = page::harmless(&serde_json::to_string(self)?);
            match limits.less() {
                Some(less) if text.len() > budget => limits = less,
                _ => return Ok(text),
            }
        }
    }

    fn parts(&mut self) -> [&mut Value; 8] {
        [
            &mut self.info,
            &mut self.classes,
            &mut self.suspects,
            &mut self.outline,
            &mut self.texts,
            &mut self.waste,
            &mut self.stacks,
            &mut self.growth,
        ]
    }
}
