//! What is said of a core is what is said of the capture converted from it, and of the live process.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use v8mini_tests::core_dump::{self, Signal};
use v8mini_tests::nodes;
use v8mini_tests::patience::Patient;
use v8mini_tests::{NodeProcess, Outcome, Tools, Workload, battery, each_release};

/// Commands that must say the same: of each kind of answer, in text and in JSON.
const QUESTIONS: [&[&str]; 12] = [
    &["info"],
    &["info", "--json"],
    &["histogram", "--limit", "0"],
    &["histogram", "--limit", "0", "--json"],
    &["histogram", "--limit", "0", "--by", "shape"],
    &["histogram", "--limit", "0", "--by", "type"],
    &["histogram", "--limit", "0", "--by", "space", "--json"],
    &["histogram", "--isolate", "0", "--limit", "0"],
    &["instances", "Invoice"],
    &["instances", "Customer", "--json"],
    &["instances", "Function"],
    &["instances", "no such class"],
];

/// Commands about what memory holds, which a live process and its core share; `info` tells how it was taken.
fn is_about_memory(question: &[&str]) -> bool {
    question.first() != Some(&"info")
}

fn ask(question: &[&str], file: &Path, more: &[&str]) -> Result<Outcome> {
    let (command, arguments) = question.split_first().context("an empty question")?;
    let mut line: Vec<&OsStr> = vec![command.as_ref(), file.as_os_str()];
    line.extend(arguments.iter().chain(more).map(OsStr::new));
    Tools::get().analyze(line)
}

/// Both files give the same answers, to the byte, with the same exit code.
fn same_answers(
    one: &Path,
    other: &Path,
    more: &[&str],
    concerned: impl Fn(&[&str]) -> bool,
) -> Result<()> {
    for question in QUESTIONS.iter().filter(|question| concerned(question)) {
        let (a, b) = (ask(question, one, more)?, ask(question, other, &[])?);
        ensure!(
            a.code() != Some(2),
            "`{}` failed: {}",
            a.command,
            a.stderr.trim()
        );
        ensure!(
            a.code() == b.code() && a.stdout == b.stdout && a.stderr == b.stderr,
            "`{}` and `{}` differ:\n{}{}\n--- and ---\n{}{}",
            a.command,
            b.command,
            a.text(),
            a.stderr,
            b.text(),
            b.stderr
        );
    }
    Ok(())
}

/// Converts a core and holds the capture against it.
fn converts(core: &Path, more: &[&str]) -> Result<PathBuf> {
    let capture = core.with_extension("v8mini");
    let mut line: Vec<&OsStr> = vec!["convert".as_ref(), core.as_os_str()];
    line.extend(["-o".as_ref(), capture.as_os_str()]);
    line.extend(more.iter().map(OsStr::new));
    let outcome = Tools::get().analyze(line)?;
    ensure!(
        matches!(outcome.code(), Some(0 | 3)),
        "`{}` failed: {}",
        outcome.command,
        outcome.stderr.trim()
    );
    same_answers(core, &capture, more, |_| true)?;
    same_objects(core, &capture, more)?;
    Ok(capture)
}

/// Objects of many types look the same in both; strings whose characters are in the binary or in `malloc`ed memory above
/// all.
fn same_objects(core: &Path, capture: &Path, more: &[&str]) -> Result<()> {
    let types = ask(
        &["histogram", "--limit", "0", "--by", "type", "--json"],
        core,
        more,
    )?
    .json()?;
    let rows = types["rows"]
        .as_array()
        .context("a histogram without rows")?;
    let wanted = |(at, row): &(usize, &serde_json::Value)| {
        at % 12 == 0
            || row["name"]
                .as_str()
                .is_some_and(|name| name.contains("EXTERNAL"))
    };
    for (_, row) in rows.iter().enumerate().filter(wanted) {
        let Some(address) = row["example"].as_str() else {
            continue;
        };
        let question = ["inspect", address, "--depth", "2", "--string-length", "0"];
        let (a, b) = (ask(&question, core, more)?, ask(&question, capture, &[])?);
        ensure!(
            a.code() == b.code() && a.stdout == b.stdout && a.stderr == b.stderr,
            "the {} at {address} differs:\n{}{}\n--- and ---\n{}{}",
            row["name"],
            a.text(),
            a.stderr,
            b.text(),
            b.stderr
        );
    }
    Ok(())
}

