//! Which capture a row is of: the names of the folders that it lies in.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use v8mini_format::model::Process;

/// What stands for a host or a service that is not known.
const UNKNOWN: &str = "unknown";

/// Which capture a row is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The machine or container.
    pub host: String,
    /// What the program does there.
    pub service: String,
    /// The process.
    pub pid: u32,
    /// When it was captured, in UTC to the millisecond: `20261122T190801.211Z`. Sorts as time does, and needs no escaping in the
    /// name of a folder.
    pub time: String,
}

impl Partition {
    /// The partition of a captured process. What is not given is taken from the capture, as far as it is known there: the service from
    /// the name of the program.
    pub fn new(process: &Process, host: Option<&str>, service: Option<&str>) -> Self {
        Self {
            host: host.unwrap_or(UNKNOWN).to_owned(),
            service: service.map_or_else(|| service_of(process), str::to_owned),
            pid: process.pid,
            time: time_of(process.captured_at_ns),
        }
    }

    /// The folder of the capture below that of a table, as Hive names it: `host=a/service=b/pid=1/time=c`.
    pub fn folder(&self) -> PathBuf {
        [
            format!("host={}", escaped(&self.host)),
            format!("service={}", escaped(&self.service)),
            format!("pid={}", self.pid),
            format!("time={}", escaped(&self.time)),
        ]
        .iter()
        .collect()
    }
}

/// The program that was run: `server` for `node --expose-gc /app/server.js --port 80`.
fn service_of(process: &Process) -> String {
    let script = process
        .arguments
        .iter()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .and_then(|script| script.rsplit(['/', '\\']).next())
        .map(|name| name.split('.').next().unwrap_or(name));
    match script {
        Some(script) if !script.is_empty() => script.to_owned(),
        _ if process.name.is_empty() => UNKNOWN.to_owned(),
        _ => process.name.clone(),
    }
}

fn time_of(ns: i64) -> String {
    let Ok(time) = Timestamp::from_nanosecond(ns.into()) else {
        return UNKNOWN.to_owned();
    };
    let time = time.to_zoned(TimeZone::UTC);
    time.strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// Escapes what may not stand in the name of a folder, or means something there to Hive: `a/b` as `a%2Fb`.
fn escaped(value: &str) -> String {
    use std::fmt::Write;
    if value.is_empty() {
        return "__HIVE_DEFAULT_PARTITION__".to_owned();
    }
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        // A name of dots only would lead out of the folder; behind the name of the column, it cannot.
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(arguments: &[&str]) -> Process {
        Process {
            pid: 7,
            name: "node".to_owned(),
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            captured_at_ns: 1_790_000_000_211_000_000,
            ..Process::default()
        }
    }

    #[test]
    fn the_service_is_the_program_unless_it_is_named() {
        let of = |arguments: &[&str]| Partition::new(&process(arguments), None, None).service;
        assert_eq!(
            of(&["node", "--expose-gc", "/app/server.js", "x"]),
            "server"
        );
        assert_eq!(of(&["node"]), "node");
        assert_eq!(of(&["node", "/app/.js"]), "node");
        let named = Partition::new(&process(&[]), Some("h"), Some("shop"));
        assert_eq!((named.host.as_str(), named.service.as_str()), ("h", "shop"));
    }

    #[test]
    fn folders_are_named_as_hive_names_them() {
        let partition = Partition::new(&process(&[]), Some("../a b"), Some(""));
        assert_eq!(
            partition.folder(),
            PathBuf::from(
                "host=..%2Fa%20b/service=__HIVE_DEFAULT_PARTITION__/pid=7/time=20260921T141320.211Z"
            )
        );
    }
}
