//! Programs for a terminal, run in one: tmux types, and says what is on the screen.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::npm;

/// Longest that the screen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a shell in it, of a tmux server of its own; closed when dropped.
#[derive(Debug)]
pub struct Terminal {
    tmux: PathBuf,
    socket: String,
}

impl Terminal {
    /// Opens a terminal.
    ///
    /// # Errors
    /// If tmux is missing.
    pub fn open(width: u32, height: u32) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let terminal = Self {
            tmux: npm::program(&["tmux"])?,
            socket: format!(
                "v8mini-{}-{}",
                std::process::id(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            ),
        };
        let (width, height) = (width.to_string(), height.to_string());
        // Neither the configuration of whoever runs the tests nor his shell.
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            "env",
            "PS1=$ ",
            "ENV=",
            "LC_ALL=C.UTF-8",
            "sh",
        ])?;
        terminal.wait_for("$")?;
        Ok(terminal)
    }

    /// Types a line, and Enter.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn line(&self, text: &str) -> Result<()> {
        self.text(text)?;
        self.keys(&["Enter"])
    }

    /// Types characters.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn text(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", "--", text]).map(drop)
    }

    /// Presses keys, by tmux' names: `Enter`, `Tab`, `Down`, `C-c`, `j`.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn keys(&self, keys: &[&str]) -> Result<()> {
        let mut line = vec!["send-keys"];
        line.extend(keys);
        self.tmux(&line).map(drop)
    }

    /// What is on the screen.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What tmux knows of the terminal, such as `alternate_on`.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn fact(&self, name: &str) -> Result<String> {
        let fact = self.tmux(&["display-message", "-p", &format!("#{{{name}}}")])?;
        Ok(fact.trim().to_owned())
    }

    /// Makes the window larger or smaller.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let (width, height) = (width.to_string(), height.to_string());
        self.tmux(&["resize-window", "-x", &width, "-y", &height])
            .map(drop)
    }

    /// Waits until a text is on the screen, and returns the screen.
    ///
    /// # Errors
    /// If it does not come.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        self.wait_until(&format!("'{text}' to come"), |screen| screen.contains(text))
    }

    /// Waits until the screen is as it should be, and returns it.
    ///
    /// # Errors
    /// If that does not happen.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen()?;
            if is_so(&screen) {
                return Ok(screen);
            }
            if Instant::now() > end {
                bail!("waited for {what}; there is\n{screen}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.tmux)
            .args(["-u", "-L", &self.socket])
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .output()
            .context("cannot run tmux")?;
        ensure!(
            output.status.success(),
            "tmux {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}