/// A workload of one memory arena: `gcore` stores what glibc reserves for each, 64 MiB.
fn workload(program: &str, release: &str) -> Result<Workload> {
    Ok(Workload::new(program, release)?.env("MALLOC_ARENA_MAX", "1"))
}

fn died(release: &str, signal: Signal, dir: &Path) -> Result<(NodeProcess, PathBuf)> {
    let mut process = workload("population.js", release)?
        .dumping_core_to(dir)
        .spawn()?;
    let core = core_dump::kill_with(&mut process, signal, dir)?;
    Ok((process, core))
}

/// The process lives, is captured, and dumped by `gcore`: all three agree, and with the truth.
fn live(release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let process = workload("population.js", release)?.spawn()?;
    let capture = dir.path().join("live.v8mini");
    Tools::get().capture_to(process.pid(), &capture)?;
    let core = dir.path().join("core");
    core_dump::gcore(&process, &core)?;
    battery::population::check(Tools::get(), &core, &process.truth)?.into_result()?;
    same_answers(&core, &capture, &[], is_about_memory)?;
    converts(&core, &[])?;
    Ok(())
}

/// The process dies, and the kernel writes its core.
fn dead(release: &str, signal: Signal) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (process, core) = died(release, signal, dir.path())?;
    battery::population::check(Tools::get(), &core, &process.truth)?.into_result()?;
    let capture = converts(&core, &[])?;
    battery::population::check(Tools::get(), &capture, &process.truth)?.into_result()
}

macro_rules! tests {
    ($($name:ident $version:literal)*) => {
        mod live_and_core_agree {
            $(#[test] fn $name() -> anyhow::Result<()> { super::live($version) })*
        }
        mod core_of_the_kernel {
            $(#[test] fn $name() -> anyhow::Result<()> {
                super::dead($version, super::Signal::Abort)
            })*
        }
    };
}
each_release!(tests);

#[test]
fn wild_pointer() -> Result<()> {
    dead(nodes::USUAL, Signal::Segv)
}

#[test]
fn bus_error() -> Result<()> {
    dead(nodes::USUAL, Signal::Bus)
}

#[test]
fn three_isolates() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let process = workload("workers.js", nodes::USUAL)?.spawn_with(&["--workers", "2"])?;
    let capture = dir.path().join("live.v8mini");
    Tools::get().capture_to(process.pid(), &capture)?;
    let core = dir.path().join("core");
    core_dump::gcore(&process, &core)?;
    battery::isolates::check(Tools::get(), &core, &process.truth)?.into_result()?;
    for isolate in [
        &[] as &[&str],
        &["--isolate", "0"],
        &["--isolate", "1"],
        &["--isolate", "2"],
    ] {
        let question = [&["histogram", "--limit", "0"], isolate].concat();
        let (of_core, of_capture) = (ask(&question, &core, &[])?, ask(&question, &capture, &[])?);
        ensure!(
            of_core.success()?.text() == of_capture.success()?.text(),
            "the histograms with {isolate:?} differ"
        );
    }
    converts(&core, &[])?;
    Ok(())
}

#[test]
fn packed_and_piped() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_, core) = died(nodes::USUAL, Signal::Abort, dir.path())?;
    let bytes = fs::read(&core)?;
    let zstd = dir.path().join("core.zst");
    fs::write(&zstd, zstd::encode_all(&*bytes, 1)?)?;
    let gzip = dir.path().join("core.gz");
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(&gzip)?, flate2::Compression::fast());
    encoder.write_all(&bytes)?;
    encoder.finish()?;
    same_answers(&zstd, &core, &[], is_about_memory)?;
    same_answers(&gzip, &core, &[], is_about_memory)?;
    let expected = ask(&["histogram"], &core, &[])?.success()?.stdout;
    for input in [&core, &zstd, &gzip] {
        let output = Command::new(&Tools::get().analyze)
            .args(["histogram", "-"])
            .stdin(File::open(input)?)
            .stderr(Stdio::inherit())
            .output_in_time()?;
        ensure!(
            output.stdout == expected,
            "{} through a pipe differs",
            input.display()
        );
    }
    // Half of a packed core is half of a core.
    let half = dir.path().join("half.zst");
    let packed = fs::read(&zstd)?;
    fs::write(&half, &packed[..packed.len() / 2])?;
    let outcome = ask(&["info"], &half, &[])?;
    ensure!(
        outcome.code() == Some(3) && outcome.text().contains("unpacking it with zstd failed"),
        "{}{}",
        outcome.text(),
        outcome.stderr
    );
    Ok(())
}

