//! Which key does what.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::list::Step;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    Go(Step),
    /// Into the chosen row.
    Enter,
    /// Into the chosen row of a list, or to the right in a text.
    Open,
    /// Out of it, or back to the left.
    Leave,
    /// To the object before.
    Back,
    NextPane,
    PreviousPane,
    Pane(usize),
    /// Shows one pane alone, or all.
    Zoom,
    Sort,
    Filter,
    /// Asks for an address.
    Address,
    /// Ends what was begun: help, filter.
    Cancel,
    Help,
}

/// What is on the screen when help is asked for.
pub(super) const HELP: &[(&str, &str)] = &[
    ("j k ↓ ↑", "next, previous row"),
    ("Ctrl-d Ctrl-u PgDn PgUp", "a window down, up"),
    ("g G Home End", "first, last row"),
    ("Enter", "open a node, enter a class, follow an address"),
    ("l →", "open a node, enter a class; scroll a text"),
    ("h ←", "close a node, leave a class; scroll back"),
    ("Backspace", "the object before"),
    ("Tab Shift-Tab 1 2 3 4", "another pane"),
    ("z", "this pane alone, or all four"),
    ("/", "show only rows with a text; Esc shows all again"),
    ("s", "sort the classes otherwise"),
    ("a", "go to an address"),
    ("?", "this help"),
    ("q Ctrl-C", "quit"),
];

/// What a key does, where no text is typed.
pub(super) fn action(key: KeyEvent) -> Option<Action> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if control => Action::Quit,
        KeyCode::Char('d' | 'f') if control => Action::Go(Step::Pages(1)),
        KeyCode::Char('u' | 'b') if control => Action::Go(Step::Pages(-1)),
        KeyCode::Char(_) if control => return None,
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Char('j') | KeyCode::Down => Action::Go(Step::Rows(1)),
        KeyCode::Char('k') | KeyCode::Up => Action::Go(Step::Rows(-1)),
        KeyCode::Char(' ') | KeyCode::PageDown => Action::Go(Step::Pages(1)),
        KeyCode::PageUp => Action::Go(Step::Pages(-1)),
        KeyCode::Char('g') | KeyCode::Home => Action::Go(Step::First),
        KeyCode::Char('G') | KeyCode::End => Action::Go(Step::Last),
        KeyCode::Enter => Action::Enter,
        KeyCode::Char('l') | KeyCode::Right => Action::Open,
        KeyCode::Char('h') | KeyCode::Left => Action::Leave,
        KeyCode::Backspace => Action::Back,
        KeyCode::Tab => Action::NextPane,
        KeyCode::BackTab => Action::PreviousPane,
        KeyCode::Char(digit @ '1'..='4') => Action::Pane(digit as usize - '1' as usize),
        KeyCode::Char('z') => Action::Zoom,
        KeyCode::Char('s') => Action::Sort,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Char('a') => Action::Address,
        KeyCode::Char('?') | KeyCode::F(1) => Action::Help,
        KeyCode::Esc => Action::Cancel,
        _ => return None,
    })
}
