//! `--pack`: makes a capture smaller as soon as the process runs again.
//!
//! Packing takes knowing what objects consist of, which only the analyzer does; this program stays as small as it is, and runs `v8mini`.

use std::env;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use anyhow::{Context, bail, ensure};
use nix::libc;
use serde_json::Value;

/// The program that packs.
const PROGRAM: &str = "v8mini";

/// Exit code of `v8mini` if all was done, and if something was missing before.
const DONE: [i32; 2] = [0, 3];

/// Runs `v8mini pack`.
#[derive(Debug)]
pub(super) struct Packer {
    program: PathBuf,
    threads: usize,
}

impl Packer {
    /// Finds the program: beside this one, or else on `PATH`. It may use so many percent of one processor; 0 for all there are. Fractions of a
    /// processor cannot be asked of it, but it yields to whoever else wants to run.
    ///
    /// # Errors
    /// If there is none, or it does not pack: to be told before a process is stopped.
    pub(super) fn find(max_cpu: u32) -> anyhow::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = match max_cpu {
            0 => processors,
            percent => (percent.div_ceil(100) as usize).min(processors),
        };
        let program = locate()?;
        let packer = Self { program, threads };
        let help = packer
            .command()
            .args(["pack", "--help"])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("--pack needs {}", packer.program.display()))?;
        ensure!(
            help.status.success(),
            "--pack needs a v8mini of this version, and {} has no command 'pack'",
            packer.program.display()
        );
        Ok(packer)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("RAYON_NUM_THREADS", self.threads.to_string());
        command
    }

    /// Packs a file, which is replaced once the packed one is complete. Returns the new size.
    ///
    /// # Errors
    /// If it cannot be packed: it is as it was then.
    pub(super) fn pack(&self, path: &Path) -> anyhow::Result<u64> {
        let child = self
            .command()
            .arg("pack")
            .arg("--json")
            .arg("-o")
            .args([path, Path::new("--"), path])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        yield_processors(&child);
        let output = child.wait_with_output()?;
        self.size(&output, &output.stdout)
    }

    /// Starts packing a stream, to standard output.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(super) fn pack_to_stdout(self) -> anyhow::Result<PackedStdout> {
        let child = self
            .command()
            .args(["pack", "-", "-o", "-", "--json"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        yield_processors(&child);
        Ok(PackedStdout {
            packer: self,
            child,
        })
    }

    /// What the report of the program says.
    fn size(&self, output: &Output, report: &[u8]) -> anyhow::Result<u64> {
        let ended_well = output.status.code().is_some_and(|it| DONE.contains(&it));
        if !ended_well {
            bail!(
                "{} pack failed ({}): {}",
                self.program.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let report: Value =
            serde_json::from_slice(report).context("v8mini pack printed no report")?;
        report["stored_bytes"]
            .as_u64()
            .context("v8mini pack did not tell the size")
    }
}

/// Standard output, with a program before it that packs.
#[derive(Debug)]
pub(super) struct PackedStdout {
    packer: Packer,
    child: Child,
}

impl PackedStdout {
    /// Says that all was written. Returns the packed size.
    ///
    /// # Errors
    /// If the program failed.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        let output = self.child.wait_with_output()?;
        self.packer.size(&output, &output.stderr)
    }
}

impl Write for PackedStdout {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.child.stdin {
            Some(input) => input.write(buf),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets everybody else run first.
fn yield_processors(child: &Child) {
    const NICE: i32 = 10;
    // SAFETY: setpriority takes three integers. Until its parent has waited for it, the number is that of the child.
    let _stays = unsafe { libc::setpriority(libc::PRIO_PROCESS, child.id(), NICE) };
}

fn locate() -> anyhow::Result<PathBuf> {
    let here = env::current_exe().ok();
    let here = here.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = here.clone().into_iter().chain(env::split_paths(&path));
    places
        .find_map(|place| Some(place.join(PROGRAM)).filter(|program| program.is_file()))
        .with_context(|| {
            format!(
                "--pack needs the program v8mini, which is neither in {} nor on PATH: install it, or pack on the machine that you analyse on: v8mini pack FILE -o SMALLER",
                here.unwrap_or_default().display()
            )
        })
}
