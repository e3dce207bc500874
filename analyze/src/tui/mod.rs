//! `v8mini tui`: the dominator tree, the classes, an object and what keeps it alive, side by side in a terminal.
//!
//! What is shown is what the commands answer; only the tree is read directly, node by node as it is opened.

mod answers;
mod app;
mod classes;
mod draw;
mod keys;
mod list;
mod path;
mod text;
mod tree;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::answers::Answers;
use self::app::App;
use crate::commands::Session;
use crate::heap::PageSelection;

/// Runs until the user quits. The terminal is as it was before, however that ends. `ready` is called when the heap was looked at, just
/// before the screen is taken.
///
/// # Errors
/// If there is no terminal, or it cannot be used; and if the heap cannot be looked at.
pub(crate) fn run(
    session: &Session,
    path: &Path,
    isolate: Option<usize>,
    selection: PageSelection,
    color: bool,
    ready: impl FnOnce(),
) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() {
        bail!("standard output is no terminal: use the other commands, or v8mini report");
    }
    let answers = Answers {
        session,
        path,
        isolate,
    };
    let mut app = App::new(answers, selection)?;
    ready();
    // From here on a panic restores the terminal before it prints its message.
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let ended = until_quit(&mut terminal, &mut app, color);
    ratatui::try_restore().context("the terminal could not be restored: type reset")?;
    ended
}

fn until_quit(
    terminal: &mut DefaultTerminal,
    app: &mut App<'_>,
    color: bool,
) -> anyhow::Result<()> {
    while !app.quit {
        // While a key is held down, the object changes faster than anybody reads.
        if !event::poll(Duration::ZERO)? {
            app.refresh();
            terminal.draw(|frame| draw::draw(frame, app, color))?;
        }
        if let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
        {
            pressed(app, key);
        }
    }
    Ok(())
}

fn pressed(app: &mut App<'_>, key: KeyEvent) {
    if app.typing.is_none() {
        if let Some(action) = keys::action(key) {
            app.act(action);
        } else {
            app.help = false;
        }
        return;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => app.typed_all(false),
        KeyCode::Char(character) if !control => app.typed(character),
        KeyCode::Backspace => app.untyped(),
        KeyCode::Enter => app.typed_all(true),
        KeyCode::Esc => app.typed_all(false),
        _ => {}
    }
}
