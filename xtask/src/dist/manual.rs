//! Manual pages and completions for shells, made from the definitions by which the programs read their arguments.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap_complete::{Shell, generate};

use super::contents::{Contents, Mode};

/// Where the completions of a shell are in the archive; `NAME` is the program.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "completions/NAME.bash"),
    (Shell::Zsh, "completions/_NAME"),
    (Shell::Fish, "completions/NAME.fish"),
];

/// The manual pages of all programs and subcommands, and the completions.
pub(super) fn pages() -> Result<Contents> {
    let mut pages = Contents::default();
    for command in commands() {
        let name = command.get_name().to_owned();
        for (shell, path) in COMPLETIONS {
            let mut script = Vec::new();
            generate(shell, &mut command.clone(), &name, &mut script);
            pages.add(path.replace("NAME", &name), script, Mode::Data);
        }
        let folder = tempfile::tempdir()?;
        clap_mangen::generate_to(command, folder.path())
            .with_context(|| format!("cannot write the manual pages of {name}"))?;
        add_folder(&mut pages, folder.path())?;
    }
    Ok(pages)
}

/// The definitions of the programs that there are on this system.
fn commands() -> Vec<clap::Command> {
    vec![
        v8mini_analyze::commands::Cli::definition(),
        #[cfg(target_os = "linux")]
        v8mini_capture::cli::command(),
    ]
}

fn add_folder(pages: &mut Contents, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What clap adds to every program with commands says nothing about ours.
        if !name.contains("-help") {
            pages.add_file(format!("man/man1/{name}"), &entry.path(), Mode::Data)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::pages;

    fn text<'a>(all: &'a [(String, String)], path: &str) -> &'a str {
        let found = all.iter().find(|(known, _)| known == path);
        found.map(|(_, text)| text.as_str()).unwrap()
    }

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let pages = pages().unwrap();
        let all: Vec<(String, String)> = pages
            .iter()
            .map(|(path, bytes)| (path.to_owned(), String::from_utf8(bytes.to_vec()).unwrap()))
            .collect();
        let histogram = text(&all, "man/man1/v8mini-histogram.1");
        assert!(histogram.contains("what fills the heap"), "{histogram}");
        assert!(histogram.contains("\\-\\-retained"), "{histogram}");
        for command in super::commands() {
            let name = command.get_name();
            let page = text(&all, &format!("man/man1/{name}.1"));
            for below in command.get_subcommands().map(clap::Command::get_name) {
                text(&all, &format!("man/man1/{name}-{below}.1"));
                assert!(page.contains(&below.replace('-', "\\-")), "{name} {below}");
                for path in ["NAME.bash", "_NAME", "NAME.fish"] {
                    let script = text(&all, &format!("completions/{}", path.replace("NAME", name)));
                    assert!(script.contains(below), "{path}: {below}");
                }
            }
        }
    }
}
