//! What is kept for the next command: answers are the same with it and without, whatever became of it.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use v8mini_tests::{Tools, Workload, nodes};

/// A capture, and a home directory for who asks about it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(release: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::create_dir(dir.path().join("captures"))?;
        let place = Self { dir };
        let process = Workload::new("big-heap.js", release)?.spawn_with(&["--n", "5000"])?;
        Tools::get().capture_to(process.pid(), &place.file())?;
        Ok(place)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("captures/node.v8mini")
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("captures/node.v8mini-cache")
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(&Tools::get().analyze);
        command
            .args(line)
            .env("XDG_CACHE_HOME", self.dir.path().join("home"))
            .env_remove("V8MINI_CACHE")
            .current_dir(self.dir.path().join("captures"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &[&str]) -> Result<Output> {
        self.command(line).output().context("cannot run v8mini")
    }

    /// What a command says; `cache` is added to its arguments.
    fn answer(&self, line: &[&str], cache: &[&str]) -> Result<(Option<i32>, String)> {
        let output = self.run(&[line, cache].concat())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            // That nothing was found, such as suspects in a heap that does not grow, is an answer.
            matches!(output.status.code(), Some(0 | 1 | 3)),
            "{line:?} {cache:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((output.status.code(), text))
    }
}

/// Every command whose answer takes long on a large heap.
const QUESTIONS: &[&[&str]] = &[
    &["info", "node.v8mini"],
    &["histogram", "node.v8mini"],
    &["histogram", "node.v8mini", "--by", "shape", "-n", "0"],
    &["histogram", "node.v8mini", "--by", "space", "--json"],
    &["histogram", "node.v8mini", "--retained", "-n", "0"],
    &["dominators", "node.v8mini"],
    &["dominators", "node.v8mini", "--json"],
    &["tree", "node.v8mini"],
    &["path", "node.v8mini", "--type", "Order"],
    &["path", "node.v8mini", "--type", "Refund", "--json"],
    &["garbage", "node.v8mini"],
    &["instances", "node.v8mini", "Item"],
    &["instances", "node.v8mini", "Order", "--sort", "retained"],
    &["functions", "node.v8mini"],
    &["functions", "node.v8mini", "--json", "-n", "0"],
    &["scripts", "node.v8mini"],
    &["node", "node.v8mini"],
    &["bt", "node.v8mini", "--async"],
    &["find", "node.v8mini", "--property", "id=7"],
    &["find", "node.v8mini", "--string", "^order 1234$", "--json"],
    &["refs", "node.v8mini", "--type", "Settings"],
    &["strings", "node.v8mini"],
    &["waste", "node.v8mini"],
    &["suspects", "node.v8mini"],
];

/// Asks everything without a cache, so that one comes to be, and with it, in another order, so that it is read in another order
/// than it was written.
fn same_answers(release: &str) -> Result<()> {
    let place = Place::new(release)?;
    let without = QUESTIONS
        .iter()
        .map(|line| place.answer(line, &["--no-cache"]))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!place.cache().exists(), "--no-cache has made a cache");
    for cache in ["always", "always", "auto"] {
        for (line, expected) in QUESTIONS.iter().zip(&without).rev() {
            let found = place.answer(line, &["--cache", cache])?;
            ensure!(
                found == *expected,
                "{line:?} with a cache says {found:?} instead of {expected:?}"
            );
        }
        // Questions that were not asked before, so that answers are not enough.
        let line = ["dominators", "node.v8mini", "-n", "7"];
        let found = place.answer(&line, &["--cache", cache])?;
        ensure!(found == place.answer(&line, &["--no-cache"])?, "{found:?}");
    }
    let facts = fs::metadata(place.cache()).context("there is no cache")?;
    ensure!(facts.mode() & 0o777 == 0o600, "others can read the cache");
    ensure!(facts.len() > 100_000, "little was kept: {}", facts.len());
    Ok(())
}

#[test]
fn answers_are_the_same_on_an_old_release() -> Result<()> {
    same_answers("8.17.0")
}

#[test]
fn answers_are_the_same() -> Result<()> {
    same_answers(nodes::USUAL)
}

/// The questions that are asked of damaged caches.
const FEW: &[&[&str]] = &[
    &["histogram", "node.v8mini", "--retained"],
    &["path", "node.v8mini", "--type", "Order"],
    &["instances", "node.v8mini", "Item"],
    &["functions", "node.v8mini"],
];

fn check_few(place: &Place, expected: &[(Option<i32>, String)]) -> Result<()> {
    for (line, expected) in FEW.iter().zip(expected) {
        let found = place.answer(line, &["--cache", "always"])?;
        ensure!(found == *expected, "{line:?} says {found:?}");
    }
    Ok(())
}

