//! What a program sees of a capture in its blocking system calls: no more than of a debugger that stops it.

#![cfg(all(feature = "live", target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::libc;
use v8mini_capture::linux::{
    AtStop, ForkedClone, Frozen, FrozenView, Injector, NewPage, Planner, RemoteMemory, Snapshotter,
    Watch, read_regions,
};
use v8mini_format::memory::{Memory, MemoryRange};

/// Set in the environment of the child in which this program is the target.
const TARGET: &str = "V8MINI_TEST_TARGET";
/// How long the target's calls block.
const SPAN: Duration = Duration::from_millis(1500);
/// Times that the target is stopped meanwhile.
const STOPS: u32 = 5;

fn timespec() -> libc::timespec {
    libc::timespec {
        tv_sec: 1,
        tv_nsec: 500_000_000,
    }
}

/// A system call, and its name.
type NamedCall = (&'static str, fn() -> libc::c_long);

/// The blocking calls, made without the C library, which might hide what the kernel says. Each returns the kernel's result.
fn blocking_calls() -> Vec<NamedCall> {
    // SAFETY: all pointers point to values that live as long as the call.
    unsafe {
        vec![
            ("nanosleep", || {
                let time = timespec();
                libc::syscall(libc::SYS_nanosleep, &raw const time, 0)
            }),
            ("poll", || libc::syscall(libc::SYS_poll, 0, 0, 1500)),
            ("select", || {
                let mut time = libc::timeval {
                    tv_sec: 1,
                    tv_usec: 500_000,
                };
                libc::syscall(libc::SYS_select, 0, 0, 0, 0, &raw mut time)
            }),
            ("futex", || {
                let (word, time) = (0_u32, timespec());
                let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
                libc::syscall(libc::SYS_futex, &raw const word, wait, 0, &raw const time)
            }),
            ("epoll_wait", || {
                let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
                let mut event = libc::epoll_event { events: 0, u64: 0 };
                libc::syscall(libc::SYS_epoll_wait, epoll, &raw mut event, 1, 1500)
            }),
            ("read", || {
                let mut ends = [0; 2];
                libc::pipe(ends.as_mut_ptr());
                let writer = ends[1];
                std::thread::spawn(move || {
                    std::thread::sleep(SPAN);
                    libc::write(writer, [7_u8].as_ptr().cast(), 1)
                });
                let mut byte = 0_u8;
                libc::syscall(libc::SYS_read, ends[0], &raw mut byte, 1)
            }),
        ]
    }
}

/// Not a test of this process: the target runs it, and says what its calls returned and whether they took their time.
#[test]
fn target() {
    if std::env::var_os(TARGET).is_none() {
        return;
    }
    let calls: Vec<_> = blocking_calls()
        .into_iter()
        .map(|(name, call)| {
            std::thread::spawn(move || {
                let start = Instant::now();
                let result = call();
                let error = std::io::Error::last_os_error();
                let early = start.elapsed() + Duration::from_millis(2) < SPAN;
                let outcome = if result < 0 {
                    format!("error {}", error.raw_os_error().unwrap_or(0))
                } else {
                    format!("returned {result}")
                };
                println!(
                    "outcome {name}: {outcome}{}",
                    if early { " early" } else { "" }
                );
            })
        })
        .collect();
    // It waits for a futex without a time limit: the thread that a capture may use.
    let idle = std::thread::spawn(std::thread::park);
    println!("ready");
    for call in calls {
        call.join().unwrap();
    }
    idle.thread().unpark();
    println!("done");
    // Ends with the parent, too.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Runs the target, calls `disturb` a few times while it is blocked, and returns what it saw.
fn outcomes(disturb: &dyn Fn(i32)) -> BTreeMap<String, String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "target", "--nocapture", "--test-threads=1"])
        .env(TARGET, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert!(lines.any(|line| line.contains("ready")));
    std::thread::sleep(Duration::from_millis(100));
    for _ in 0..STOPS {
        disturb(pid);
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcomes = lines
        .by_ref()
        .take_while(|line| !line.contains("done"))
        .filter_map(|line| {
            let (name, outcome) = line.split_once("outcome ")?.1.split_once(": ")?;
            Some((name.to_owned(), outcome.to_owned()))
        })
        .collect();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    outcomes
}

/// Wants the first range of memory, whatever it is.
struct Something;

impl Planner for Something {
    fn plan(&mut self, frozen: FrozenView<'_>) -> Vec<MemoryRange> {
        frozen.memory.ranges().into_iter().take(1).collect()
    }

    fn watch(&mut self, _live: FrozenView<'_>) -> Watch {
        Watch::default()
    }

    fn prepare(&mut self, _live: FrozenView<'_>) {}

    fn at_stop(&mut self, _frozen: FrozenView<'_>) -> AtStop {
        AtStop::default()
    }

    fn is_collecting(&self) -> bool {
        false
    }

    fn new_page(&mut self, _memory: &dyn Memory, _base: u64) -> NewPage {
        NewPage::None
    }
}

#[test]
fn a_clone_is_no_worse_than_a_stop() {
    let undisturbed = outcomes(&|_| {});
    assert_eq!(undisturbed.len(), blocking_calls().len(), "{undisturbed:?}");
    let stopped = outcomes(&|pid| drop(Frozen::stop(pid).unwrap()));
    let cloned = outcomes(&|pid| {
        let regions = read_regions(pid).unwrap();
        let memory = RemoteMemory::new(pid, &regions, 4096);
        let injector = Injector::find(pid, &memory, &regions).unwrap();
        let snapshot = ForkedClone::new(pid, 4096, injector, 1 << 20)
            .unwrap()
            .snapshot(&mut Something)
            .unwrap();
        assert!(snapshot.memory.len_bytes() > 0);
        // On a busy machine a thread may take its time to stop.
        let problems = snapshot.problems.iter();
        let other: Vec<_> = problems.filter(|p| p.stage != "thread").collect();
        assert!(other.is_empty(), "{other:?}");
    });
    println!("undisturbed {undisturbed:?}\nstopped     {stopped:?}\ncloned      {cloned:?}");
    assert_eq!(cloned, stopped);
    // EINTR from epoll_wait is the kernel's answer to any stop; all else goes on as if nothing had happened.
    for (name, outcome) in &cloned {
        if name != "epoll_wait" {
            assert_eq!(Some(outcome), undisturbed.get(name), "{name}");
        }
    }
}
