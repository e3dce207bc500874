//! Whatever the process was doing when it was captured, it goes on doing it, and sees nothing of the capture.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use v8mini_tests::patience::wait_for;
use v8mini_tests::vitals::Vitals;
use v8mini_tests::{NodeProcess, Tools, Workload, modes, nodes};

/// What the program must see in each state: so it does without any capture.
const STATES: [(&str, &str); 7] = [
    ("timer", "fired"),
    ("read", "said"),
    ("wait", "timed-out"),
    ("notified", "ok"),
    ("child", "status 0, signal null"),
    ("loop", "number"),
    ("wasm", "wrong 0"),
];
/// How long a state lasts: several captures.
const SPAN_MS: u32 = 1500;
/// A state may last longer on a busy machine, but must not end before its time. Timers are allowed their millisecond.
const EARLY_MS: f64 = 1.5;

fn capture(pid: u32, mode: &str) -> Result<Value> {
    let pid = pid.to_string();
    let arguments = [&pid, "--mode", mode, "--dry-run", "--json"];
    Tools::get().capture(arguments)?.json()
}

fn in_all_states(release: &str, without: &[&str], states: &[(&str, &str)]) -> Result<()> {
    let mut process = Workload::new("blocked.js", release)?.spawn()?;
    let mut modes = modes::working(process.pid())?;
    modes.retain(|mode| !without.contains(mode));
    for mode in modes {
        for (state, expected) in states {
            process.tell(&format!("{state} {SPAN_MS}"))?;
            thread::sleep(Duration::from_millis(100));
            // Each capture takes a few hundred milliseconds: these are over before the state is.
            for _ in 0..2 {
                let summary = capture(process.pid(), mode)?;
                ensure!(summary["mode"] == mode, "{mode} in {state}: {summary}");
            }
            let seen = process
                .reply()
                .with_context(|| format!("Node.js {release}, {mode}, {state}"))?;
            let elapsed = seen["elapsedMs"].as_f64().context("no time")?;
            ensure!(
                seen["result"] == *expected && elapsed > f64::from(SPAN_MS) - EARLY_MS,
                "Node.js {release}, {mode}, {state}: the program saw {seen}"
            );
        }
    }
    Ok(())
}

#[test]
fn usual_release() -> Result<()> {
    in_all_states(nodes::USUAL, &[], &STATES)
}

#[test]
fn oldest_and_newest_release() -> Result<()> {
    // Node.js 8 has neither workers nor, by default, shared memory.
    let of_node_8: Vec<_> = STATES
        .into_iter()
        .filter(|(state, _)| !["wait", "notified"].contains(state))
        .collect();
    in_all_states("8.17.0", &["precopy", "stop"], &of_node_8)?;
    in_all_states("26.10.0", &["precopy", "stop"], &STATES)
}

#[test]
fn without_idle_workers() -> Result<()> {
    // The thread that wakes delayed tasks waits in epoll: it will do.
    let mut process = Workload::new("blocked.js", "12.22.12")?
        .node_argument("--v8-pool-size=0")
        .spawn()?;
    let vitals = Vitals::of(process.pid())?;
    process.tell(&format!("timer {SPAN_MS}"))?;
    for _ in 0..3 {
        let summary = capture(process.pid(), "fork")?;
        ensure!(summary["mode"] == "fork", "{summary}");
    }
    let seen = process.reply()?;
    ensure!(seen["result"] == "fired", "{seen}");
    vitals.check_after_capture()
}

