//! Processes in a seccomp sandbox: a call that the sandbox forbids is never made, because it may end the process.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::io;
use std::os::unix::process::CommandExt;

use anyhow::{Result, ensure};
use libc::{c_long, sock_filter};
use serde_json::Value;
use v8mini_tests::vitals::Vitals;
use v8mini_tests::{NodeProcess, Tools, Workload, nodes};

const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const DEATH: u32 = libc::SECCOMP_RET_KILL_PROCESS;
/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID`, `NEWNET`: with any of them, Docker forbids `clone`.
const NAMESPACES: u32 = 0x7e02_0000;

/// What Docker's default profile answers to the calls that it does not allow a process without capabilities, all of them that
/// exist on x86-64.
const DOCKER: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mbind,
    libc::SYS_mount,
    libc::SYS_move_pages,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// What a filter does about a system call.
#[derive(Clone, Copy)]
enum Rule {
    /// Answers it so.
    Always(c_long, u32),
    /// Answers it so if the argument with this number, and this mask, is not 0.
    IfAny(c_long, u32, u32, u32),
    /// Answers it so if the argument with this number has this value.
    IfEqual(c_long, u32, u32, u32),
}

fn docker() -> Vec<Rule> {
    let denied = DOCKER.iter().map(|call| Rule::Always(*call, EPERM));
    denied
        .chain([
            Rule::IfAny(libc::SYS_clone, 0, NAMESPACES, EPERM),
            // The C library falls back to clone, whose flags a filter can see.
            Rule::Always(libc::SYS_clone3, ENOSYS),
        ])
        .collect()
}

fn instruction(code: u32, jump_true: u8, jump_false: u8, k: u32) -> sock_filter {
    sock_filter {
        code: u16::try_from(code).unwrap_or(0),
        jt: jump_true,
        jf: jump_false,
        k,
    }
}

/// Everything that no rule is about is allowed.
fn filter(rules: &[Rule]) -> Vec<sock_filter> {
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let equals = |value, skip| instruction(libc::BPF_JMP | libc::BPF_JEQ, 0, skip, value);
    let answer = |answer| instruction(libc::BPF_RET, 0, 0, answer);
    let number = |call: c_long| u32::try_from(call).unwrap_or(u32::MAX);
    // Of `struct seccomp_data`: the number, and the low halves of the arguments.
    let argument = |index| load(16 + 8 * index);
    let mut filter = Vec::new();
    for rule in rules {
        filter.push(load(0));
        match *rule {
            Rule::Always(call, action) => filter.extend([equals(number(call), 1), answer(action)]),
            Rule::IfAny(call, index, mask, action) => filter.extend([
                equals(number(call), 3),
                argument(index),
                instruction(libc::BPF_JMP | libc::BPF_JSET, 0, 1, mask),
                answer(action),
            ]),
            Rule::IfEqual(call, index, value, action) => filter.extend([
                equals(number(call), 3),
                argument(index),
                equals(value, 1),
                answer(action),
            ]),
        }
    }
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    filter
}

/// A process in a sandbox.
fn sandboxed(rules: &[Rule]) -> Result<NodeProcess> {
    let filter = filter(rules);
    Workload::new("blocked.js", nodes::USUAL)?
        .with(|command| {
            // SAFETY: prctl is async-signal-safe; the filter was built before.
            unsafe { command.pre_exec(move || install(&filter)) };
        })
        .spawn()
}

fn install(filter: &[sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(0),
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads the program, which lives until it is done.
    let installed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    };
    if installed {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Captures a process, which must come out unharmed.
fn captured(mut process: NodeProcess, mode: &str) -> Result<Value> {
    let vitals = Vitals::of(process.pid())?;
    let pid = process.pid().to_string();
    let summary = Tools::get()
        .capture([&pid, "--mode", mode, "--dry-run", "--json"])?
        .json()?;
    process.ask("signals")?;
    vitals.check_after_capture()?;
    Ok(summary)
}

/// Whether this test may read filters: without, no call is ever made in a sandbox, and every capture is taken by `stop`.
fn may_read_filters() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let itself_free = status.lines().any(|line| line == "Seccomp:\t0");
    if !is_root || !itself_free {
        println!("filters cannot be read here: only the fallback is tested");
    }
    is_root && itself_free
}

#[test]
fn dockers_default_profile() -> Result<()> {
    let summary = captured(sandboxed(&docker())?, "auto")?;
    if !may_read_filters() {
        ensure!(summary["mode"] == "stop", "{summary}");
        return Ok(());
    }
    // It forbids userfaultfd, and allows a plain clone.
    ensure!(summary["mode"] == "fork", "{summary}");
    for declined in summary["declined"].as_array().into_iter().flatten() {
        ensure!(
            declined["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("userfaultfd")),
            "{summary}"
        );
    }
    Ok(())
}

#[test]
fn a_filter_that_forbids_clone() -> Result<()> {
    let rules = [
        Rule::Always(libc::SYS_userfaultfd, EPERM),
        // Threads are still allowed.
        Rule::IfEqual(libc::SYS_clone, 0, 0x8000_0600, EPERM),
    ];
    let summary = captured(sandboxed(&rules)?, "auto")?;
    ensure!(summary["mode"] == "stop", "{summary}");
    if may_read_filters() {
        let declined = summary["declined"].to_string();
        ensure!(
            declined.contains("clone") && declined.contains("EPERM"),
            "{summary}"
        );
    }
    Ok(())
}

#[test]
fn filters_that_kill() -> Result<()> {
    let deadly = [
        Rule::Always(libc::SYS_wait4, DEATH),
        Rule::IfEqual(
            libc::SYS_madvise,
            2,
            libc::MADV_DOFORK.cast_unsigned(),
            DEATH,
        ),
        Rule::IfEqual(libc::SYS_clone, 0, 0x8000_0600, DEATH),
        Rule::IfEqual(libc::SYS_clone, 0, 0x8000_0600, libc::SECCOMP_RET_TRAP),
    ];
    for rule in deadly {
        let rules = [Rule::Always(libc::SYS_userfaultfd, DEATH), rule];
        for mode in ["auto", "fork"] {
            let summary = captured(sandboxed(&rules)?, mode)?;
            ensure!(summary["mode"] == "stop", "{mode}: {summary}");
            let declined = summary["declined"].to_string();
            ensure!(declined.contains("seccomp"), "{mode}: {summary}");
        }
    }
    Ok(())
}
