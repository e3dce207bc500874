//! Redacted captures hold no secret, and are as good as others for everything that needs none.

#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use v8mini_tests::patience::Patient;
use v8mini_tests::{NodeProcess, Tools, Workload};

/// Secrets that `secrets.js` knows, and two more that it is given.
const SECRETS: u64 = 90;
const IN_THE_ENVIRONMENT: u64 = 90;
const ON_THE_COMMAND_LINE: u64 = 91;
const IN_A_PATH: u64 = 92;
/// A registered symbol: in V8's registry its description is a key, and a name.
const REGISTERED: u64 = 58;
/// What V8 14 may take for names, because its inline caches keep them as keys: a symbol's description, and a string by which
/// a property was looked up that does not exist.
const KEYS_OF_CACHES: [u64; 2] = [57, 78];

/// The n-th secret, as in `secrets.js`.
fn secret(n: u64) -> String {
    let mut state = 1000 + 37 * n;
    let mut letter = || {
        state = state * 16807 % 2_147_483_647;
        char::from(b'a' + (state % 26) as u8)
    };
    (0..20).map(|_| letter()).collect()
}

/// Everything in the file: memory as it unpacks, and metadata, which is in frames that zstd skips.
fn contents(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(file)?;
    bytes.extend(zstd::stream::decode_all(bytes.as_slice()).context("not a legal zstd stream")?);
    Ok(bytes)
}

/// Which secrets are in the file, in any of their thirds: as they are, in capitals, in one byte for a character, two or four.
fn found(bytes: &[u8], but: &[u64]) -> BTreeSet<String> {
    let mut wanted = HashMap::new();
    for n in (0..SECRETS + 3).filter(|n| !but.contains(n)) {
        let whole = secret(n);
        for part in [&whole[..7], &whole[7..14], &whole[13..]] {
            wanted.insert(part.as_bytes().to_vec(), n);
        }
    }
    let mut found = BTreeSet::new();
    let mut look = |window: &[u8], width: u8| {
        let text = window.to_ascii_lowercase();
        if let Some(n) = wanted.get(&text) {
            let text = String::from_utf8_lossy(&text).into_owned();
            found.insert(format!("secret {n}: {text:?}, {width} bytes a letter"));
        }
    };
    for window in bytes.windows(7) {
        if window.iter().all(u8::is_ascii_alphabetic) {
            look(window, 1);
        }
    }
    for window in bytes.windows(14) {
        let (units, _) = window.as_chunks::<2>();
        if units
            .iter()
            .all(|[low, high]| low.is_ascii_alphabetic() && *high == 0)
        {
            let letters: Vec<u8> = units.iter().map(|[low, _]| *low).collect();
            look(&letters, 2);
        }
    }
    for window in bytes.windows(28) {
        let (units, _) = window.as_chunks::<4>();
        if units
            .iter()
            .all(|[low, high @ ..]| low.is_ascii_alphabetic() && *high == [0; 3])
        {
            let letters: Vec<u8> = units.iter().map(|[low, ..]| *low).collect();
            look(&letters, 4);
        }
    }
    for number in ["987654010.5", "987654020.5"] {
        if bytes
            .windows(number.len())
            .any(|window| window == number.as_bytes())
        {
            found.insert(number.to_owned());
        }
    }
    found
}

/// A process full of secrets, blocked in a system call whose argument is one more.
fn process(release: &str, dir: &Path) -> Result<NodeProcess> {
    let fifo = dir.join(secret(IN_A_PATH));
    ensure!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status_in_time()?
            .success()
    );
    let process = Workload::new("secrets.js", release)?
        .env("TOKEN", &secret(IN_THE_ENVIRONMENT))
        .spawn_with(&[
            fifo.to_str().context("no UTF-8")?,
            &format!("--token={}", secret(ON_THE_COMMAND_LINE)),
        ])?;
    // Until it is blocked.
    std::thread::sleep(std::time::Duration::from_millis(400));
    // So that all captures are of the same moment.
    stop(&process)?;
    Ok(process)
}

fn stop(process: &NodeProcess) -> Result<()> {
    let pid = process.pid().to_string();
    ensure!(
        Command::new("kill")
            .args(["-STOP", &pid])
            .status_in_time()?
            .success()
    );
    Ok(())
}

/// What a command says of a file.
fn says(command: &[&str], file: &Path) -> Result<String> {
    let mut line = command.to_vec();
    line.insert(1, file.to_str().context("no UTF-8")?);
    Ok(Tools::get().analyze(line)?.text())
}

