//! System calls in another process, which is afterwards as it was before.

#![cfg(all(feature = "live", target_os = "linux", target_arch = "x86_64"))]

use std::arch::{asm, is_x86_feature_detected};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use v8mini_capture::linux::{Argument, Call, Frozen, Injector, RemoteMemory, Why, read_regions};

/// Set in the environment of the child in which this program is the target: how many threads wait.
const TARGET: &str = "V8MINI_TEST_TARGET";
const LIMIT: Duration = Duration::from_secs(20);
/// A signal that the waiting thread blocks.
const BLOCKED: libc::c_int = libc::SIGUSR1;
/// Bytes that a thread keeps in its vector registers: 16 registers of 256 bits.
const VECTORS: usize = 16 * 32;

/// The futex that the target's thread waits for.
static FUTEX: AtomicU32 = AtomicU32::new(0);

/// Waits for the futex without a time limit and with all AVX registers full; returns what they hold afterwards.
///
/// # Safety
/// The processor must have AVX.
#[target_feature(enable = "avx")]
unsafe fn wait_with_full_vectors(full: &[u8; VECTORS], after: &mut [u8; VECTORS]) {
    // SAFETY: all registers that change are declared; both arrays have the size that is loaded and stored; the futex is static.
    unsafe {
        asm!(
            "vmovdqu ymm0, [r12]", "vmovdqu ymm1, [r12+32]", "vmovdqu ymm2, [r12+64]", "vmovdqu ymm3, [r12+96]",
            "vmovdqu ymm4, [r12+128]", "vmovdqu ymm5, [r12+160]", "vmovdqu ymm6, [r12+192]", "vmovdqu ymm7, [r12+224]",
            "vmovdqu ymm8, [r12+256]", "vmovdqu ymm9, [r12+288]", "vmovdqu ymm10, [r12+320]", "vmovdqu ymm11, [r12+352]",
            "vmovdqu ymm12, [r12+384]", "vmovdqu ymm13, [r12+416]", "vmovdqu ymm14, [r12+448]", "vmovdqu ymm15, [r12+480]",
            "syscall",
            "vmovdqu [r13], ymm0", "vmovdqu [r13+32], ymm1", "vmovdqu [r13+64], ymm2", "vmovdqu [r13+96], ymm3",
            "vmovdqu [r13+128], ymm4", "vmovdqu [r13+160], ymm5", "vmovdqu [r13+192], ymm6", "vmovdqu [r13+224], ymm7",
            "vmovdqu [r13+256], ymm8", "vmovdqu [r13+288], ymm9", "vmovdqu [r13+320], ymm10", "vmovdqu [r13+352], ymm11",
            "vmovdqu [r13+384], ymm12", "vmovdqu [r13+416], ymm13", "vmovdqu [r13+448], ymm14", "vmovdqu [r13+480], ymm15",
            inlateout("rax") libc::SYS_futex => _,
            in("rdi") FUTEX.as_ptr(), in("rsi") libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, in("rdx") 0, in("r10") 0,
            in("r12") full.as_ptr(), in("r13") after.as_mut_ptr(),
            out("rcx") _, out("r11") _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _,
            out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _,
            out("xmm14") _, out("xmm15") _,
        );
    }
}

fn alternate_stack() -> libc::stack_t {
    let mut stack = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    // SAFETY: nothing is set, and `stack` is a valid place for the answer.
    let result = unsafe { libc::sigaltstack(std::ptr::null(), &raw mut stack) };
    assert_eq!(result, 0);
    stack
}

/// Not a test of this process: the target runs it. One thread waits with full registers; woken at the end of standard input, it
/// says `unharmed` if everything is as it left it.
#[test]
fn target() {
    if std::env::var_os(TARGET).is_none() {
        return;
    }
    let waiting = std::thread::spawn(|| {
        let mut full = [0; VECTORS];
        for (byte, value) in full.iter_mut().zip((1..=251_u8).cycle()) {
            *byte = value;
        }
        let mut after = [0; VECTORS];
        let stack = alternate_stack();
        // SAFETY: both sets are valid; the mask is this thread's own.
        unsafe {
            let mut signals = std::mem::zeroed();
            libc::sigemptyset(&raw mut signals);
            libc::sigaddset(&raw mut signals, BLOCKED);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut());
        }
        println!("ready");
        // SAFETY: the parent does not start this without AVX.
        unsafe { wait_with_full_vectors(&full, &mut after) };
        let now = alternate_stack();
        (full == after && FUTEX.load(Ordering::SeqCst) == 1)
            && (stack.ss_sp, stack.ss_size, stack.ss_flags)
                == (now.ss_sp, now.ss_size, now.ss_flags)
    });
    // Ends with the parent, too.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    FUTEX.store(1, Ordering::SeqCst);
    // SAFETY: wakes whoever waits for the futex.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            FUTEX.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        )
    };
    println!(
        "{}",
        if waiting.join().unwrap() {
            "unharmed"
        } else {
            "harmed"
        }
    );
}