#[test]
fn a_storm_of_signals() -> Result<()> {
    const SIGNALS: u32 = 2000;
    let mut process = Workload::new("blocked.js", nodes::USUAL)?.spawn()?;
    let pid = process.pid();
    let modes = modes::working(pid)?;
    let vitals = Vitals::of(pid)?;
    let storm = thread::spawn(move || {
        for _ in 0..SIGNALS {
            // SAFETY: takes two integers.
            unsafe { libc::kill(pid.cast_signed(), libc::SIGUSR2) };
            thread::sleep(Duration::from_micros(500));
        }
    });
    let mut captures = 0;
    while !storm.is_finished() {
        for mode in &modes {
            capture(pid, mode)?;
            captures += 1;
        }
    }
    ensure!(captures >= 2, "the storm was over before it could be felt");
    let report = process.ask("signals")?;
    // Signals of one number are not counted while one is pending, but the handler was called again and again.
    ensure!(report["signals"].as_u64() > Some(100), "{report}");
    ensure!(report["ticks"].as_u64() > Some(100), "{report}");
    vitals.check_after_capture()
}

#[test]
fn a_stopped_process_stays_stopped() -> Result<()> {
    let mut process = Workload::new("blocked.js", nodes::USUAL)?.spawn()?;
    let pid = process.pid();
    let signal = |signal| {
        // SAFETY: takes two integers.
        let sent = unsafe { libc::kill(pid.cast_signed(), signal) };
        ensure!(sent == 0, "cannot signal {pid}");
        Ok(())
    };
    let state = || -> Result<String> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        Ok(state.context("no state")?.trim()[..1].to_owned())
    };
    signal(libc::SIGSTOP)?;
    while state()? != "T" {
        thread::sleep(Duration::from_millis(1));
    }
    for mode in ["auto", "log", "precopy", "fork", "stop"] {
        let summary = capture(pid, mode)?;
        // Nothing can run in it, and nothing is gained by a short pause.
        ensure!(summary["mode"] == "stop", "{summary}");
        let declined = summary["declined"].to_string();
        ensure!(
            mode == "stop" || declined.contains("job-control"),
            "{summary}"
        );
        ensure!(
            state()? == "T",
            "{mode}: it was stopped, and is {}",
            state()?
        );
    }
    signal(libc::SIGCONT)?;
    process.ask("signals")?;
    Ok(())
}

#[test]
fn a_process_that_is_traced_already() -> Result<()> {
    let mut process = Workload::new("blocked.js", nodes::USUAL)?.spawn()?;
    let pid = process.pid();
    // SAFETY: PTRACE_SEIZE takes no pointers. This thread's end detaches.
    let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid.cast_signed(), 0_usize, 0_usize) };
    ensure!(seized == 0, "{}", std::io::Error::last_os_error());
    for mode in ["auto", "log", "precopy", "fork", "stop"] {
        let outcome = Tools::get().capture([&pid.to_string(), "--mode", mode, "--dry-run"])?;
        ensure!(outcome.code() == Some(2), "{mode}: {:?}", outcome.status);
        ensure!(
            outcome.stderr.contains("already traced")
                && outcome.stderr.contains(&std::process::id().to_string()),
            "{mode}: {}",
            outcome.stderr
        );
    }
    process.ask("signals")?;
    Ok(())
}

#[test]
fn a_process_that_exits_while_it_is_captured() -> Result<()> {
    let mut failed = 0;
    for mode in ["log", "precopy", "fork", "stop"] {
        for delay_ms in [30, 60, 90, 120, 160] {
            let mut process = Workload::new("blocked.js", nodes::USUAL)?.spawn()?;
            let mut tool = std::process::Command::new(&Tools::get().capture)
                .args([&process.pid().to_string(), "--mode", mode, "--dry-run"])
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()?;
            thread::sleep(Duration::from_millis(delay_ms));
            process.kill()?;
            let status = wait_for(&mut tool, "v8mini-capture")?;
            let mut said = String::new();
            tool.stderr
                .take()
                .context("no stderr")?
                .read_to_string(&mut said)?;
            ensure!(!said.contains("panicked"), "{said}");
            match status.code() {
                Some(0 | 3) => {}
                Some(2) if said.contains("process") => failed += 1,
                _ => bail!("{mode}, after {delay_ms} ms: {status}: {said}"),
            }
        }
    }
    ensure!(
        failed > 0,
        "each process lived long enough: this test tested nothing"
    );
    Ok(())
}

/// A connection of a debugger: WebSocket (RFC 6455), as far as it is needed to give commands.
struct Debugger(BufReader<TcpStream>);

