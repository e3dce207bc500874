//! What is on the screen, and what actions change about it.

use crate::commands::Session;
use crate::heap::PageSelection;

use super::answers::Answers;
use super::classes::ClassesPane;
use super::keys::Action;
use super::list::{Cursor, Step};
use super::path;
use super::text::TextPane;
use super::tree::TreePane;

/// Most objects that one can go back to.
const HISTORY: usize = 256;
/// Longest text that can be typed.
const MAX_TYPED: usize = 200;

/// The panes, in the order of Tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Tree,
    Classes,
    Inspect,
    Path,
}

impl Pane {
    pub(super) const ALL: [Self; 4] = [Self::Tree, Self::Classes, Self::Inspect, Self::Path];

    /// The pane so many further on.
    fn beside(self, step: usize) -> Self {
        let at = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        let next = Self::ALL.iter().cycle().nth(at + step);
        next.copied().unwrap_or(self)
    }
}

/// What is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typing {
    Filter,
    Address,
}

/// Everything.
pub(super) struct App<'a> {
    answers: Answers<'a>,
    pub(super) tree: TreePane,
    pub(super) classes: ClassesPane,
    pub(super) inspect: TextPane,
    pub(super) path: TextPane,
    pub(super) focus: Pane,
    /// The object that is inspected and whose paths are shown.
    pub(super) current: Option<String>,
    /// The object that the two panes are about by now.
    shown: Option<String>,
    history: Vec<String>,
    pub(super) typing: Option<(Typing, String)>,
    pub(super) help: bool,
    pub(super) zoomed: bool,
    /// What went wrong, or what there is to say.
    pub(super) message: String,
    pub(super) quit: bool,
    /// Rows that each pane has room for, as it was drawn last.
    pub(super) heights: [usize; 4],
}

impl<'a> App<'a> {
    /// Looks at everything once, so that every key is answered at once.
    ///
    /// # Errors
    /// If the heap cannot be looked at.
    pub(super) fn new(answers: Answers<'a>, selection: PageSelection) -> anyhow::Result<Self> {
        let session: &Session = answers.session;
        let tree = TreePane::new(session, selection);
        let classes = ClassesPane::new(&answers)?;
        session.paths(selection);
        let mut app = Self {
            answers,
            current: tree.address(),
            tree,
            classes,
            inspect: TextPane::default(),
            path: TextPane::default(),
            focus: Pane::Tree,
            shown: None,
            history: Vec::new(),
            typing: None,
            help: false,
            zoomed: false,
            message: String::new(),
            quit: false,
            heights: [0; 4],
        };
        app.refresh();
        Ok(app)
    }

    /// Shows the object that was chosen, if it is another one by now. To be called when no key waits.
    pub(super) fn refresh(&mut self) {
        if self.current == self.shown {
            return;
        }
        self.shown.clone_from(&self.current);
        let Some(address) = self.current.clone() else {
            self.inspect.set(Vec::new());
            self.path.set(Vec::new());
            return;
        };
        let or_error = |lines: anyhow::Result<Vec<String>>| {
            lines.unwrap_or_else(|error| vec![format!("{error:#}")])
        };
        let inspect = self.answers.lines("inspect", &["--depth", "1"], &address);
        self.inspect.set(or_error(inspect));
        self.path
            .set(or_error(path::lines(&self.answers, &address)));
    }

    /// Does what a key asks for.
    pub(super) fn act(&mut self, action: Action) {
        self.message.clear();
        if self.help && action != Action::Quit {
            self.help = false;
            return;
        }
        match action {
            Action::Quit => self.quit = true,
            Action::Go(step) => self.go(step),
            Action::Open if matches!(self.focus, Pane::Inspect | Pane::Path) => self.sideways(true),
            Action::Enter | Action::Open => self.enter(),
            Action::Leave => self.leave(),
            Action::Back => match self.history.pop() {
                Some(before) => self.current = Some(before),
                None => self.message = "there is no object before".to_owned(),
            },
            Action::NextPane => self.focus = self.focus.beside(1),
            Action::PreviousPane => self.focus = self.focus.beside(Pane::ALL.len() - 1),
            Action::Pane(number) => self.focus = *Pane::ALL.get(number).unwrap_or(&self.focus),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Sort => self.classes.sort_otherwise(),
            Action::Filter => self.typing = Some((Typing::Filter, self.filter().clone())),
            Action::Address => self.typing = Some((Typing::Address, "0x".to_owned())),
            Action::Cancel => {
                if !self.filter().is_empty() {
                    self.set_filter(String::new());
                } else if self.focus == Pane::Classes {
                    self.classes.leave();
                    self.choose();
                }
            }
            Action::Help => self.help = true,
        }
    }

