//! `cargo xtask bench pack`: how small packed files of real programs are, next to their cores after `zstd -3`, and what packing costs.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use v8mini_analyze::image::{Image, Opened};
use v8mini_analyze::layout::Layout;
use v8mini_analyze::pack::{encode_time, free_memory};
use v8mini_analyze::v8::Objects;
use v8mini_format::pack::PackOptions;
use v8mini_format::{CaptureFile, Memory};
use v8mini_tests::{NodeProcess, Tools, Workload, nodes, target_dir, workspace_root};

use super::measure::{Usage, own_time, run_measured};
use super::{found, quietly};

/// Packed files of real programs, next to their cores after `zstd -3`
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Node.js releases
    #[arg(long, value_delimiter = ',', default_values_t = [nodes::USUAL.to_owned()])]
    node: Vec<String>,
    /// Programs of tests/workloads/programs
    #[arg(long, value_delimiter = ',', default_values_t = PROGRAMS.map(str::to_owned))]
    programs: Vec<String>,
    /// How v8mini is built; sizes are the same, speeds are not
    #[arg(long, default_value = "release")]
    profile: String,
    /// Write spec/packed-sizes.md
    #[arg(long)]
    write: bool,
}

const PROGRAMS: [&str; 4] = ["typescript", "webpack", "express", "json"];

/// The aim: a packed file is at most this part of the core after `zstd -3`.
const SIZE_AIM: f64 = 0.35;

/// What was measured of one program.
struct Row {
    program: String,
    node: String,
    /// Bytes of memory in the capture.
    raw: u64,
    core_zstd: u64,
    pages: u64,
    packed: Packed,
    exact: Packed,
    hard: Packed,
    unpack: Usage,
    encode: Encode,
    /// Time on one core for unpacking all memory, and nothing else.
    decode: Duration,
}

/// Packing, and nothing else.
struct Encode {
    /// Memory that is packed.
    bytes: u64,
    /// Time on one core.
    time: Duration,
}

/// A packed file.
struct Packed {
    bytes: u64,
    usage: Usage,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    for program in ["gcore", "zstd", "npm"] {
        ensure!(found(program), "{program} is not installed");
    }
    let tools = Tools::build(&arguments.profile)?;
    let packages = packages()?;
    let dir = target_dir().join("bench");
    fs::create_dir_all(&dir)?;
    let mut rows = Vec::new();
    for node in &arguments.node {
        for program in &arguments.programs {
            eprintln!("{program} on Node.js {node}");
            let process = Workload::new(&format!("programs/{program}.js"), node)?
                .node_argument("--max-old-space-size=4096")
                .spawn_with(&["--packages", packages.to_str().context("no UTF-8")?])?;
            rows.push(measure(&tools, program, node, process, &dir)?);
        }
    }
    let table = markdown(&rows, &arguments.profile);
    if arguments.write {
        fs::write(workspace_root().join("spec/packed-sizes.md"), &table)?;
    }
    print!("{table}");
    Ok(())
}

/// The folder with what the programs run, which npm fills once.
fn packages() -> Result<PathBuf> {
    let folder = target_dir().join("programs");
    fs::create_dir_all(&folder)?;
    let list = fs::read(workspace_root().join("tests/workloads/programs/package.json"))?;
    let stamp = folder.join("installed.json");
    if fs::read(&stamp).ok().as_ref() != Some(&list) {
        fs::write(folder.join("package.json"), &list)?;
        quietly(
            Command::new("npm")
                .args([
                    "install",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--silent",
                ])
                .current_dir(&folder),
        )?;
        fs::write(&stamp, &list)?;
    }
    Ok(folder)
}

