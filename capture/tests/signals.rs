//! No signal is lost: not while a process is stopped again and again, and not by the death of what stops it.

#![cfg(all(feature = "live", target_os = "linux"))]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::libc;
use v8mini_capture::linux::Frozen;

/// Names the part that this program plays as a child of its own: see [`part`].
const PART: &str = "V8MINI_TEST_PART";
/// The process that [`stops_without_rest`] stops.
const VICTIM: &str = "V8MINI_TEST_VICTIM";
/// A real-time signal, as glibc and libuv use them: no symbolic name covers it, and each one that is sent arrives.
const SIGNAL: i32 = 40;
const PATIENCE: Duration = Duration::from_secs(20);

/// This program again, to run nothing but one part, for at most a minute.
fn part(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture"])
        .env(PART, name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Whether this process was started to play a part, and a minute has not passed.
fn plays(name: &str) -> impl Fn() -> bool {
    let is_wanted = std::env::var(PART).is_ok_and(|part| part == name);
    let end = Instant::now() + Duration::from_secs(60);
    move || is_wanted && Instant::now() < end
}

/// Writes a line, with the only call that a signal handler may make for it.
extern "C" fn heard(_signal: i32) {
    // SAFETY: the buffer has as many bytes as are said; `write` is safe in a handler (signal-safety(7)).
    unsafe { libc::write(1, c"heard\n".as_ptr().cast(), 6) };
}

/// A part: says of each signal that it was heard. (A shell with a `trap` will not do: bash 5.2 forgets one signal of
/// a thousand, when it reaches it as it starts a command.)
#[test]
fn listens() {
    let goes_on = plays("listens");
    if !goes_on() {
        return;
    }
    // SAFETY: zeros are a valid `sigaction`, and the handler does nothing but to write.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = heard as extern "C" fn(i32) as usize;
        let result = libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut());
        assert_eq!(result, 0);
        libc::write(1, c"\nready\n".as_ptr().cast(), 7);
    }
    while goes_on() {
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// A part: stops a process and lets it go, again and again.
#[test]
fn stops_without_rest() {
    let goes_on = plays("stops_without_rest");
    while goes_on() {
        let victim = std::env::var(VICTIM).unwrap().parse().unwrap();
        Frozen::stop(victim).unwrap().thaw();
    }
}

/// A process that plays [`listens`]; killed when it is dropped.
struct Listener {
    child: Child,
    lines: Receiver<String>,
}

impl Listener {
    fn spawn() -> Self {
        let mut child = part("listens").spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            // What the test framework prints goes the same way.
            let mut lines = lines.skip_while(|line| line != "ready");
            lines.try_for_each(|line| sender.send(line))
        });
        let listener = Self { child, lines };
        assert_eq!(listener.next().as_deref(), Some("ready"));
        listener
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn next(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn send_signal(pid: i32) {
    // SAFETY: `kill` takes no pointers.
    assert_eq!(unsafe { libc::kill(pid, SIGNAL) }, 0);
}

#[test]
fn signals_that_arrive_meanwhile_are_delivered() {
    let listener = Listener::spawn();
    let pid = listener.pid();
    for round in 0..200 {
        let kill = std::thread::spawn(move || send_signal(pid));
        while !kill.is_finished() {
            Frozen::stop(pid).unwrap().thaw();
        }
        kill.join().unwrap();
        assert_eq!(listener.next().as_deref(), Some("heard"), "round {round}");
    }
}

/// A thread that is on its way to handle a signal when it stops has taken it already: if whoever stopped it dies, it is to
/// handle it all the same.
#[test]
fn signals_outlive_a_killed_tool() {
    const ROUNDS: u64 = 60;
    let listener = Listener::spawn();
    let mut sent = 0;
    for round in 0..ROUNDS {
        let mut tool = part("stops_without_rest")
            .env(VICTIM, listener.pid().to_string())
            .spawn()
            .unwrap();
        // Not always at the same moment: some milliseconds after it has begun.
        let end = Instant::now() + Duration::from_micros(10_000 + 777 * round);
        while Instant::now() < end {
            send_signal(listener.pid());
            sent += 1;
            std::thread::sleep(Duration::from_micros(50));
        }
        tool.kill().unwrap();
        tool.wait().unwrap();
    }
    for number in 0..sent {
        let line = listener.next();
        assert_eq!(line.as_deref(), Some("heard"), "signal {number} of {sent}");
    }
}
