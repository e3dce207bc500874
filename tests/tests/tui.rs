//! `v8mini tui`, in a terminal.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use v8mini_tests::terminal::Terminal;
use v8mini_tests::{Tools, Workload, nodes};

/// What a program leaves of the settings of a terminal.
const SETTINGS: &str = "stty -g | md5sum";

fn capture(release: &str, dir: &Path) -> Result<PathBuf> {
    let process = Workload::new("leaks/map-cache.js", release)?.spawn()?;
    let file = dir.join("leak.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    Ok(file)
}

/// A terminal in which the interface was started, and what `stty` said before.
fn start(file: &Path, width: u32, height: u32) -> Result<(Terminal, String)> {
    let program = Tools::get().analyze.display().to_string();
    let terminal = Terminal::open(width, height)?;
    terminal.line(SETTINGS)?;
    let before = settings(&terminal.wait_until("settings", |screen| settings(screen).is_some())?);
    terminal.line(&format!("clear; {program} tui {}", file.display()))?;
    terminal.wait_for("Dominator tree")?;
    Ok((terminal, before.context("no settings")?))
}

/// The checksum of the settings that was printed last.
fn settings(screen: &str) -> Option<String> {
    let lines = screen.lines().rev();
    let mut sums = lines.filter_map(|line| line.strip_suffix("  -"));
    sums.next().map(str::to_owned)
}

/// After the end, everything is as it was.
fn is_restored(terminal: &Terminal, before: &str) -> Result<()> {
    terminal.wait_until("the prompt", |screen| {
        screen.trim_end().ends_with('$') && !screen.contains("Dominator tree")
    })?;
    ensure!(terminal.fact("alternate_on")? == "0", "the other screen");
    ensure!(terminal.fact("cursor_flag")? == "1", "the cursor is hidden");
    terminal.line(&format!("clear; echo it ended with $?; {SETTINGS}"))?;
    let screen = terminal.wait_until("settings", |screen| settings(screen).is_some())?;
    ensure!(settings(&screen).as_deref() == Some(before), "{screen}");
    ensure!(screen.contains("it ended with 0"), "{screen}");
    Ok(())
}

/// The address that the pane of the object is about.
fn inspected(screen: &str) -> Option<&str> {
    let (_, rest) = screen.split_once("Inspect 0x")?;
    rest.split(' ').next()
}

fn looks_around(release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = capture(release, dir.path())?;
    let (terminal, before) = start(&file, 80, 24)?;

    // Four panes, all within the window.
    let screen = terminal.wait_for("What keeps it alive")?;
    for part in [
        "1 Dominator tree",
        "2 Classes by retained",
        "3 Inspect 0x",
        "q quit",
    ] {
        ensure!(screen.contains(part), "no '{part}':\n{screen}");
    }
    let first = inspected(&screen)
        .context("nothing is inspected")?
        .to_owned();

    // Moving chooses another object.
    terminal.keys(&["j"])?;
    let screen = terminal.wait_until("the second row", |screen| {
        screen.contains(" 2 of ") && inspected(screen) != Some(first.as_str())
    })?;
    ensure!(inspected(&screen).is_some(), "{screen}");
    terminal.keys(&["Up"])?;
    terminal.wait_until("the first row", |screen| {
        inspected(screen) == Some(first.as_str())
    })?;

    // Into the tree, and out.
    terminal.keys(&["Enter"])?;
    terminal.wait_for("▾")?;
    terminal.keys(&["h"])?;
    terminal.wait_until("a closed node", |screen| !screen.contains('▾'))?;

    // A class, its objects, one of them.
    terminal.keys(&["Tab"])?;
    terminal.text("/")?;
    terminal.text("Profil")?;
    let screen = terminal.wait_for(" 1 of 2 ")?;
    ensure!(screen.contains("20,000 Profile"), "{screen}");
    terminal.keys(&["Enter", "Enter"])?;
    terminal.wait_for("20,000 × Profile")?;
    let screen = terminal.wait_until("a Profile and its path", |screen| {
        screen.contains("user: \"user-") && screen.contains("profiles")
    })?;
    let profile = inspected(&screen)
        .context("nothing is inspected")?
        .to_owned();

    // From object to object, and back.
    terminal.keys(&["3", "j", "j", "Enter"])?;
    terminal.wait_until("what it holds", |screen| {
        screen.contains("payload number") && inspected(screen) != Some(profile.as_str())
    })?;
    terminal.keys(&["BSpace"])?;
    terminal.wait_until("the Profile again", |screen| {
        inspected(screen) == Some(profile.as_str())
    })?;
    // A text that is too wide is moved.
    terminal.keys(&["Tab"])?;
    terminal.wait_for("┃← ")?;
    terminal.keys(&["l"])?;
    terminal.wait_until("what was out of sight", |screen| !screen.contains("┃← "))?;
    terminal.keys(&["h", "z"])?;
    let screen = terminal.wait_until("one pane", |screen| !screen.contains("Dominator tree"))?;
    ensure!(screen.contains("root:"), "{screen}");
    terminal.keys(&["z"])?;
    terminal.wait_for("Dominator tree")?;

    // By address, also a wrong one.
    terminal.text("a")?;
    terminal.text("zzz")?;
    terminal.keys(&["Enter"])?;
    terminal.wait_for("0xzzz")?;
    terminal.text("a")?;
    terminal.text(&first)?;
    terminal.keys(&["Enter"])?;
    terminal.wait_until("the first object", |screen| {
        inspected(screen) == Some(first.as_str())
    })?;

    // Help, other sizes, and the end.
    terminal.text("?")?;
    terminal.wait_for("follow an address")?;
    terminal.keys(&["j"])?;
    terminal.wait_until("no help", |screen| !screen.contains("follow an address"))?;
    terminal.resize(30, 8)?;
    terminal.wait_for("are needed")?;
    terminal.resize(120, 40)?;
    terminal.wait_for("What keeps it alive")?;
    terminal.keys(&["q"])?;
    is_restored(&terminal, &before)
}

#[test]
fn one_looks_around_in_a_window_of_80_by_24() -> Result<()> {
    looks_around(nodes::USUAL)
}

#[test]
fn one_looks_around_in_an_old_heap() -> Result<()> {
    looks_around("12.22.12")
}

#[test]
fn the_terminal_is_as_before_after_an_interrupt() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = capture(nodes::USUAL, dir.path())?;
    let (terminal, before) = start(&file, 100, 30)?;
    // While typing, it ends that first.
    terminal.text("/abc")?;
    terminal.wait_for("/abc")?;
    terminal.keys(&["C-c"])?;
    terminal.wait_until("no filter", |screen| !screen.contains("/abc"))?;
    terminal.keys(&["C-c"])?;
    is_restored(&terminal, &before)
}

#[test]
fn it_needs_a_terminal_and_says_so() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = capture(nodes::USUAL, dir.path())?;
    let outcome = Tools::get().analyze(["tui".as_ref(), file.as_os_str()])?;
    ensure!(outcome.code() == Some(2), "{:?}", outcome.status);
    ensure!(outcome.stderr.contains("no terminal"), "{}", outcome.stderr);
    Ok(())
}