#[test]
fn converted_through_pipes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (process, core) = died(nodes::USUAL, Signal::Abort, dir.path())?;
    let capture = dir.path().join("piped.v8mini");
    let status = Command::new(&Tools::get().analyze)
        .args(["convert", "-", "-o", "-", "--level", "3"])
        .stdin(File::open(&core)?)
        .stdout(File::create(&capture)?)
        .status_in_time()?;
    ensure!(status.success(), "{status}");
    battery::population::check(Tools::get(), &capture, &process.truth)?.into_result()?;
    same_answers(&capture, &core, &[], is_about_memory)?;
    // A device stays one, and a directory is no file.
    let convert = |to: &Path| {
        let line: [&OsStr; 4] = [
            "convert".as_ref(),
            core.as_ref(),
            "-o".as_ref(),
            to.as_ref(),
        ];
        Tools::get().analyze(line)
    };
    let device = dir.path().join("device");
    std::os::unix::fs::symlink("/dev/null", &device)?;
    convert(&device)?.success()?;
    ensure!(
        !fs::metadata(&device)?.is_file(),
        "a file took the place of a device"
    );
    let outcome = convert(dir.path())?;
    ensure!(
        outcome.code() == Some(2) && outcome.stderr.contains("it is a directory"),
        "{}",
        outcome.stderr
    );
    let again = Tools::get().analyze([
        "convert".as_ref(),
        capture.as_os_str(),
        "-o".as_ref(),
        "x".as_ref(),
    ])?;
    ensure!(
        again.stderr.contains("is a capture already"),
        "{}",
        again.stderr
    );
    Ok(())
}

#[test]
fn cut_anywhere() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_, core) = died(nodes::USUAL, Signal::Abort, dir.path())?;
    let whole = core.metadata()?.len();
    let cut = dir.path().join("cut");
    fs::copy(&core, &cut)?;
    let file = fs::OpenOptions::new().write(true).open(&cut)?;
    // From the end down: the last stack, the last pages, half, the first pages, notes, program headers, header.
    let places = [
        whole - 4096,
        whole * 9 / 10,
        whole / 2,
        whole / 8,
        64 << 10,
        16 << 10,
        4096,
        64 + 56 * 3,
        64 + 56,
        64,
        63,
        4,
        0,
    ];
    let mut opened = 0;
    for len in places {
        file.set_len(len)?;
        let outcome = ask(&["info"], &cut, &[])?;
        match outcome.code() {
            Some(3) => {
                ensure!(
                    outcome.text().contains("the core is cut"),
                    "{len}: {}",
                    outcome.text()
                );
                opened += 1;
            }
            Some(2) => ensure!(
                outcome.stderr.starts_with("error: cannot open") && outcome.stderr.len() > 60,
                "{len}: {}",
                outcome.stderr
            ),
            other => anyhow::bail!("{len}: exit code {other:?}: {}", outcome.stderr),
        }
        if len == whole / 2 {
            converts(&cut, &[])?;
        }
    }
    ensure!(opened >= 3, "only {opened} of the cut cores opened");
    Ok(())
}

