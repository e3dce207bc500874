//! Processes in namespaces, captured from outside and from beside; and processes of an ordinary user.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::patience::Patient;
use v8mini_tests::vitals::Vitals;
use v8mini_tests::{NodeProcess, Tools, Workload, dist, modes, nodes};

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// A process that is number 1 in namespaces of its own.
struct Container {
    /// `unshare`, whose child is the process.
    process: NodeProcess,
    /// The process's number outside.
    pid: u32,
}

impl Container {
    /// `None` where namespaces cannot be made.
    fn new(namespaces: &[&str]) -> Result<Option<Self>> {
        let works = Command::new("unshare")
            .args(namespaces)
            .args(["--fork", "--mount-proc", "true"])
            .stderr(Stdio::null())
            .status();
        if !works.is_ok_and(|status| status.success()) {
            println!("not tested: namespaces {namespaces:?} cannot be made here");
            return Ok(None);
        }
        let mut workload = Workload::on("unshare", "blocked.js");
        for argument in namespaces {
            workload = workload.node_argument(argument);
        }
        let process = workload
            .node_argument("--fork")
            .node_argument("--kill-child")
            .node_argument("--mount-proc")
            .node_argument(&nodes::ensure(nodes::USUAL)?.path)
            .spawn()?;
        ensure!(process.truth["pid"] == 1, "{}", process.truth);
        let outer = process.pid();
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"))?;
        let pid = children.trim().parse().context(children)?;
        Ok(Some(Self { process, pid }))
    }
}

const ALL_NAMESPACES: [&str; 4] = ["--user", "--map-root-user", "--pid", "--mount"];

fn capture(pid: u32, mode: &str) -> Result<Value> {
    let pid = pid.to_string();
    let arguments = [&pid, "--mode", mode, "--dry-run", "--json"];
    Tools::get().capture(arguments)?.json()
}

#[test]
fn from_outside() -> Result<()> {
    for namespaces in [&ALL_NAMESPACES[..], &ALL_NAMESPACES[2..]] {
        let Some(mut container) = Container::new(namespaces)? else {
            continue;
        };
        let modes = modes::working(container.pid)?;
        let vitals = Vitals::of(container.pid)?;
        for mode in modes {
            let summary = capture(container.pid, mode)?;
            ensure!(summary["mode"] == mode, "{namespaces:?}: {summary}");
            ensure!(
                summary["node_version"] == format!("v{}", nodes::USUAL)
                    || summary["node_version"] == nodes::USUAL,
                "{summary}"
            );
            vitals.check_after_capture()?;
        }
        container.process.ask("signals")?;
    }
    Ok(())
}

/// Checks that a capture was made in the mode that was asked for. `fork` and `stop` need nothing that anybody could lack who may trace the
/// process; whether the kernel grants what the others need depends on its settings, and then there is a reason.
fn ensure_mode(asked: &str, summary: &Value) -> Result<()> {
    let reasons = summary["declined"].as_array().map_or(0, Vec::len);
    let may_decline = !["fork", "stop"].contains(&asked);
    ensure!(
        summary["mode"] == asked || (may_decline && (asked == "auto" || reasons > 0)),
        "{asked}: {summary}"
    );
    println!("{asked}: {} {}", summary["mode"], summary["declined"]);
    Ok(())
}

#[test]
fn from_a_sidecar() -> Result<()> {
    let Some(mut container) = Container::new(&ALL_NAMESPACES)? else {
        return Ok(());
    };
    let vitals = Vitals::of(container.pid)?;
    for mode in ["auto", "log", "precopy", "fork", "stop"] {
        let output = Command::new("nsenter")
            .args(["--target", &container.pid.to_string()])
            .args(["--user", "--pid", "--mount", "--preserve-credentials"])
            .arg(&Tools::get().capture)
            .args(["1", "--mode", mode, "--dry-run", "--json"])
            .output_in_time()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{mode}: {said}");
        let summary: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(summary["pid"] == 1, "{summary}");
        ensure_mode(mode, &summary)?;
        vitals.check_after_capture()?;
    }
    container.process.ask("signals")?;
    Ok(())
}

/// A directory that everybody may look into, with copies of what an ordinary user needs.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .permissions(everybody())
            .tempdir()?;
        let workloads = v8mini_tests::workspace_root().join("tests/workloads");
        let files = [
            nodes::ensure(nodes::USUAL)?.path,
            Tools::get().capture.clone(),
            workloads.join("blocked.js"),
            workloads.join("protocol.js"),
        ];
        for file in files {
            let copy = dir
                .path()
                .join(file.file_name().context("a file has a name")?);
            fs::copy(file, &copy)?;
            fs::set_permissions(&copy, everybody())?;
        }
        Ok(Self { dir })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn everybody() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o755)
}

#[test]
fn an_ordinary_users_own_process() -> Result<()> {
    if !is_root() {
        println!("not tested as another user: the other tests run as an ordinary user here");
        return Ok(());
    }
    let home = Home::new()?;
    let program = home.file("blocked.js");
    let mut process = Workload::on(home.file("node"), program.to_str().context("path")?)
        .with(|command| {
            command.uid(NOBODY).gid(NOBODY).current_dir("/");
        })
        .spawn()?;
    let vitals = Vitals::of(process.pid())?;
    for mode in ["auto", "log", "precopy", "fork", "stop"] {
        let output = Command::new(home.file("v8mini-capture"))
            .args([
                &process.pid().to_string(),
                "--mode",
                mode,
                "--dry-run",
                "--json",
            ])
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/")
            .output_in_time()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{mode}: {said}");
        let summary: Value = serde_json::from_slice(&output.stdout)?;
        ensure_mode(mode, &summary)?;
        vitals.check_after_capture()?;
    }
    process.ask("signals")?;
    Ok(())
}

#[test]
fn the_static_binary_in_an_empty_root() -> Result<()> {
    let binary = dist::static_capture()?;
    let size = binary.metadata()?.len();
    println!("the static binary has {size} bytes; the aim is less than 3,000,000");
    ensure!(size < 4 << 20, "the static binary has {size} bytes");
    ensure_static(&binary)?;
    if !is_root() {
        println!("not tested in a root of its own: only root can change it");
        return Ok(());
    }
    let mut process = Workload::new("blocked.js", nodes::USUAL)?.spawn()?;
    let vitals = Vitals::of(process.pid())?;
    let root = tempfile::tempdir()?;
    fs::copy(&binary, root.path().join("v8mini-capture"))?;
    fs::create_dir(root.path().join("proc"))?;
    // Its own mount namespace, so that the mount ends with it.
    let script = r#"mount --rbind /proc "$1/proc" && exec chroot "$1" /v8mini-capture "$2" -o /heap.v8mini --json"#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(root.path())
        .arg(process.pid().to_string())
        .output_in_time()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    vitals.check_after_capture()?;
    process.ask("signals")?;
    let info = Tools::get().query("info", &root.path().join("heap.v8mini"), &[])?;
    ensure!(
        info.to_string().contains(nodes::USUAL),
        "the capture does not name its Node.js: {info}"
    );
    Ok(())
}

/// Checks that a binary asks for no dynamic linker.
fn ensure_static(binary: &Path) -> Result<()> {
    let header = Command::new("readelf").arg("-lW").arg(binary).output();
    match header {
        Ok(header) => {
            let text = String::from_utf8_lossy(&header.stdout);
            ensure!(
                text.contains("LOAD") && !text.contains("INTERP"),
                "{} needs a dynamic linker: {text}",
                binary.display()
            );
        }
        Err(error) => println!("not looked at by readelf: {error}"),
    }
    Ok(())
}