/// The lines of a table by their first words: the addresses of the objects.
fn lines(table: &str) -> Vec<&str> {
    table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.starts_with("0x"))
        .collect()
}

fn check(release: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let process = process(release, dir.path())?;
    let mut but = vec![REGISTERED];
    if release.starts_with("26") {
        but.extend(KEYS_OF_CACHES);
    }
    let but = &but[..];
    let pid = process.pid().to_string();
    let file = |name: &str| dir.path().join(name);
    let (full, strings, all) = (file("full"), file("strings"), file("all"));
    Tools::get()
        .capture([
            pid.as_ref(),
            "--include".as_ref(),
            "garbage,buffers".as_ref(),
            "-o".as_ref(),
            full.as_os_str(),
        ])?
        .success()?;
    for (level, path) in [("strings", &strings), ("all", &all)] {
        Tools::get()
            .capture([
                pid.as_ref(),
                "--redact".as_ref(),
                level.as_ref(),
                "--include".as_ref(),
                "buffers".as_ref(),
                "-o".as_ref(),
                path.as_os_str(),
            ])?
            .success()?;
    }
    let later = file("later");
    Tools::get()
        .analyze([
            "redact".as_ref(),
            full.as_os_str(),
            "-o".as_ref(),
            later.as_os_str(),
        ])?
        .success()?;

    let planted = found(&contents(&full)?, &[]).len();
    ensure!(
        planted > 200,
        "the search finds only {planted} of what was planted"
    );
    for (path, but) in [(&strings, but), (&all, &[]), (&later, but)] {
        let leaks = found(&contents(path)?, but);
        ensure!(leaks.is_empty(), "{release}, {path:?}: {leaks:#?}");
    }

    // Shapes stay, and so do names.
    let instances = says(&["instances", "KeptClass"], &full)?;
    ensure!(instances.contains("40"), "{instances}");
    for path in [&strings, &later] {
        let redacted = says(&["instances", "KeptClass"], path)?;
        ensure!(
            lines(&redacted) == lines(&instances),
            "{release}:\n{instances}\n{redacted}"
        );
        ensure!(redacted.contains("keptProperty"), "{redacted}");
    }
    let info = Tools::get().query("info", &strings, &[])?;
    ensure!(info["capture"]["redaction"] == "strings", "{info}");
    ensure!(says(&["info"], &all)?.contains("redacted"));
    Ok(())
}

macro_rules! releases {
    ($($name:ident $version:literal)*) => {
        $(
            #[test]
            fn $name() -> Result<()> {
                check($version)
            }
        )*
    };
}

releases! {
    node_4 "4.4.7"
    node_8 "8.17.0"
    node_12 "12.22.12"
    node_16 "16.20.2"
    node_20 "20.20.2"
    node_22 "22.23.3"
    node_24 "24.21.0"
    node_26 "26.10.0"
}

/// What is in use is not taken for what the last collection left: raw pointers in buffers look like forwarding addresses.
#[test]
fn pages_full_of_buffers_lose_nothing() -> Result<()> {
    for release in ["14.21.3", "16.20.2", "18.20.8"] {
        let process = Workload::new("fleet.js", release)?.spawn()?;
        let dir = tempfile::tempdir()?;
        let plain = dir.path().join("plain.v8mini");
        let redacted = dir.path().join("redacted.v8mini");
        let tools = Tools::get();
        tools.capture_to(process.pid(), &plain)?;
        tools
            .analyze([
                "redact".as_ref(),
                plain.as_os_str(),
                "-o".as_ref(),
                redacted.as_os_str(),
            ])?
            .success()?;
        let count = |command: &str, file: &Path| -> Result<BTreeMap<String, u64>> {
            let answer = tools.query(command, file, &["--limit", "0"])?;
            let rows = answer["rows"].as_array().context("no rows")?.iter();
            let count = |row: &serde_json::Value| {
                let name = format!("{} {}", row["name"], row["kind"]);
                Some((name, row["count"].as_u64()?))
            };
            Ok(rows.filter_map(count).collect())
        };
        let (before, after) = (count("histogram", &plain)?, count("histogram", &redacted)?);
        // What is dead may lie in pages of which nothing is in use.
        let dead = count("garbage", &plain)?;
        for (class, before) in before {
            let of = |counts: &BTreeMap<String, u64>| counts.get(&class).copied().unwrap_or(0);
            let (after, dead) = (of(&after), of(&dead));
            ensure!(
                after + dead >= before,
                "{release}: {before} × {class}, {dead} of them dead; redacted {after}"
            );
        }
    }
    Ok(())
}

