//! Freezing real processes, and letting them go.

#![cfg(all(feature = "live", target_os = "linux"))]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use v8mini_capture::linux::{CaptureError, Frozen, Options, capture};

/// Kills the child at the end of a test, however it ends.
struct Target(Child);

impl Target {
    fn spawn(command: &mut Command) -> Self {
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    /// This test program again, as a process that makes and ends threads without pause.
    fn churning() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let target = Self::spawn(
            command
                .args(["--exact", "churning_threads"])
                .env(CHURN, "1"),
        );
        wait_until(|| target.threads().len() > 4);
        target
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid()))
            .into_iter()
            .flatten();
        tasks
            .map(|task| task.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// The states of all threads, such as `SSR`.
    fn states(&self) -> String {
        let state = |tid: String| {
            let stat = fs::read_to_string(format!("/proc/{}/task/{tid}/stat", self.pid())).ok()?;
            stat.rsplit_once(") ")?.1.chars().next()
        };
        self.threads().into_iter().filter_map(state).collect()
    }

    fn tracer(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"))
            .unwrap()
            .trim()
            .to_owned()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "nothing happened for 20 s");
        std::thread::sleep(Duration::from_millis(1));
    }
}

const CHURN: &str = "V8MINI_TEST_CHURN";

/// Not a test of this process: the child of [`Target::churning`] runs it, for at most a minute.
#[test]
fn churning_threads() {
    if std::env::var_os(CHURN).is_none() {
        return;
    }
    let end = Instant::now() + Duration::from_secs(60);
    let churn = move || {
        while Instant::now() < end {
            std::thread::spawn(|| std::thread::spawn(|| std::hint::black_box(1)).join())
                .join()
                .unwrap()
                .unwrap();
        }
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(churn)).collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn stops_and_lets_go() {
    let target = Target::spawn(Command::new("sleep").arg("1000"));
    wait_until(|| target.states() == "S");
    let frozen = Frozen::stop(target.pid()).unwrap();
    assert_eq!(frozen.threads().collect::<Vec<_>>(), [target.pid()]);
    assert_eq!(target.states(), "t");
    let (pause, report) = frozen.thaw();
    assert!(report.problems.is_empty() && pause > Duration::ZERO);
    assert_eq!(target.tracer(), "0");
    wait_until(|| target.states() == "S");
}

#[test]
fn dropping_lets_go() {
    let target = Target::spawn(Command::new("sleep").arg("1000"));
    drop(Frozen::stop(target.pid()).unwrap());
    assert_eq!(target.tracer(), "0");
    wait_until(|| target.states() == "S");
}

#[test]
fn a_stopped_process_stays_stopped() {
    let target = Target::spawn(Command::new("sleep").arg("1000"));
    target.signal(Signal::SIGSTOP);
    wait_until(|| target.states() == "T");
    let frozen = Frozen::stop(target.pid()).unwrap();
    assert_eq!(frozen.threads().count(), 1);
    frozen.thaw();
    wait_until(|| target.states() == "T");
    target.signal(Signal::SIGCONT);
    wait_until(|| target.states() == "S");
}

#[test]
fn all_threads_of_a_churning_process_stop() {
    let target = Target::churning();
    for _ in 0..50 {
        let frozen = Frozen::stop(target.pid()).unwrap();
        let stopped: Vec<i32> = frozen.threads().collect();
        // Nothing runs, and nothing is born: whoever is listed is stopped by us or dead, or will be as soon as the kernel has
        // done with its exit, for which it can take its time on a busy machine.
        wait_until(|| target.states().chars().all(|state| "tZX".contains(state)));
        let mut listed: Vec<i32> = target
            .threads()
            .iter()
            .map(|tid| tid.parse().unwrap())
            .collect();
        listed.retain(|tid| !stopped.contains(tid));
        for tid in listed {
            let stat = fs::read_to_string(format!("/proc/{}/task/{tid}/stat", target.pid()));
            assert!(
                stat.map_or(true, |stat| stat.contains(") Z") || stat.contains(") X")),
                "{tid} runs on"
            );
        }
        frozen.thaw();
    }
    assert_eq!(target.tracer(), "0");
    wait_until(|| {
        target
            .states()
            .chars()
            .any(|state| state == 'R' || state == 'S')
    });
}

#[test]
fn a_killed_process_is_no_disaster() {
    let target = Target::spawn(Command::new("sleep").arg("1000"));
    let frozen = Frozen::stop(target.pid()).unwrap();
    target.signal(Signal::SIGKILL);
    frozen.thaw();
    wait_until(|| target.states() == "Z");
    assert!(matches!(
        capture(target.pid(), &Options::default(), &mut |_| {}),
        Err(CaptureError::Zombie { .. })
    ));
}

#[test]
fn errors_say_what_to_do() {
    let message = |pid| {
        capture(pid, &Options::default(), &mut |_| {})
            .unwrap_err()
            .to_string()
    };
    let target = Target::spawn(Command::new("sleep").arg("1000"));
    let pid = target.pid();
    assert!(message(pid).contains("no V8"), "{}", message(pid));
    assert!(message(1 << 23).contains("no process 8388608"));
    // kthreadd, where the kernel's own threads are visible.
    if fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        assert!(message(2).contains("a kernel thread"), "{}", message(2));
    }
    assert!(message(0).contains("no process 0"));
    assert!(message(-5).contains("no process -5"));
    assert!(message(std::process::id() as i32).contains("this program itself"));
    // The number of a thread of this very test.
    let (tid, end) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || end.recv().is_err());
    let own_threads = fs::read_dir("/proc/self/task").unwrap();
    let other = own_threads
        .map(|task| {
            task.unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .parse::<i32>()
                .unwrap()
        })
        .find(|tid| *tid != std::process::id() as i32)
        .unwrap();
    let message = message(other);
    assert!(
        message.contains("thread of process") && message.contains(&std::process::id().to_string()),
        "{message}"
    );
    drop(tid);
    assert!(thread.join().unwrap());
}

#[test]
fn a_second_tracer_is_told_of_the_first() {
    let target = Target::spawn(Command::new("sleep").arg("1000"));
    let frozen = Frozen::stop(target.pid()).unwrap();
    // Another thread is another tracer.
    let pid = target.pid();
    let error = std::thread::spawn(move || Frozen::stop(pid).map(drop))
        .join()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(error.contains("already traced by process"), "{error}");
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    frozen.thaw();
}