#[test]
fn a_damaged_cache_is_none() -> Result<()> {
    let place = Place::new(nodes::USUAL)?;
    let expected = FEW
        .iter()
        .map(|line| place.answer(line, &["--cache", "always"]))
        .collect::<Result<Vec<_>>>()?;
    let whole = fs::read(place.cache())?;
    let step = whole.len() / 12;
    for at in (0..whole.len()).step_by(step.max(1)).chain([9, 20, 60, 90]) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(place.cache(), &damaged)?;
        check_few(&place, &expected).with_context(|| format!("byte {at} changed"))?;
        fs::write(place.cache(), &whole[..at])?;
        check_few(&place, &expected).with_context(|| format!("cut at {at}"))?;
    }
    for odd in [&b""[..], b"\0", b"V8MCACHE", &[0xff; 5000]] {
        fs::remove_file(place.cache()).ok();
        fs::write(place.cache(), odd)?;
        check_few(&place, &expected)?;
    }
    // What is no cache is left alone.
    ensure!(
        fs::read(place.cache())? == [0xff; 5000],
        "a file was replaced"
    );
    Ok(())
}

#[test]
fn a_cache_belongs_to_one_file_and_one_user() -> Result<()> {
    let place = Place::new(nodes::USUAL)?;
    let line = ["histogram", "node.v8mini", "--retained"];
    let always = ["--cache", "always"];
    place.answer(&line, &always)?;
    let mine = fs::read(place.cache())?;

    // The same cache beside another capture.
    let other = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    Tools::get().capture_to(other.pid(), &place.file())?;
    fs::write(place.cache(), &mine)?;
    let without = place.answer(&line, &["--no-cache"])?;
    ensure!(
        place.answer(&line, &always)? == without,
        "a foreign cache was believed"
    );

    // One that somebody else made of this very file.
    let cache = fs::read(place.cache())?;
    fs::remove_dir_all(place.dir.path().join("home"))?;
    let facts = place.run(&["cache", "node.v8mini", "--json"])?;
    let facts: serde_json::Value = serde_json::from_slice(&facts.stdout)?;
    ensure!(
        facts["caches"][0]["bytes"] == cache.len(),
        "the cache is not listed: {facts}"
    );
    ensure!(
        place.answer(&line, &always)? == without,
        "somebody else's cache was believed"
    );
    ensure!(fs::read(place.cache())? != cache, "it was not replaced");

    // It can be removed.
    ensure!(
        place
            .run(&["cache", "node.v8mini", "--clear"])?
            .status
            .success()
    );
    ensure!(!place.cache().exists(), "it was not removed");
    ensure!(place.run(&["cache", "node.v8mini"])?.status.code() == Some(1));
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir)?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}

#[test]
fn nothing_is_written_where_it_must_not_be() -> Result<()> {
    let place = Place::new(nodes::USUAL)?;
    let line = ["histogram", "node.v8mini", "--retained"];
    let always = ["--cache", "always"];
    let captures = place.dir.path().join("captures");

    // Turned off.
    let mut off = place.command(&[&line[..], &always].concat());
    ensure!(off.env("V8MINI_CACHE", "off").output()?.status.success());
    ensure!(entries(&captures)? == ["node.v8mini"], "a cache was made");

    // Through a symbolic link.
    let target = place.dir.path().join("target");
    fs::write(&target, "V8MCACHE and more")?;
    symlink(&target, place.cache())?;
    let without = place.answer(&line, &["--no-cache"])?;
    ensure!(place.answer(&line, &always)? == without);
    ensure!(
        fs::read(&target)? == b"V8MCACHE and more",
        "a link was followed"
    );
    ensure!(fs::symlink_metadata(place.cache())?.is_symlink());
    // It went to the user's own directory instead.
    let home = place.dir.path().join("home/v8mini");
    ensure!(entries(&home)?.len() == 2, "{:?}", entries(&home)?);
    ensure!(fs::metadata(&home)?.mode() & 0o777 == 0o700);
    ensure!(place.run(&["cache", "--clear"])?.status.success());
    ensure!(entries(&home)? == ["key"]);

    // Into a directory of the user's choice.
    fs::remove_file(place.cache())?;
    let chosen = place.dir.path().join("chosen");
    let mut command = place.command(&[&line[..], &always].concat());
    ensure!(
        command
            .env("V8MINI_CACHE", &chosen)
            .output()?
            .status
            .success()
    );
    ensure!(entries(&captures)? == ["node.v8mini"]);
    ensure!(entries(&chosen)?.len() == 2);

    // Standard input has no name.
    let mut command = place.command(&["histogram", "-", "--cache", "always"]);
    command.stdin(fs::File::open(place.file())?);
    ensure!(command.output()?.status.success());
    ensure!(entries(&captures)? == ["node.v8mini"]);
    Ok(())
}

/// In a session, what was found out is found out once.
#[test]
fn a_session_keeps_what_it_found_out() -> Result<()> {
    let place = Place::new(nodes::USUAL)?;
    let commands = [
        "-c",
        "dominators -n 3",
        "-c",
        "path --type Refund -n 1",
        "-c",
        "findjsinstances Item",
    ];
    let line = [&["shell", "node.v8mini"][..], &commands].concat();
    let without = place.answer(&line, &["--no-cache"])?;
    ensure!(place.answer(&line, &["--cache", "always"])? == without);
    ensure!(place.cache().exists(), "the session has kept nothing");
    ensure!(place.answer(&line, &["--cache", "always"])? == without);
    Ok(())
}
