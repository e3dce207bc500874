//! The capture tool is killed, again and again, and the service that it captures never notices.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use v8mini_tests::assassin::{Ending, kill_at};
use v8mini_tests::patience::wait_for;
use v8mini_tests::vitals::Vitals;
use v8mini_tests::{NodeProcess, Tools, Workload, modes, nodes};

/// Captures in each mode that are let be, to count the moments.
const WHOLE_CAPTURES: usize = 3;
/// Moments at which the tool is killed, for each mode, about: they are spread evenly over those that there are.
const MOMENTS: usize = 50;
/// Kills at random times, for each mode and release.
const RANDOM_KILLS: u32 = 12;
/// Kills in one run, of a machine where every mode works; where one does not, its share is missing.
const KILLS: usize = 300;
const MODES: usize = 4;
/// A release without, and the newest with, memory that is hidden from clones.
const OTHERS: [&str; 2] = ["16.20.2", "26.10.0"];

/// A capture that writes nowhere.
fn capture(service: &NodeProcess, mode: &str) -> Command {
    let mut command = Command::new(&Tools::get().capture);
    command
        .arg(service.pid().to_string())
        .args(["--mode", mode, "--dry-run", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn service(release: &str) -> Result<NodeProcess> {
    // Few clients: the service shall be busy, and the test get on nevertheless.
    Workload::new("http-service.js", release)?.spawn_with(&["--clients", "2"])
}

/// A whole capture in this mode, after which nothing is left of those that were killed; how long it took.
fn capture_wholly(service: &NodeProcess, vitals: &Vitals, mode: &str) -> Result<Duration> {
    let began = Instant::now();
    let pid = service.pid().to_string();
    let arguments = [&pid, "--mode", mode, "--dry-run", "--json"].map(OsStr::new);
    let summary = Tools::get().capture(arguments)?.json()?;
    ensure!(
        summary["mode"] == mode,
        "the capture was taken in another mode than {mode}: {summary}"
    );
    let elapsed = began.elapsed();
    vitals
        .check_after_capture()
        .with_context(|| mode.to_owned())?;
    Ok(elapsed)
}

fn ensure_all_answered(mut service: NodeProcess) -> Result<()> {
    let report = service.ask("stop")?;
    ensure!(report["failed"] == 0, "requests failed: {report}");
    ensure!(
        report["sent"] == report["answered"],
        "requests were lost: {report}"
    );
    ensure!(
        report["answered"].as_u64() > Some(100),
        "the service was idle: {report}"
    );
    Ok(())
}

#[test]
fn whenever_it_is_killed_nothing_is_lost() -> Result<()> {
    let (modes, at_calls) = before_and_behind_each_call_that_reaches_the_target()?;
    let at_random = at_random_times()?;
    println!("killed {at_calls} times at calls and {at_random} times at random, in {modes} modes");
    ensure!(
        (at_calls + at_random) * MODES >= KILLS * modes,
        "only {at_calls} and {at_random} kills in {modes} modes"
    );
    Ok(())
}

/// How many modes there are, and how often the tool was killed.
fn before_and_behind_each_call_that_reaches_the_target() -> Result<(usize, usize)> {
    let service = service(nodes::USUAL)?;
    let modes = modes::working(service.pid())?;
    let vitals = Vitals::of(service.pid())?;
    let mut kills = 0;
    for &mode in &modes {
        capture_wholly(&service, &vitals, mode)?;
        // How many rounds a live copy takes is up to the service: the shortest of several captures has moments that most have.
        let mut moments = usize::MAX;
        for _ in 0..WHOLE_CAPTURES {
            let ending = kill_at(capture(&service, mode), usize::MAX)?;
            let Ending::Exited { moments: all, code } = ending else {
                bail!("{mode}: it was killed although nobody was to kill it");
            };
            ensure!(
                matches!(code, 0 | 3) && all > 50,
                "{mode}: exit code {code} after {all} moments"
            );
            moments = moments.min(all);
        }
        let mut killed = BTreeMap::<&str, usize>::new();
        let step = (moments / MOMENTS).max(1);
        for moment in (0..moments).step_by(step) {
            let ending = kill_at(capture(&service, mode), moment)?;
            vitals
                .check_after_kill()
                .with_context(|| format!("{mode}, moment {moment} of {moments}: {ending:?}"))?;
            if let Ending::Killed(call) = ending {
                *killed.entry(call).or_default() += 1;
            }
        }
        println!("{mode}: killed at {moments} moments / {step}: {killed:?}");
        let times = killed.values().sum::<usize>();
        ensure!(
            times > MOMENTS / 2,
            "{mode}: it was killed too rarely: {killed:?}"
        );
        kills += times;
        capture_wholly(&service, &vitals, mode)?;
    }
    ensure_all_answered(service)?;
    Ok((modes.len(), kills))
}

/// How often the tool was killed.
fn at_random_times() -> Result<usize> {
    let mut kills = 0;
    for release in [nodes::USUAL].iter().chain(&OTHERS) {
        let service = service(release)?;
        let modes = modes::working(service.pid())?;
        let vitals = Vitals::of(service.pid())?;
        for mode in modes {
            let span = capture_wholly(&service, &vitals, mode)?;
            for number in 1..=RANDOM_KILLS {
                let mut tool = capture(&service, mode).spawn()?;
                // Multiples of the golden ratio are spread evenly, and never repeat.
                let share = (f64::from(number) * 0.618_033_988_749_895).fract();
                thread::sleep(span.mul_f64(share));
                tool.kill()?;
                // It may have been faster.
                let status = wait_for(&mut tool, "the killed tool")?;
                kills += usize::from(status.signal() == Some(libc::SIGKILL));
                vitals.check_after_kill().with_context(|| {
                    format!("Node.js {release}, {mode}, {share:.3} of {span:?}")
                })?;
            }
            capture_wholly(&service, &vitals, mode)?;
        }
        ensure_all_answered(service)?;
    }
    Ok(kills)
}
