//! A service under load that is captured again and again loses no request.

#![cfg(target_os = "linux")]

use anyhow::{Context, Result, ensure};
use v8mini_tests::{Tools, Workload, nodes};

const CAPTURES: u32 = 50;

#[test]
fn no_request_is_lost() -> Result<()> {
    let mut service = Workload::new("http-service.js", nodes::USUAL)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("service.v8mini");
    let before = service.ask("report")?["answered"]
        .as_u64()
        .context("no report")?;
    for number in 0..CAPTURES {
        Tools::get()
            .capture_to(service.pid(), &file)
            .with_context(|| format!("capture {number}"))?;
    }
    let during = service.ask("report")?;
    let report = service.ask("stop")?;
    ensure!(report["failed"] == 0, "requests failed: {report}");
    ensure!(
        report["sent"] == report["answered"],
        "requests were lost: {report}"
    );
    let answered = during["answered"]
        .as_u64()
        .context("no report")?
        .saturating_sub(before);
    ensure!(
        answered > u64::from(CAPTURES),
        "only {answered} requests were answered meanwhile"
    );
    Ok(())
}