fn measure(
    tools: &Tools,
    program: &str,
    node: &str,
    process: NodeProcess,
    dir: &Path,
) -> Result<Row> {
    let pid = process.pid();
    let core = dir.join(format!("core.{pid}"));
    quietly(
        Command::new("gcore")
            .arg("-o")
            .arg(dir.join("core"))
            .arg(pid.to_string()),
    )?;
    drop(process);
    let compressed = dir.join("core.zst");
    quietly(
        Command::new("zstd")
            .args(["-3", "-f", "-q"])
            .arg(&core)
            .arg("-o")
            .arg(&compressed),
    )?;
    let pages = dir.join("pages.v8mini");
    let packed = dir.join("packed.v8mini");
    let convert = Command::new(&tools.analyze)
        .arg("convert")
        .arg(&core)
        .arg("-o")
        .arg(&pages)
        .arg("--json")
        .output()?;
    let report: serde_json::Value = serde_json::from_slice(&convert.stdout)?;
    let raw = report["raw_bytes"].as_u64().context("no raw_bytes")?;
    fs::remove_file(&core)?;
    let pack = |more: &[&str]| -> Result<Packed> {
        let mut line = Command::new(&tools.analyze);
        line.arg("pack")
            .arg(&pages)
            .arg("-o")
            .arg(&packed)
            .args(more);
        let usage = run_measured(line.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let bytes = fs::metadata(&packed)?.len();
        Ok(Packed { bytes, usage })
    };
    let hard = pack(&["--level", "12"])?;
    let exact = pack(&["--exact"])?;
    let usual = pack(&[])?;
    let mut line = Command::new(&tools.analyze);
    line.arg("unpack")
        .arg(&packed)
        .args(["-o", "/dev/null", "--level", "-7"]);
    let unpack = run_measured(line.stdout(Stdio::null()).stderr(Stdio::null()))?;
    let encode = encode(&pages)?;
    let decode = decode(&packed)?;
    let row = Row {
        program: program.to_owned(),
        node: node.to_owned(),
        raw,
        core_zstd: fs::metadata(&compressed)?.len(),
        pages: fs::metadata(&pages)?.len(),
        packed: usual,
        exact,
        hard,
        unpack,
        encode,
        decode,
    };
    for file in [compressed, pages, packed] {
        fs::remove_file(file)?;
    }
    Ok(row)
}

/// How long one core takes to make packed columns of a file's memory, as `pack` does it, and to compress them.
fn encode(path: &Path) -> Result<Encode> {
    let (image, _) = Opened::Capture(Box::new(CaptureFile::open(path)?)).into_image();
    let Image { metadata, .. } = &image;
    let version = metadata.v8_version.context("no version of V8")?;
    let layout = Layout::resolve(version, &metadata.process.architecture, &metadata.constants)?;
    let objects = Objects::new(image, layout);
    let edits = free_memory(&objects);
    // Nothing else runs in the meantime; if the system does not tell the time, no figure comes out.
    let mut clock = || own_time().unwrap_or_default();
    let (bytes, time) = encode_time(&objects, &edits, PackOptions::default(), &mut clock)?;
    Ok(Encode { bytes, time })
}

/// How long one core takes to read all memory of a file.
fn decode(path: &Path) -> Result<Duration> {
    const PIECE: u64 = 1 << 20;
    let file = CaptureFile::open(path)?;
    let mut bytes = vec![0; PIECE as usize];
    let before = own_time()?;
    for range in file.ranges() {
        for at in (range.start..range.end()).step_by(PIECE as usize) {
            let len = (range.end() - at).min(PIECE) as usize;
            file.read_at(at, &mut bytes[..len])?;
        }
    }
    Ok(own_time()? - before)
}

fn markdown(rows: &[Row], profile: &str) -> String {
    let mut out = format!(
        "\
# Packed files

Written by `cargo xtask bench pack --write`: real programs with what they hold (`tests/workloads/programs/`), each captured once with
gcore; everything below is of that one core. Sizes in MB (10^6 bytes), and as a part of the core after `zstd -3`; the aim is {SIZE_AIM}.

- *memory*: what a capture holds.
- *pages*: a capture as `v8mini convert` writes it.
- *packed*: `v8mini pack` of that; *exact* with `--exact`, *hard* with `--level 12`.
- *pack*, *unpack*: MB of memory in a second of one core, everything included: reading, looking for objects and free memory, compressing; unpacking goes on to
  write an ordinary capture at level -7. Built with the profile `{profile}`.
- *encode*: MB of memory in a second of one core, for making the columns of all segments, finding texts that come again, and compressing. Reading memory,
  finding objects and free memory, and writing the file are not included, nor is what is not packed. *decode*: the same for reading all of a packed file. Both by the
  library within `cargo xtask`, as that is built.
- *peak*: most memory that `pack` takes, on all cores.

| program | Node.js | memory | core, zstd -3 | pages | packed | exact | hard | pack, MB/s | unpack, MB/s | encode, MB/s | decode, MB/s | peak |
| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
"
    );
    for row in rows {
        let part = |bytes: u64| {
            let part = bytes as f64 / row.core_zstd as f64;
            format!("{} ({part:.2})", megabytes(bytes))
        };
        let rate = |usage: &Usage| row.raw as f64 / 1e6 / usage.cpu.as_secs_f64();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
            row.program,
            row.node,
            megabytes(row.raw),
            megabytes(row.core_zstd),
            part(row.pages),
            part(row.packed.bytes),
            part(row.exact.bytes),
            part(row.hard.bytes),
            rate(&row.packed.usage),
            rate(&row.unpack),
            row.encode.bytes as f64 / 1e6 / row.encode.time.as_secs_f64(),
            row.raw as f64 / 1e6 / row.decode.as_secs_f64(),
            megabytes(row.packed.usage.peak_bytes),
        );
    }
    out
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