impl Debugger {
    /// Connects to the inspector at `ws://HOST/PATH`.
    fn connect(url: &str) -> Result<Self> {
        let (host, path) = url
            .strip_prefix("ws://")
            .and_then(|rest| rest.split_once('/'))
            .with_context(|| format!("{url:?} is no address of a debugger"))?;
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        ensure!(line.contains("101"), "the inspector says {line:?}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        Ok(Self(reader))
    }

    /// Gives a command without parameters, and waits for its answer or for an event of that name.
    fn ask(&mut self, method: &str, until: &str) -> Result<()> {
        let text = format!("{{\"id\":1,\"method\":\"{method}\"}}");
        let len = u8::try_from(text.len())?;
        ensure!(len < 126, "{text} does not fit a short frame");
        // A final text frame with a mask of zeros, which changes nothing.
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        self.0.get_mut().write_all(&frame)?;
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head)?;
            let len = match head[1] & 0x7f {
                126 => {
                    let mut len = [0; 2];
                    self.0.read_exact(&mut len)?;
                    u64::from(u16::from_be_bytes(len))
                }
                127 => {
                    let mut len = [0; 8];
                    self.0.read_exact(&mut len)?;
                    u64::from_be_bytes(len)
                }
                short => u64::from(short),
            };
            let mut text = vec![0; usize::try_from(len)?];
            self.0.read_exact(&mut text)?;
            if String::from_utf8_lossy(&text).contains(until) {
                return Ok(());
            }
        }
    }
}

/// The address on which a process's inspector listens.
fn inspector(process: &NodeProcess) -> Result<String> {
    let inode_of = |fd: std::fs::DirEntry| {
        let link = std::fs::read_link(fd.path()).ok()?;
        let link = link.to_str()?.strip_prefix("socket:[")?;
        Some(link.strip_suffix(']')?.to_owned())
    };
    let fds = std::fs::read_dir(format!("/proc/{}/fd", process.pid()))?;
    let inodes: Vec<String> = fds.flatten().filter_map(inode_of).collect();
    let sockets = std::fs::read_to_string("/proc/net/tcp")?;
    let port = sockets.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // State 0A listens; the tenth field is the inode.
        let is_it = fields.get(3) == Some(&"0A")
            && inodes
                .iter()
                .any(|inode| fields.get(9) == Some(&inode.as_str()));
        let (_, port) = fields.get(1)?.split_once(':')?;
        is_it.then(|| u16::from_str_radix(port, 16).ok())?
    });
    let port = port.context("the process listens nowhere")?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "GET /json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    )?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut text = String::new();
    let mut reader = BufReader::new(stream);
    while !text.contains("webSocketDebuggerUrl") || !text.trim_end().ends_with(']') {
        ensure!(
            reader.read_line(&mut text)? > 0,
            "the inspector lists nothing: {text}"
        );
    }
    let (_, rest) = text
        .split_once("\"webSocketDebuggerUrl\": \"")
        .context("no address")?;
    let (url, _) = rest.split_once('"').context("the address has no end")?;
    Ok(url.to_owned())
}

#[test]
fn a_process_that_is_debugged() -> Result<()> {
    let mut process = Workload::new("blocked.js", nodes::USUAL)?
        .node_argument("--inspect=127.0.0.1:0")
        .spawn()?;
    let modes = modes::working(process.pid())?;
    let mut debugger = Debugger::connect(&inspector(&process)?)?;
    debugger.ask("Debugger.enable", "\"id\":1")?;
    debugger.ask("Debugger.pause", "Debugger.paused")?;
    for mode in modes {
        let summary = capture(process.pid(), mode)?;
        ensure!(summary["mode"] == mode, "{summary}");
        // It is still paused, and the debugger still connected.
        debugger.ask("Debugger.stepOver", "Debugger.paused")?;
    }
    debugger.ask("Debugger.resume", "Debugger.resumed")?;
    process.ask("signals")?;
    Ok(())
}
