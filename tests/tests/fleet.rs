//! A fleet as tables: the queries of `spec/fleet.md`, over 200 captures, by DuckDB and Spark, and one capture by `v8mini sql`.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use v8mini_tests::engines::{Engine, ask};
use v8mini_tests::{Tools, Workload, nodes, workspace_root};

/// Services, and how many orders each leaks between two captures.
const SERVICES: [(&str, u64); 4] = [("shop", 400), ("mail", 0), ("search", 150), ("auth", 0)];
/// Captures of each process.
const ROUNDS: usize = 5;
/// Machines: each runs all services, so that there are 200 captures.
const HOSTS: usize = 10;

/// The queries of the page, by their headings.
fn queries(page: &str) -> Vec<(&str, &str)> {
    page.split("\n### ")
        .filter_map(|section| {
            let (heading, rest) = section.split_once('\n')?;
            let (_, query) = rest.split_once("```sql\n")?;
            Some((heading, query.split("```").next()?.trim()))
        })
        .collect()
}

/// Captures the services, and lays the tables of 200 captures into `lake`. The captures are of 4 processes, 5 of each; each machine has
/// the files of all, which say nothing of a machine, under its own name. So the truth is known, and soon there.
fn lay(dir: &Path, lake: &Path) -> Result<()> {
    let tools = Tools::get();
    for (service, leak) in SERVICES {
        let arguments = ["--service", service, "--leak", &leak.to_string()];
        let mut process = Workload::new("fleet.js", nodes::USUAL)?.spawn_with(&arguments)?;
        for round in 0..ROUNDS {
            process.ask("work")?;
            let file = dir.join(format!("{service}-{round}.v8mini"));
            tools.capture_to(process.pid(), &file)?;
            let first = lake.join("once");
            let line: [&std::ffi::OsStr; 10] = [
                "export".as_ref(),
                file.as_ref(),
                "--to=parquet".as_ref(),
                "-o".as_ref(),
                first.as_ref(),
                "--host=web-0".as_ref(),
                "--service".as_ref(),
                service.as_ref(),
                "--max-string=200".as_ref(),
                "--json".as_ref(),
            ];
            let report = tools.analyze(line)?.json()?;
            for table in report["tables"].as_array().context("no tables")? {
                let file = table["file"].as_str().context("no file")?;
                for host in 0..HOSTS {
                    let copy = lake.join(file.replace("host=web-0", &format!("host=web-{host}")));
                    fs::create_dir_all(copy.parent().context("a file without a folder")?)?;
                    fs::hard_link(first.join(file), copy)?;
                }
            }
        }
    }
    Ok(fs::remove_dir_all(lake.join("once"))?)
}

