//! The guide: its examples do what it says, and its links lead somewhere.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;
use v8mini_tests::{Tools, nodes, workspace_root};

/// The fenced blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    page.split(&begin)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

/// A command of the guide and the lines that it is to print; `…` stands for anything.
fn commands(block: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, expected))) => expected.push(line.to_owned()),
            (None, None) => {}
        }
    }
    commands
}

/// Whether the lines are there in this order, others between them where `…` stands alone or at the end of a paragraph.
fn matches(said: &str, expected: &[String]) -> Result<()> {
    let spaces = Regex::new(r"\s+")?;
    let mut rest = said.lines();
    for line in expected.iter().filter(|line| line.as_str() != "…") {
        let parts: Vec<String> = line
            .split('…')
            .map(|part| {
                spaces
                    .replace_all(&regex::escape(part), r"\s+")
                    .into_owned()
            })
            .collect();
        let pattern = Regex::new(&format!("^\\s*{}\\s*$", parts.join(".*")))?;
        if !rest.by_ref().any(|line| pattern.is_match(line)) {
            bail!("no line '{line}' where it is expected in:\n{said}");
        }
    }
    Ok(())
}

#[test]
fn the_leak_is_found_as_the_guide_says() -> Result<()> {
    let page = fs::read_to_string(workspace_root().join("docs/leak.md"))?;
    let dir = tempfile::tempdir()?;
    let program = blocks(&page, "js");
    fs::write(
        dir.path().join("service.js"),
        program.first().context("no program")?,
    )?;
    let mut service = Command::new(nodes::ensure(nodes::USUAL)?.path)
        .arg("service.js")
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pid = String::new();
    BufReader::new(service.stdout.take().context("no output")?).read_line(&mut pid)?;
    let tools = Tools::get();
    let folder = tools.analyze.parent().context("no folder")?;
    let path = std::env::join_paths(std::iter::once(folder.to_owned()).chain(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
    ))?;
    let run = || -> Result<usize> {
        let mut count = 0;
        for (command, expected) in blocks(&page, "console").into_iter().flat_map(commands) {
            let output = Command::new("sh")
                .args(["-c", &command])
                .env("PATH", &path)
                .env("PID", pid.trim())
                .current_dir(dir.path())
                .output()?;
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said)?;
            ensure!(
                output.status.success(),
                "`{command}`: {}: {said}",
                output.status
            );
            matches(&said, &expected).with_context(|| format!("`{command}`"))?;
            count += 1;
        }
        Ok(count)
    };
    let result = run();
    service.kill()?;
    service.wait()?;
    ensure!(result? >= 8, "the guide has lost its examples");
    Ok(())
}

/// The headings of a page as links name them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The links of pages to files of the project, and to headings.
#[test]
fn links_lead_somewhere() -> Result<()> {
    let root = workspace_root();
    let mut pages: BTreeMap<std::path::PathBuf, String> = BTreeMap::new();
    for folder in ["", "docs", "spec", "spec/layouts", "npm/v8mini"] {
        for entry in fs::read_dir(root.join(folder))?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.insert(path.clone(), fs::read_to_string(path)?);
            }
        }
    }
    let link = Regex::new(r"\]\(([^()\s]+)\)")?;
    let code = Regex::new(r"(?s)```.*?```|`[^`\n]*`")?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, page) in &pages {
        for found in link.captures_iter(&code.replace_all(page, "")) {
            let target = &found[1];
            if target.starts_with("http") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = path.parent().unwrap_or(Path::new(""));
            let file = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file)
            };
            let page = fs::read_to_string(&file);
            let is_there = match (&page, anchor) {
                (Err(_), _) => file.exists(),
                (Ok(_), "") => true,
                (Ok(page), anchor) => anchors(page).iter().any(|known| known == anchor),
            };
            if !is_there {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "links that lead nowhere: {wrong:#?}");
    ensure!(count > 20, "only {count} links");
    let contents = fs::read_to_string(root.join("docs/SUMMARY.md"))?;
    for path in pages
        .keys()
        .filter(|path| path.starts_with(root.join("docs")))
    {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ensure!(
            name == "SUMMARY.md" || contents.contains(&*name),
            "{name} is not in the table of contents"
        );
    }
    Ok(())
}
