//! The system's own commands: what stands after `!`, and stages of a pipeline that no command of ours has the name of.

use std::io::{ErrorKind, Write};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context;

/// Where the output of a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// Where the output of the shell goes.
    Shell,
    /// To the next stage.
    NextStage,
}

/// Runs a command line in the platform's shell, gives it `input`, and returns how it ended and what it wrote for the next
/// stage. Without input it reads what the shell reads.
///
/// # Errors
/// If the platform's shell cannot be started.
pub(super) fn run(
    line: &str,
    input: Option<&[u8]>,
    destination: Destination,
) -> anyhow::Result<(ExitStatus, Vec<u8>)> {
    let mut command = platform_shell(line);
    if std::env::var_os("LESS").is_none() {
        // As git does it: end on a short text, show colours, leave the text on the screen.
        command.env("LESS", "FRX");
    }
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    if destination == Destination::NextStage {
        command.stdout(Stdio::piped());
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run the system's shell for '{line}'"))?;
    let stdin = child.stdin.take();
    // The child may write before it has read everything: somebody must read what it writes meanwhile.
    let output = std::thread::scope(|scope| {
        let writer = scope.spawn(move || match (stdin, input) {
            (Some(mut stdin), Some(input)) => stdin.write_all(input),
            _ => Ok(()),
        });
        let output = child.wait_with_output();
        match writer.join() {
            // `head` reads no more than it wants.
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => output,
        }
    });
    let output = output.with_context(|| format!("cannot talk to '{line}'"))?;
    Ok((output.status, output.stdout))
}

fn platform_shell(line: &str) -> Command {
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        let mut command = Command::new("cmd");
        // `cmd` has quoting rules of its own, which the usual quoting of arguments breaks.
        command.arg("/C").raw_arg(line);
        command
    }
    #[cfg(not(windows))]
    {
        let mut command = Command::new("sh");
        command.arg("-c").arg(line);
        command
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn commands_get_their_input_and_give_their_output() {
        let input = "a\nb\n".repeat(200_000);
        let (status, output) =
            run("tac | tac", Some(input.as_bytes()), Destination::NextStage).unwrap();
        assert!(status.success());
        assert_eq!(output, input.as_bytes());
        let (_, output) = run("head -1", Some(input.as_bytes()), Destination::NextStage).unwrap();
        assert_eq!(output, b"a\n");
        let (status, _) = run("exit 3", None, Destination::NextStage).unwrap();
        assert_eq!(status.code(), Some(3));
    }
}