/// The captures in a lake.
fn captures(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(captures(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn duckdb_and_spark_answer_the_same_over_200_captures() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    fs::create_dir(&lake)?;
    lay(dir.path(), &lake)?;
    let count = captures(&lake.join("captures"))?.len();
    ensure!(count == 200, "{count} captures");

    let page = fs::read_to_string(workspace_root().join("spec/fleet.md"))?;
    let (headings, queries): (Vec<&str>, Vec<&str>) = queries(&page).into_iter().unzip();
    ensure!(queries.len() >= 6, "the page has {headings:?}");
    let duck = ask(Engine::DuckDb, &lake, &queries)?;
    let spark = ask(Engine::Spark, &lake, &queries)?;
    for ((heading, duck), spark) in headings.iter().zip(&duck).zip(&spark) {
        ensure!(!duck.is_empty(), "{heading}: no rows");
        ensure!(
            duck == spark,
            "{heading}: DuckDB says {duck:#?}, Spark {spark:#?}"
        );
    }

    // And the answers are right: of each leaking service, on every machine, so many more orders from the first to the last capture.
    let hosts = HOSTS as u64;
    let growth = &duck[0];
    for (service, leak) in SERVICES {
        let row = growth
            .iter()
            .find(|row| row[0] == service && row[1] == "LeakedOrder");
        if leak == 0 {
            ensure!(row.is_none_or(|row| row[2] == 0), "{service}: {row:?}");
            continue;
        }
        let row = row.with_context(|| format!("{service} does not grow: {growth:#?}"))?;
        let expected = leak * (ROUNDS as u64 - 1) * hosts;
        ensure!(
            row[2] == expected,
            "{service}: {row:?}, expected {expected}"
        );
        ensure!(row[4] == hosts, "{service}: {row:?}");
    }
    ensure!(growth[0][0] == "shop" && growth[0][1] == "LeakedOrder");
    let leaking: Vec<&Value> = duck[1].iter().map(|row| &row[1]).collect();
    ensure!(
        leaking.iter().all(|service| **service == "shop"),
        "{leaking:?}"
    );
    ensure!(duck[1].iter().all(|row| row[5] == true), "{:?}", duck[1]);
    // 50 copies, in 4 services, 5 captures each, on 10 machines.
    let shared = duck[2]
        .iter()
        .find(|row| {
            row[0]
                .as_str()
                .is_some_and(|text| text.starts_with("a licence text"))
        })
        .with_context(|| format!("{:?}", duck[2]))?;
    ensure!(shared[1] == 4 && shared[2] == 50 * 200, "{shared:?}");
    Ok(())
}

/// What is true is 1 in SQLite.
fn without_flags(rows: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let plain = |value: &Value| {
        value
            .as_bool()
            .map_or_else(|| value.clone(), |it| u64::from(it).into())
    };
    rows.iter()
        .map(|row| row.iter().map(plain).collect())
        .collect()
}

#[test]
fn one_capture_is_asked_in_process() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let tools = Tools::get();
    let arguments = ["--service", "shop", "--leak", "300"];
    let mut process = Workload::new("fleet.js", nodes::USUAL)?.spawn_with(&arguments)?;
    process.ask("work")?;
    let file = dir.path().join("shop.v8mini");
    tools.capture_to(process.pid(), &file)?;
    let lake = dir.path().join("lake");
    let names = ["--host=web-7", "--service=shop"];
    let lake_name = lake.to_str().context("a strange name")?;
    tools.query(
        "export",
        &file,
        &[&["--to=parquet", "-o", lake_name], &names[..]].concat(),
    )?;

    let page = fs::read_to_string(workspace_root().join("spec/fleet.md"))?;
    let mut asked = queries(&page);
    asked.extend([
        ("numbers", "SELECT concat('0x', lower(hex(address))) AS a, shallow_bytes, live FROM objects WHERE class = 'LeakedOrder' ORDER BY address"),
        ("texts", "SELECT text, length, bytes, representation FROM strings WHERE text LIKE 'order % of shop' ORDER BY text, address"),
        ("nulls", "SELECT count(*), count(dominator), count(retained_bytes), count(isolate) FROM objects"),
    ]);
    let (headings, queries): (Vec<&str>, Vec<&str>) = asked.into_iter().unzip();
    let duck = ask(Engine::DuckDb, &lake, &queries)?;
    for ((heading, query), duck) in headings.iter().zip(&queries).zip(&duck) {
        let outcome = tools.analyze([
            "sql".as_ref(),
            file.as_os_str(),
            query.as_ref(),
            names[0].as_ref(),
            names[1].as_ref(),
            "--limit=0".as_ref(),
            "--json".as_ref(),
        ])?;
        // Of one capture, nothing grows and nothing is shared.
        let found = if outcome.code() == Some(1) {
            serde_json::from_slice(&outcome.stdout)?
        } else {
            outcome.json()?
        };
        let rows: Vec<Vec<Value>> = serde_json::from_value(found["rows"].clone())?;
        ensure!(
            rows == without_flags(duck),
            "{heading}: v8mini sql says {rows:#?}, DuckDB {duck:#?}"
        );
    }
    ensure!(
        duck[headings.len() - 3].len() == 300,
        "{:?}",
        duck[headings.len() - 3]
    );

    let csv = tools.analyze([
        "sql".as_ref(),
        file.as_os_str(),
        "SELECT 'a \"b\", c' AS \"x,y\", 1.5 AS z, NULL AS n, count(*) AS c FROM captures".as_ref(),
        "--csv".as_ref(),
    ])?;
    ensure!(
        csv.text() == "\"x,y\",z,n,c\n\"a \"\"b\"\", c\",1.5,,1\n",
        "{}",
        csv.text()
    );
    let table = tools
        .analyze([
            "sql".as_ref(),
            file.as_os_str(),
            "SELECT class, live_objects FROM types WHERE class = 'LeakedOrder'".as_ref(),
        ])?
        .success()?;
    ensure!(
        table.text().contains("LeakedOrder           300"),
        "{}",
        table.text()
    );
    let list = tools
        .analyze(["sql".as_ref(), file.as_os_str()])?
        .success()?;
    ensure!(
        list.text().contains("edges: source, target"),
        "{}",
        list.text()
    );
    Ok(())
}

#[test]
fn a_query_that_writes_or_is_wrong_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let process = Workload::new("fleet.js", nodes::USUAL)?.spawn()?;
    let file = dir.path().join("shop.v8mini");
    Tools::get().capture_to(process.pid(), &file)?;
    let elsewhere = dir.path().join("elsewhere.db");
    let attach = format!("ATTACH '{}' AS e", elsewhere.display());
    for query in [
        "DELETE FROM objects",
        "DROP TABLE rows_of_objects",
        "CREATE TABLE x (y)",
        "PRAGMA journal_mode = WAL",
        "SELECT 1; DROP VIEW objects",
        "SELECT load_extension('x')",
        "SELECT nothing FROM objects",
        "SELEC 1",
        &attach,
        "VACUUM INTO 'copy.db'",
    ] {
        let outcome = Tools::get().analyze(["sql".as_ref(), file.as_os_str(), query.as_ref()])?;
        ensure!(outcome.code() == Some(2), "{query}: {}", outcome.text());
        ensure!(
            outcome.stderr.starts_with("error: "),
            "{query}: {}",
            outcome.stderr
        );
    }
    ensure!(!elsewhere.exists() && fs::read_dir(dir.path())?.count() == 1);
    Ok(())
}

