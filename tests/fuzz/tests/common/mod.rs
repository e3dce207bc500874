//! Running targets as tests: one at a time, because all allocations of the process are counted together, and under a
//! watchdog, because a test that hangs says nothing.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use v8mini_fuzz::Target;

/// The longest that an input may take on a machine that is busy with other tests; most take milliseconds.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until no other test runs.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something that must end in time.
pub(crate) fn in_time<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let (done, waiting) = channel::<()>();
    let name = what.to_owned();
    let watchdog = std::thread::spawn(move || {
        if waiting.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} took more than {LIMIT:?}");
            std::process::abort();
        }
    });
    let result = f();
    drop(done);
    watchdog.join().expect("the watchdog sleeps or aborts");
    result
}

/// Runs a target on an input. The commands print: they get a process of their own.
pub(crate) fn run(target: &Target, what: &str, input: &[u8]) {
    in_time(what, || {
        if target.name != "commands" {
            (target.run)(input);
            return;
        }
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(input).expect("a temporary file");
        let output = Command::new(env!("CARGO_BIN_EXE_commands"))
            .arg(file.path())
            .stdout(Stdio::null())
            .output()
            .expect("the target runs");
        assert!(
            output.status.success(),
            "{what}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    });
}