    /// A character more of what is being typed.
    pub(super) fn typed(&mut self, character: char) {
        if let Some((_, text)) = &mut self.typing
            && text.len() < MAX_TYPED
            && !character.is_control()
        {
            text.push(character);
        }
        self.preview();
    }

    /// A character less.
    pub(super) fn untyped(&mut self) {
        if let Some((_, text)) = &mut self.typing
            && text.pop().is_none()
        {
            self.typing = None;
        }
        self.preview();
    }

    /// What was typed is meant, or is not.
    pub(super) fn typed_all(&mut self, meant: bool) {
        match self.typing.take() {
            Some((Typing::Filter, text)) => {
                self.set_filter(if meant { text } else { String::new() });
            }
            Some((Typing::Address, text)) if meant => {
                match crate::commands::object_at(&self.answers.session.objects, text.trim()) {
                    Ok(address) => self.go_to(address.to_string()),
                    Err(error) => self.message = format!("{error:#}"),
                }
            }
            _ => {}
        }
    }

    /// Rows are filtered while one types.
    fn preview(&mut self) {
        if let Some((Typing::Filter, text)) = &self.typing {
            self.set_filter(text.clone());
        }
    }

    /// The filter of the pane that has the focus.
    pub(super) const fn filter(&self) -> &String {
        match self.focus {
            Pane::Tree => &self.tree.filter,
            Pane::Classes => &self.classes.filter,
            Pane::Inspect => &self.inspect.filter,
            Pane::Path => &self.path.filter,
        }
    }

    fn set_filter(&mut self, text: String) {
        match self.focus {
            Pane::Tree => {
                self.tree.filter = text;
                self.tree.apply_filter();
            }
            Pane::Classes => {
                self.classes.filter = text;
                self.classes.apply_filter();
            }
            Pane::Inspect => {
                self.inspect.filter = text;
                self.inspect.apply_filter();
            }
            Pane::Path => {
                self.path.filter = text;
                self.path.apply_filter();
            }
        }
        self.choose();
    }

    fn go(&mut self, step: Step) {
        let height = self.heights.get(self.focus as usize).copied().unwrap_or(1);
        let (cursor, len): (&mut Cursor, usize) = match self.focus {
            Pane::Tree => {
                let len = self.tree.len();
                (&mut self.tree.cursor, len)
            }
            Pane::Classes => {
                let len = self.classes.len();
                (&mut self.classes.cursor, len)
            }
            Pane::Inspect => {
                let len = self.inspect.len();
                (&mut self.inspect.cursor, len)
            }
            Pane::Path => {
                let len = self.path.len();
                (&mut self.path.cursor, len)
            }
        };
        cursor.go(step, len, height);
        self.choose();
    }

    /// The chosen row of the tree or of the classes says which object is shown.
    fn choose(&mut self) {
        let chosen = match self.focus {
            Pane::Tree => self.tree.address(),
            Pane::Classes => self.classes.address(),
            Pane::Inspect | Pane::Path => None,
        };
        if chosen.is_some() {
            self.current = chosen;
        }
    }

    fn enter(&mut self) {
        match self.focus {
            Pane::Tree if self.tree.is_closed() => self.tree.open(self.answers.session),
            Pane::Tree => self.focus = Pane::Inspect,
            Pane::Classes if self.classes.entered.is_some() => self.focus = Pane::Inspect,
            Pane::Classes => {
                if let Err(error) = self.classes.enter(&self.answers) {
                    self.message = format!("{error:#}");
                }
            }
            Pane::Inspect | Pane::Path => {
                let current = self.current.clone().unwrap_or_default();
                let found = match self.focus {
                    Pane::Inspect => self.inspect.address(&current),
                    _ => self.path.address(&current),
                };
                match found {
                    Some(address) => self.go_to(address),
                    None => "this line leads to no other object".clone_into(&mut self.message),
                }
                return;
            }
        }
        self.choose();
    }

    fn leave(&mut self) {
        match self.focus {
            Pane::Tree => self.tree.close(),
            Pane::Classes => self.classes.leave(),
            Pane::Inspect | Pane::Path => self.sideways(false),
        }
        self.choose();
    }

    fn sideways(&mut self, right: bool) {
        match self.focus {
            Pane::Inspect => self.inspect.sideways(right),
            _ => self.path.sideways(right),
        }
    }

    fn go_to(&mut self, address: String) {
        if let Some(before) = self.current.replace(address) {
            if self.history.len() == HISTORY {
                self.history.remove(0);
            }
            self.history.push(before);
        }
    }
}