#[test]
fn the_tables_have_what_the_commands_say() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let process = Workload::new("population.js", nodes::USUAL)?.spawn()?;
    let file = dir.path().join("one.v8mini");
    let tools = Tools::get();
    tools.capture_to(process.pid(), &file)?;
    let lake = dir.path().join("lake");
    for _ in 0..2 {
        // Twice, because the second time replaces the first.
        tools
            .analyze([
                "export".as_ref(),
                file.as_os_str(),
                "--to=parquet".as_ref(),
                "-o".as_ref(),
                lake.as_os_str(),
            ])?
            .success()?;
    }
    let queries = [
        "SELECT class, objects, shallow_bytes FROM types WHERE kind = 'instance' ORDER BY class",
        "SELECT class, count(*), sum(shallow_bytes) FROM objects WHERE kind = 'instance' GROUP BY class ORDER BY class",
        "SELECT count(*), count(DISTINCT address), min(service), min(host), min(pid) FROM objects",
        "SELECT live_objects, live_bytes, node_version, complete FROM captures",
        "SELECT count(*), sum(shallow_bytes) FROM objects WHERE live",
        "SELECT count(*) FROM edges e LEFT JOIN objects o ON o.address = e.target WHERE o.address IS NULL AND e.strong",
        "SELECT count(*) FROM threads WHERE kind = 'main'",
        "SELECT count(*) FROM frames f JOIN threads t ON t.tid = f.tid WHERE t.kind = 'main'",
    ];
    let found = ask(Engine::DuckDb, &lake, &queries)?;
    ensure!(found[0] == found[1], "types and objects differ");

    let histogram = tools.query("histogram", &file, &["--limit", "0"])?;
    let rows = histogram["rows"].as_array().context("no rows")?;
    for row in rows.iter().filter(|row| row["kind"] == "instance") {
        let table = found[0].iter().find(|it| it[0] == row["name"]);
        let table = table.with_context(|| format!("{row} is no row"))?;
        ensure!(
            table[1] == row["count"] && table[2] == row["shallow_bytes"],
            "{row}: {table:?}"
        );
    }
    let [objects, distinct, service, host, pid] = found[2][0].as_slice() else {
        anyhow::bail!("{:?}", found[2]);
    };
    ensure!(
        objects == distinct && objects == &histogram["totals"]["count"],
        "{:?}",
        found[2]
    );
    ensure!(service == "population" && host == "unknown" && *pid == process.pid());
    let dominators = tools.query("dominators", &file, &["--limit", "1"])?;
    ensure!(
        found[3][0][0] == dominators["live_objects"] && found[3][0][1] == dominators["live_bytes"]
    );
    ensure!(
        found[3][0][..2] == found[4][0][..],
        "{:?} {:?}",
        found[3],
        found[4]
    );
    ensure!(found[3][0][3] == true, "{:?}", found[3]);
    ensure!(
        found[5][0][0] == 0,
        "{:?} strong references lead nowhere",
        found[5]
    );
    ensure!(found[6][0][0] == 1 && found[7][0][0].as_u64() > Some(0));
    Ok(())
}