/// This program again, as the target.
struct Target {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Target {
    /// `None` on a machine without AVX.
    fn spawn() -> Option<Self> {
        if !is_x86_feature_detected!("avx") {
            println!("not tested: this processor has no AVX");
            return None;
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "target", "--nocapture", "--test-threads=1"])
            .env(TARGET, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut target = Self {
            stdin: child.stdin.take(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        };
        target.expect("ready");
        // It says so before it waits.
        while !target.threads().iter().any(|tid| target.is_waiting(tid)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Some(target)
    }

    fn expect(&mut self, word: &str) {
        let found = self
            .lines
            .find(|line| line.as_ref().unwrap().contains(word));
        assert!(found.is_some(), "the target never said {word:?}");
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn threads(&self) -> Vec<String> {
        fs::read_dir(format!("/proc/{}/task", self.pid()))
            .unwrap()
            .map(|task| task.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn status(&self, tid: &str) -> String {
        fs::read_to_string(format!("/proc/{}/task/{tid}/status", self.pid())).unwrap()
    }

    /// Whether this is the thread that waits with full registers: it blocks the signal.
    fn is_waiting(&self, tid: &str) -> bool {
        let status = self.status(tid);
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        u64::from_str_radix(blocked.unwrap().trim(), 16).unwrap() == 1 << (BLOCKED - 1)
            && status.contains("State:\tS")
    }

    fn descriptors(&self) -> Vec<u64> {
        let mut found: Vec<u64> = fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .map(|fd| fd.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        found.sort_unstable();
        found
    }

    fn injector(&self) -> Injector {
        let regions = read_regions(self.pid()).unwrap();
        let memory = RemoteMemory::new(self.pid(), &regions, 4096);
        Injector::find(self.pid(), &memory, &regions).unwrap()
    }

    /// Lets the thread look at itself.
    fn must_be_unharmed(mut self) {
        drop(self.stdin.take());
        self.expect("unharmed");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn call<const N: usize>(number: libc::c_long, arguments: [Argument; N]) -> Call {
    Call::new(number, arguments)
}

#[test]
fn calls_return_and_the_thread_is_as_it_was() {
    let Some(target) = Target::spawn() else {
        return;
    };
    let injector = target.injector();
    let pid = u64::try_from(target.pid()).unwrap();
    for _ in 0..200 {
        let returned = injector
            .run(
                &[
                    call(libc::SYS_getpid, []),
                    call(libc::SYS_close, [u64::from(u32::MAX).into()]),
                    call(libc::SYS_getppid, []),
                ],
                LIMIT,
                &mut |_, _| {},
            )
            .unwrap();
        let parent = u64::from(std::process::id());
        assert_eq!(returned, [Ok(pid), Err(Errno::EBADF), Ok(parent)]);
    }
    target.must_be_unharmed();
}

#[test]
fn a_result_is_the_argument_of_a_later_call() {
    let Some(target) = Target::spawn() else {
        return;
    };
    let before = target.descriptors();
    let pid = target.pid();
    let calls = [
        call(libc::SYS_dup, [0.into()]),
        call(libc::SYS_getpid, []),
        call(libc::SYS_close, [Argument::ResultOf(0)]),
    ];
    let mut meanwhile = None;
    let returned = target
        .injector()
        .run(&calls, LIMIT, &mut |index, returned| {
            if index == 0 {
                let descriptor = returned.unwrap();
                meanwhile = Some(fs::exists(format!("/proc/{pid}/fd/{descriptor}")).unwrap());
            }
        })
        .unwrap();
    assert!(returned.iter().all(Result::is_ok), "{returned:?}");
    assert_eq!(meanwhile, Some(true));
    assert_eq!(target.descriptors(), before);
    target.must_be_unharmed();
}

#[test]
fn an_error_is_no_argument() {
    let Some(target) = Target::spawn() else {
        return;
    };
    let before = target.descriptors();
    let calls = [
        call(libc::SYS_dup, [u64::from(u32::MAX).into()]),
        call(libc::SYS_close, [Argument::ResultOf(0)]),
    ];
    let returned = target
        .injector()
        .run(&calls, LIMIT, &mut |_, _| {})
        .unwrap();
    assert_eq!(returned, [Err(Errno::EBADF), Err(Errno::EBADF)]);
    assert_eq!(target.descriptors(), before);
    target.must_be_unharmed();
}

#[test]
fn works_in_a_process_that_stands_still() {
    let Some(target) = Target::spawn() else {
        return;
    };
    let injector = target.injector();
    let regions = read_regions(target.pid()).unwrap();
    let frozen = Frozen::stop(target.pid()).unwrap();
    let clone = libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_IO;
    let calls = [
        call(
            libc::SYS_clone,
            [
                u64::from(clone.cast_unsigned()).into(),
                Argument::ChildStack,
            ],
        ),
        call(libc::SYS_getpid, []),
    ];
    let outcome = injector
        .run_frozen(&frozen, &regions, &calls, &[], LIMIT)
        .unwrap();
    frozen.thaw();
    let child = outcome.child.unwrap();
    let numbers = [child, target.pid()].map(|pid| Ok(u64::try_from(pid).unwrap()));
    assert_eq!(outcome.returned, numbers);
    // It waits for its tracer, this thread; killed, it waits for its parent, whom nothing tells.
    kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    let waited = unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) };
    assert_eq!(waited, child);
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
    assert!(stat.contains(") Z"), "{stat}");
    let wait4 = call(
        libc::SYS_wait4,
        [
            u64::try_from(child).unwrap().into(),
            0.into(),
            u64::try_from(libc::__WALL | libc::WNOHANG).unwrap().into(),
        ],
    );
    let reaped = injector.run(&[wait4], LIMIT, &mut |_, _| {}).unwrap();
    assert_eq!(reaped, [Ok(u64::try_from(child).unwrap())]);
    assert!(!fs::exists(format!("/proc/{child}")).unwrap());
    target.must_be_unharmed();
}

#[test]
fn signals_get_through() {
    let Some(target) = Target::spawn() else {
        return;
    };
    let injector = target.injector();
    let pid = Pid::from_raw(target.pid());
    let storm = std::thread::spawn(move || {
        for _ in 0..2000 {
            // Ignored by default: the thread is interrupted all the same.
            kill(pid, Signal::SIGWINCH).unwrap();
            kill(pid, Signal::SIGCONT).unwrap();
        }
    });
    while !storm.is_finished() {
        match injector.run(&[call(libc::SYS_getpid, [])], LIMIT, &mut |_, _| {}) {
            Ok(returned) => assert_eq!(returned, [Ok(u64::try_from(pid.as_raw()).unwrap())]),
            Err(why) => assert!(matches!(why, Why::NoIdleThread { .. }), "{why}"),
        }
    }
    storm.join().unwrap();
    target.must_be_unharmed();
}

#[test]
fn what_is_stopped_or_busy_is_left_alone() {
    let Some(target) = Target::spawn() else {
        return;
    };
    let injector = target.injector();
    let pid = Pid::from_raw(target.pid());
    kill(pid, Signal::SIGSTOP).unwrap();
    while !target.status(&pid.to_string()).contains("State:\tT") {
        std::thread::sleep(Duration::from_millis(1));
    }
    let getpid = [call(libc::SYS_getpid, [])];
    let run = || injector.run(&getpid, LIMIT, &mut |_, _| {});
    assert_eq!(run(), Err(Why::Stopped));
    assert!(target.status(&pid.to_string()).contains("State:\tT"));
    kill(pid, Signal::SIGCONT).unwrap();
    assert!(run().is_ok());
    target.must_be_unharmed();

    let mut sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = i32::try_from(sleep.id()).unwrap();
    let refused = loop {
        let regions = read_regions(pid).unwrap();
        let memory = RemoteMemory::new(pid, &regions, 4096);
        // It may not have loaded the C library yet.
        if let Ok(injector) = Injector::find(pid, &memory, &regions) {
            break injector.run(&getpid, LIMIT, &mut |_, _| {});
        }
    };
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert_eq!(refused, Err(Why::NoIdleThread { threads: 0 }));
}
