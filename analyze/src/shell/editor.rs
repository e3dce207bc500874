//! Lines that a person types: editing, history, completion.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::Context as _;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::Shell;
use super::complete::{Vocabulary, complete};
use crate::commands::{Session, value_at};
use crate::v8::PropertyValue;

/// Lines of history that are kept.
const HISTORY: usize = 10_000;
/// Shapes whose properties are looked at for completion.
const SHAPES: usize = 5_000;
/// Commands that go on where they were when they are repeated: Enter alone does that.
const REPEATABLE: [&str; 3] = ["findjsinstances", "source list", "jssource"];

/// Reads lines and runs them until the user leaves.
pub(super) fn run(shell: &mut Shell) -> anyhow::Result<()> {
    let config = Config::builder()
        .max_history_size(HISTORY)
        .and_then(|config| config.history_ignore_dups(true))
        .context("cannot set the history up")?
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Assistant, FileHistory> =
        Editor::with_config(config).context("cannot open the terminal")?;
    let addresses = Rc::new(RefCell::new(Vec::new()));
    editor.set_helper(Some(Assistant {
        session: Rc::clone(&shell.session),
        addresses: Rc::clone(&addresses),
        words: RefCell::default(),
    }));
    let history = history_file();
    if let Some(file) = &history {
        // The first session has none.
        let _ = editor.load_history(file);
    }
    println!(
        "v8mini {}: help lists the commands",
        env!("CARGO_PKG_VERSION")
    );
    let mut last = String::new();
    while !shell.done {
        match editor.readline("(v8mini) ") {
            Ok(line) => {
                let line = if line.trim().is_empty() {
                    repeatable(&last)
                } else {
                    line
                };
                shell.line(&line);
                *addresses.borrow_mut() = shell.results.known();
                last = line;
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read a line"),
        }
    }
    if let Some(file) = &history {
        save(&mut editor, file);
    }
    Ok(())
}

/// The line again, if Enter alone repeats it; else nothing.
fn repeatable(last: &str) -> String {
    let command = last.trim().trim_start_matches("v8 ");
    if REPEATABLE.iter().any(|name| command.starts_with(name)) && !last.contains(" -l ") {
        last.to_owned()
    } else {
        String::new()
    }
}

/// A history that cannot be written is no reason to complain.
fn save(editor: &mut Editor<Assistant, FileHistory>, file: &PathBuf) {
    if let Some(dir) = file.parent() {
        let _ = std::fs::create_dir_all(dir);
    }
    let _ = editor.save_history(file);
}

/// Where the history is kept, as the platform wants it.
fn history_file() -> Option<PathBuf> {
    let dir = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = if cfg!(windows) {
        dir("LOCALAPPDATA")?
    } else if let Some(state) = dir("XDG_STATE_HOME") {
        state
    } else if cfg!(target_os = "macos") {
        dir("HOME")?.join("Library/Application Support")
    } else {
        dir("HOME")?.join(".local/state")
    };
    Some(state.join("v8mini").join("history"))
}

/// What helps while a line is typed.
struct Assistant {
    session: Rc<Session>,
    /// What can be typed for an object, and its address.
    addresses: Rc<RefCell<Vec<(String, String)>>>,
    /// Types and properties, once they were asked for.
    words: RefCell<Option<Words>>,
}

/// Words of the heap.
#[derive(Clone, Default)]
struct Words {
    types: Vec<String>,
    properties: Vec<String>,
}

impl Assistant {
    /// The words of the heap. The first call walks it.
    fn words(&self) -> Words {
        let mut words = self.words.borrow_mut();
        words
            .get_or_insert_with(|| Words::of(&self.session))
            .clone()
    }
}

impl Words {
    fn of(session: &Session) -> Self {
        let objects = &session.objects;
        let shapes = &session.population().shapes;
        let mut types: Vec<String> = shapes
            .iter()
            .map(|shape| shape.class.name.clone())
            .filter(|name| !name.contains(char::is_whitespace))
            .collect();
        types.sort();
        types.dedup();
        let mut properties: Vec<String> = shapes
            .iter()
            .take(SHAPES)
            .filter_map(|shape| objects.properties(shape.sample.address?).ok())
            .flat_map(|properties| properties.list)
            .filter_map(|property| Some(objects.read_name(property.key).ok()?.to_string()))
            .collect();
        properties.sort();
        properties.dedup();
        Self { types, properties }
    }
}

impl Vocabulary for Assistant {
    fn types(&self) -> Vec<String> {
        self.words().types
    }

    fn properties(&self) -> Vec<String> {
        self.words().properties
    }

    fn properties_of(&self, expression: &str) -> Vec<String> {
        let objects = &self.session.objects;
        let (name, path) =
            expression.split_at(expression.find(['.', '[']).unwrap_or(expression.len()));
        let addresses = self.addresses.borrow();
        let known = addresses.iter().find(|(known, _)| known == name);
        let address = known.map_or(name, |(_, address)| address);
        let Ok(PropertyValue::Tagged(word)) = value_at(objects, &format!("{address}{path}")) else {
            return Vec::new();
        };
        let properties = word
            .object()
            .and_then(|object| objects.properties(object).ok());
        let names = properties
            .into_iter()
            .flat_map(|properties| properties.list);
        names
            .filter_map(|property| Some(objects.read_name(property.key).ok()?.to_string()))
            .collect()
    }

    fn addresses(&self) -> Vec<String> {
        let addresses = self.addresses.borrow();
        addresses.iter().map(|(name, _)| name.clone()).collect()
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(line.get(..pos).unwrap_or(line), self))
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {}

impl Validator for Assistant {}

impl Helper for Assistant {}
