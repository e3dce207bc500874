//! The screen.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use crate::commands::{grouped, human_bytes, percent};

use super::app::{App, Pane, Typing};
use super::keys::HELP;

/// Smaller windows have no room for anything.
const LEAST: (u16, u16) = (40, 10);
/// Narrower panes have no room for shallow sizes.
const WIDE: usize = 50;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App<'_>, color: bool) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("at least {} by {} are needed; q quits", LEAST.0, LEAST.1);
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let [panes, status] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area);
    if app.zoomed {
        pane(frame, app, app.focus, panes, color);
    } else {
        let half = [Constraint::Percentage(50), Constraint::Percentage(50)];
        let [left, right] = Layout::horizontal(half).areas(panes);
        let [tree, classes] = Layout::vertical(half).areas(left);
        let [inspect, path] = Layout::vertical(half).areas(right);
        pane(frame, app, Pane::Tree, tree, color);
        pane(frame, app, Pane::Classes, classes, color);
        pane(frame, app, Pane::Inspect, inspect, color);
        pane(frame, app, Pane::Path, path, color);
    }
    frame.render_widget(status_line(app), status);
    if app.help {
        help(frame, area);
    }
}

/// One pane: a frame, and the rows that fit into it.
fn pane(frame: &mut Frame<'_>, app: &mut App<'_>, pane: Pane, area: Rect, color: bool) {
    let has_focus = app.focus == pane;
    let edge = match (has_focus, color) {
        (true, true) => Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
        (true, false) => Style::new().add_modifier(Modifier::BOLD),
        (false, _) => Style::new().add_modifier(Modifier::DIM),
    };
    let block = Block::bordered()
        .border_type(if has_focus {
            BorderType::Thick
        } else {
            BorderType::Plain
        })
        .border_style(edge)
        .title(title(app, pane))
        .title_bottom(Line::from(place(app, pane)).alignment(Alignment::Right));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let height = usize::from(inside.height);
    if let Some(place) = app.heights.get_mut(pane as usize) {
        *place = height;
    }
    let (lines, chosen) = rows(app, pane, height, usize::from(inside.width));
    let lines: Vec<Line<'_>> = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| {
            if index == chosen && has_focus {
                line.style(Style::new().add_modifier(Modifier::REVERSED))
            } else if index == chosen && matches!(pane, Pane::Tree | Pane::Classes) {
                line.style(Style::new().add_modifier(Modifier::UNDERLINED))
            } else {
                line
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn title(app: &App<'_>, pane: Pane) -> String {
    let (number, name, filter) = match pane {
        Pane::Tree => (1, "Dominator tree".to_owned(), &app.tree.filter),
        Pane::Classes => (
            2,
            match &app.classes.entered {
                Some(entered) => format!("{} × {}", grouped(entered.count), entered.class),
                None => format!("Classes by {}", app.classes.order.name()),
            },
            &app.classes.filter,
        ),
        Pane::Inspect => (
            3,
            match &app.current {
                Some(address) => format!("Inspect {address}"),
                None => "Inspect".to_owned(),
            },
            &app.inspect.filter,
        ),
        Pane::Path => (4, "What keeps it alive".to_owned(), &app.path.filter),
    };
    if filter.is_empty() {
        format!(" {number} {name} ")
    } else {
        format!(" {number} {name} /{filter} ")
    }
}

/// Which row of how many.
fn place(app: &App<'_>, pane: Pane) -> String {
    let (at, len) = match pane {
        Pane::Tree => (app.tree.cursor.at, app.tree.len()),
        Pane::Classes => (app.classes.cursor.at, app.classes.len()),
        Pane::Inspect => (app.inspect.cursor.at, app.inspect.len()),
        Pane::Path => (app.path.cursor.at, app.path.len()),
    };
    match len {
        0 => " nothing ".to_owned(),
        _ => format!(" {} of {} ", grouped(at as u64 + 1), grouped(len as u64)),
    }
}

/// The rows that fit, and which of them is the chosen one.
fn rows<'t>(app: &mut App<'_>, pane: Pane, height: usize, width: usize) -> (Vec<Line<'t>>, usize) {
    match pane {
        Pane::Tree => {
            let tree = &mut app.tree;
            let window = tree.cursor.window(tree.len(), height);
            let live = tree.live_bytes.max(1) as f64;
            let rows = window.filter_map(|index| {
                let row = tree.row(index)?;
                let mark = match (row.is_open, row.children) {
                    (true, _) => "▾ ",
                    (false, 0) => "  ",
                    (false, _) => "▸ ",
                };
                // Deep levels would push everything out of the pane.
                let indent = " ".repeat(row.level.min(12));
                let share = (row.retained as f64 / live * 100.0).round();
                Some(Line::from(vec![
                    Span::raw(format!("{:>9}{share:>4}% ", human_bytes(row.retained))),
                    Span::raw(format!("{indent}{mark}{}", row.text)),
                ]))
            });
            (rows.collect(), tree.cursor.shown_at())
        }
        Pane::Classes => {
            let classes = &mut app.classes;
            let window = classes.cursor.window(classes.len(), height);
            let rows = window.filter_map(|index| {
                if let Some(instance) = classes.instance(index) {
                    let bytes = human_bytes(instance.retained_bytes);
                    return Some(Line::from(format!("{bytes:>9} {}", instance.summary)));
                }
                let row = classes.class(index)?;
                let shallow = if width < WIDE {
                    String::new()
                } else {
                    format!("{:>9} ", human_bytes(row.shallow_bytes))
                };
                Some(Line::from(format!(
                    "{:>9} {shallow}{:>9} {}",
                    human_bytes(row.retained_bytes),
                    grouped(row.count),
                    row.name
                )))
            });
            (rows.collect(), classes.cursor.shown_at())
        }
        Pane::Inspect | Pane::Path => {
            let text = match pane {
                Pane::Inspect => &mut app.inspect,
                _ => &mut app.path,
            };
            let window = text.cursor.window(text.len(), height);
            let left = text.left;
            let rows = window.filter_map(|index| {
                let line: String = text.line(index)?.chars().skip(left).collect();
                Some(Line::from(line))
            });
            (rows.collect(), text.cursor.shown_at())
        }
    }
}

fn status_line<'t>(app: &App<'_>) -> Line<'t> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match &app.typing {
        Some((Typing::Filter, text)) => {
            Line::from(vec![Span::styled("/", bold), Span::raw(format!("{text}▏"))])
        }
        Some((Typing::Address, text)) => Line::from(vec![
            Span::styled("address: ", bold),
            Span::raw(format!("{text}▏")),
        ]),
        None if !app.message.is_empty() => Line::from(Span::styled(app.message.clone(), bold)),
        None => {
            let share = match app.tree.row(app.tree.cursor.at) {
                Some(row) if app.focus == Pane::Tree => format!(
                    " · {} bytes, {}",
                    grouped(row.retained),
                    percent(row.retained as f64 / app.tree.live_bytes.max(1) as f64)
                ),
                _ => String::new(),
            };
            Line::from(format!(
                "? help  q quit  Enter open  Tab pane  / filter{share}"
            ))
        }
    }
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(78);
    let height = area.height.min(HELP.len() as u16 + 2);
    let place = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(keys, what)| Line::from(format!(" {keys:<25} {what}")))
        .collect();
    frame.render_widget(Clear, place);
    let block = Block::bordered()
        .title(" Keys ")
        .title_bottom(" any key closes this ");
    frame.render_widget(Paragraph::new(lines).block(block), place);
}