/// Rewrites a core to have more segments than its header can count, as of a process with many mappings: the number stands
/// in a section header then (`PN_XNUM`).
fn with_many_segments(core: &Path) -> Result<()> {
    const EXTRA: u32 = 70_000;
    let bytes = fs::read(core)?;
    let word = |at: usize| -> Result<u64> {
        let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
        Ok(u64::from_le_bytes(*word.context("a short core")?))
    };
    let offset = usize::try_from(word(32)?)?;
    let count = u32::from(u16::try_from(word(56)? & 0xffff)?);
    let end = u64::try_from(bytes.len())?.next_multiple_of(4096);
    let mut table = bytes[offset..offset + 56 * count as usize].to_vec();
    for n in 0..u64::from(EXTRA) {
        // PT_LOAD of one page, not stored.
        let address = 0x1000_0000_0000 + n * 0x2000;
        table.extend([1, 0, 0, 0, 4, 0, 0, 0]);
        table.extend(
            [end, address, 0, 0, 4096, 4096]
                .map(u64::to_le_bytes)
                .concat(),
        );
    }
    let section = end + table.len() as u64;
    // sh_info is the sixth-last word of 32 bits.
    let mut section_header = [0; 64];
    section_header[44..48].copy_from_slice(&(count + EXTRA).to_le_bytes());
    let mut file = fs::OpenOptions::new().write(true).open(core)?;
    file.seek(SeekFrom::Start(end))?;
    file.write_all(&table)?;
    file.write_all(&section_header)?;
    for (at, bytes) in [
        (32, &end.to_le_bytes()[..]),
        (40, &section.to_le_bytes()),
        (56, &0xffff_u16.to_le_bytes()),
        (58, &64_u16.to_le_bytes()),
        (60, &1_u16.to_le_bytes()),
    ] {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
    }
    Ok(())
}

#[test]
fn more_segments_than_the_header_can_count() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (process, core) = died(nodes::USUAL, Signal::Abort, dir.path())?;
    let many = dir.path().join("many");
    fs::copy(&core, &many)?;
    with_many_segments(&many)?;
    battery::population::check(Tools::get(), &many, &process.truth)?.into_result()?;
    same_answers(&many, &core, &[], is_about_memory)?;
    converts(&many, &[])?;
    Ok(())
}

/// A core of a copy of Node.js, and the path of the copy.
fn of_a_copy(dir: &Path, release: &str) -> Result<(NodeProcess, PathBuf, PathBuf)> {
    let node = dir.join("bin");
    fs::create_dir(&node)?;
    let node = node.join("node");
    // Not by this process: a test that forks meanwhile would inherit the open file, and nothing runs what is being written.
    let copied = Command::new("cp")
        .arg(nodes::ensure(release)?.path)
        .arg(&node)
        .status_in_time()?;
    ensure!(copied.success(), "cp ended with {copied}");
    let mut process = Workload::on(&node, "population.js")
        .node_argument("--expose-gc")
        .dumping_core_to(dir)
        .spawn()?;
    let core = core_dump::kill_with(&mut process, Signal::Abort, dir)?;
    Ok((process, core, node))
}

#[test]
fn binary_replaced_since() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (process, core, node) = of_a_copy(dir.path(), nodes::USUAL)?;
    let right = nodes::ensure(nodes::USUAL)?.path;
    let wrong = nodes::ensure("24.21.0")?.path;
    fs::remove_file(&node)?;
    fs::copy(&wrong, &node)?;

    // What is only found at the path is not believed.
    let outcome = ask(&["info"], &core, &[])?;
    let text = outcome.text();
    ensure!(
        text.contains("is not the file any more that the process ran (build id ")
            && text.contains("--exe")
            && text.contains("V8 12.4."),
        "{text}{}",
        outcome.stderr
    );
    // What was named is refused.
    let outcome = ask(&["info"], &core, &["--exe", &wrong.to_string_lossy()])?;
    ensure!(
        outcome.code() == Some(2)
            && outcome
                .stderr
                .contains("is not the binary that the process ran: build id ")
            && outcome.stderr.contains("--force"),
        "{}",
        outcome.stderr
    );
    // By force it is taken, and the reader is warned.
    let outcome = ask(&["info"], &core, &["--force"])?;
    ensure!(
        outcome.text().contains("was taken by force"),
        "{}",
        outcome.text()
    );
    let outcome = ask(
        &["info"],
        &core,
        &["--force", "--exe", &wrong.to_string_lossy()],
    )?;
    ensure!(outcome.text().contains("by force"), "{}", outcome.text());
    // With the right one, wherever it is, all is well.
    converts(&core, &["--exe", &right.to_string_lossy()])?;
    // And it is found by itself beside the core.
    fs::remove_file(&node)?;
    fs::copy(&right, dir.path().join("node"))?;
    battery::population::check(Tools::get(), &core, &process.truth)?.into_result()
}