/// How many objects of each class are alive; and nothing that tells it is missing.
fn alive(file: &Path) -> Result<BTreeMap<String, i64>> {
    let mut alive = BTreeMap::new();
    for (command, sign) in [("histogram", 1), ("garbage", -1)] {
        let answer = Tools::get().query(command, file, &["--limit", "0"])?;
        let warnings = answer["warnings"].to_string();
        ensure!(!warnings.contains("not located"), "{command}: {warnings}");
        for row in answer["rows"].as_array().context("no rows")? {
            let name = format!("{} {}", row["name"], row["kind"]);
            let count = row["count"].as_i64().context("no count")?;
            *alive.entry(name).or_default() += sign * count;
        }
    }
    Ok(alive)
}

/// What is alive in a redacted image, what keeps it alive and what it keeps is the same: global handles are found by what looks like text,
/// and pages of new space that are in use are told from those that are not (Node 10).
fn what_is_alive_stays(release: &str) -> Result<()> {
    let process = Workload::new("young.js", release)?.spawn()?;
    let dir = tempfile::tempdir()?;
    let [plain, live, later] = ["plain", "live", "later"].map(|name| dir.path().join(name));
    let tools = Tools::get();
    let pid = process.pid().to_string();
    // Until it waits: no collection goes on then.
    std::thread::sleep(std::time::Duration::from_millis(400));
    stop(&process)?;
    tools.capture_to(process.pid(), &plain)?;
    tools
        .capture([
            pid.as_ref(),
            "--redact".as_ref(),
            "strings".as_ref(),
            "-o".as_ref(),
            live.as_os_str(),
        ])?
        .success()?;
    tools
        .analyze([
            "redact".as_ref(),
            plain.as_os_str(),
            "-o".as_ref(),
            later.as_os_str(),
        ])?
        .success()?;
    let expected = alive(&plain)?;
    let young = expected.get("\"Young\" \"instance\"");
    ensure!(young == Some(&1000), "{release}: {young:?} × Young");
    let rows = |command: &[&str], file: &Path| -> Result<String> {
        let (name, arguments) = command.split_first().context("no command")?;
        let answer = tools.query(name, file, arguments)?;
        // The value of a string is what is redacted; and of V8 4.5, what some variables are called.
        let mut rows = Vec::new();
        for row in answer["dominators"].as_array().into_iter().flatten() {
            rows.push(format!("{} {}", row["address"], row["retained_bytes"]));
        }
        for path in answer["paths"].as_array().into_iter().flatten() {
            let steps = path["steps"].as_array().into_iter().flatten();
            let steps: Vec<String> = steps
                .filter(|step| step["kind"] != "context" || !release.starts_with("4."))
                .map(|step| format!("{} {}", step["address"], step["name"]))
                .collect();
            rows.push(format!("{} {}", path["root"], steps.join(" → ")));
        }
        ensure!(!rows.is_empty(), "{command:?} says nothing: {answer}");
        Ok(rows.join("\n"))
    };
    let dominators = &["dominators", "--limit", "50"][..];
    let paths = [
        &["path", "--type", "Young"][..],
        &["path", "--type", "Server"],
    ];
    for redacted in [&live, &later] {
        // The second capture may find V8's own threads a step further than the first.
        let is_same_moment = redacted == &later;
        let found = alive(redacted)?;
        for (class, count) in &expected {
            let found = found.get(class).copied().unwrap_or(0);
            let is_ours = class.starts_with("\"Young\"") || class.starts_with("\"Server\"");
            ensure!(
                found == *count || !(is_same_moment || is_ours),
                "{release}, {redacted:?}: {found} × {class}, and without redaction {count}"
            );
        }
        let mut commands = paths.to_vec();
        commands.extend(is_same_moment.then_some(dominators));
        for command in commands {
            let (expected, found) = (rows(command, &plain)?, rows(command, redacted)?);
            ensure!(
                found == expected,
                "{release}, {redacted:?}: {command:?} says\n{found}\nand without redaction\n{expected}"
            );
        }
    }
    Ok(())
}

macro_rules! alive {
    ($($name:ident $version:literal)*) => {
        mod what_is_alive {
            use super::*;
            $(#[test] fn $name() -> Result<()> { what_is_alive_stays($version) })*
        }
    };
}
v8mini_tests::each_release!(alive);