/// The heap names its version of V8, whose constants are known: only what lies in the binary itself is missing.
fn without_binary(release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (process, core, node) = of_a_copy(dir.path(), release)?;
    fs::remove_file(&node)?;
    let text = ask(&["info"], &core, &[])?.text();
    let version = format!("Node.js v{release}, V8 ");
    ensure!(
        text.contains(&version),
        "the heap names its versions: {text}"
    );
    for word in [
        "was not found",
        "build id",
        "--exe",
        "the heap names V8",
        "official build",
    ] {
        ensure!(text.contains(word), "what is missing must be said: {text}");
    }
    battery::population::check(Tools::get(), &core, &process.truth)?.into_result()?;
    let rows = |more: &[&str]| -> Result<serde_json::Value> {
        let histogram = ask(&["histogram", "--json", "--limit", "0"], &core, more)?.json()?;
        histogram
            .get("rows")
            .cloned()
            .context("a histogram without rows")
    };
    let right = nodes::ensure(release)?.path;
    ensure!(
        rows(&[])? == rows(&["--exe", &right.to_string_lossy()])?,
        "the histograms with and without the binary differ"
    );
    converts(&core, &[])?;
    Ok(())
}

#[test]
fn no_binary_of_node_18() -> Result<()> {
    without_binary("18.20.8")
}

#[test]
fn no_binary_of_node_22() -> Result<()> {
    without_binary(nodes::USUAL)
}

#[test]
fn no_binary_of_node_24() -> Result<()> {
    without_binary("24.21.0")
}

#[test]
fn uncaught_exception() -> Result<()> {
    if !core_dump::kernel_writes_here() {
        eprintln!("the kernel hands cores to a program: there is none to look at");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let program = dir.path().join("throw.js");
    fs::write(
        &program,
        "class Order { constructor(n) { this.n = n; } }\n\
         const orders = []; for (let n = 0; n < 1234; n++) orders.push(new Order(n));\n\
         setTimeout(() => { throw new Error(`no ${orders.length}`); }, 10);\n",
    )?;
    let mut child = Workload::command_dumping_core(&nodes::ensure(nodes::USUAL)?.path, dir.path());
    let status = child
        .arg("--abort-on-uncaught-exception")
        .arg(&program)
        .stderr(Stdio::null())
        .status_in_time()?;
    ensure!(
        !status.success(),
        "an uncaught exception must end the process"
    );
    let core = core_dump::kernel_core(dir.path())?;
    let histogram = Tools::get().query("histogram", &core, &["--filter", "^Order$"])?;
    let count = histogram
        .pointer("/rows/0/count")
        .and_then(serde_json::Value::as_u64);
    ensure!(count == Some(1234), "{histogram}");
    converts(&core, &[])?;
    Ok(())
}

/// Whatever is in the headers and notes, the program says what it makes of it: it neither crashes nor runs for ever.
#[test]
fn flipped_bytes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_, core) = died(nodes::USUAL, Signal::Abort, dir.path())?;
    let flipped = dir.path().join("flipped");
    fs::copy(&core, &flipped)?;
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&flipped)?;
    // A fixed seed: a run that fails can be repeated.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..60 {
        let mut changed = Vec::new();
        for _ in 0..4 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // The header, the program headers, and the notes with their threads and files.
            let at = random % (32 << 10);
            let mut byte = [0];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut byte)?;
            changed.push((at, byte));
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&[(random >> 32) as u8])?;
        }
        let outcome = ask(&["info"], &flipped, &[])?;
        ensure!(
            matches!(outcome.code(), Some(0 | 2 | 3)),
            "round {round}, {changed:?}: {:?}, {}",
            outcome.status,
            outcome.stderr
        );
        for (at, byte) in changed.into_iter().rev() {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&byte)?;
        }
    }
    Ok(())
}

#[test]
fn what_is_no_core_is_refused() -> Result<()> {
    let node = nodes::ensure(nodes::USUAL)?.path;
    let outcome = ask(&["info"], &node, &[])?;
    ensure!(
        outcome.code() == Some(2) && outcome.stderr.contains("not a core"),
        "{}",
        outcome.stderr
    );
    Ok(())
}
