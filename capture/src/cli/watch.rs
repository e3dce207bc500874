//! `v8mini-capture watch`.

mod condition;

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::linux::{MemoryUse, Monitor, capture, free_bytes};
use anyhow::Context;
use indicatif::HumanBytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::condition::{Condition, Conditions, Met, duration};
use super::Outcome;
use super::capture::be_the_first_to_go;
use super::destination::Destination;
use super::how::HowArguments;
use super::size::Size;
use super::summary::Summary;

/// Capture a process by itself, just before it is in trouble
///
/// Measures the memory of the process, without stopping it, until the process ends or enough captures were made, and captures it
/// when a condition is true:
///
/// v8mini-capture watch 4711 --when 'heap>1.5G' --when 'rss>80%' --when 'growth>100M/10m' --dir /var/captures
///
/// `heap` is the size of the V8 heap's pages, `rss` what of the process is in RAM. `growth` is what the heap has grown above the lowest
/// that it was within the time that is named, or since the last capture. Percent are of the memory that the process may use: the
/// least of its control groups' limits and the machine's memory.
///
/// One line is printed an event: `watching`, `captured`, `skipped` (the disk is too full), `failed`, `ended`.
#[derive(Debug, clap::Args)]
pub(super) struct WatchArguments {
    /// Process to watch.
    #[arg(value_name = "PID")]
    pid: i32,

    /// Capture when this is true: `heap>SIZE`, `rss>SIZE` or `growth>SIZE/TIME`; the size in bytes or percent. May be repeated.
    #[arg(long, value_name = "CONDITION", required = true)]
    when: Vec<Condition>,

    /// Where captures go, as `node.PID.TIME.v8mini`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// End after so many captures.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    max_captures: u32,

    /// Wait so long after a capture before the next.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    cooldown: Duration,

    /// Measure so often.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// Leave so much of the disk free: there is no capture if one as large as the heap would take more. Most are a tenth of it.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    min_free: Size,

    /// Print events as JSON, one object a line.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    how: HowArguments,
}

/// Measuring takes milliseconds: more often, it would be noticed.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval < SHORTEST_INTERVAL {
        return Err(format!(
            "{text:?} is too short: expected no less than {SHORTEST_INTERVAL:?}"
        ));
    }
    Ok(interval)
}

/// Runs the command.
pub(super) fn run(arguments: &WatchArguments) -> anyhow::Result<Outcome> {
    // Whoever watches for the moment before trouble wants to know now that nothing could be written then.
    free_bytes(&arguments.dir)
        .with_context(|| format!("no capture can go to {}", arguments.dir.display()))?;
    arguments.how.packer()?;
    let monitor = Monitor::open(arguments.pid)?;
    be_the_first_to_go();
    let mut watch = Watch {
        arguments,
        monitor,
        conditions: Conditions::new(&arguments.when),
        captures: 0,
        outcome: Outcome::Complete,
    };
    watch.run()?;
    Ok(watch.outcome)
}

struct Watch<'a> {
    arguments: &'a WatchArguments,
    monitor: Monitor,
    conditions: Conditions,
    captures: u32,
    /// Incomplete if a capture was, or there is none where there should be.
    outcome: Outcome,
}

impl Watch<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let mut next_capture = None;
        let mut announced = false;
        while let Some(memory) = self.monitor.measure()? {
            if !announced {
                self.announce(memory)?;
                announced = true;
            }
            let now = Instant::now();
            let met = self.conditions.observe(now, memory);
            let met = met.filter(|_| next_capture.is_none_or(|at| now >= at));
            if let Some(met) = met {
                if self.trouble(&met, memory)? {
                    self.conditions.restart(now, memory);
                }
                if self.captures >= self.arguments.max_captures {
                    return self.end("enough captures were made");
                }
                next_capture = Instant::now().checked_add(self.arguments.cooldown);
            }
            thread::sleep(self.arguments.interval);
        }
        self.end("the process has ended")
    }

    /// Captures the process, if there is room; whether it did.
    fn trouble(&mut self, met: &Met, memory: MemoryUse) -> anyhow::Result<bool> {
        let facts = json!({
            "condition": met.condition,
            "value": met.value,
            "threshold": met.threshold,
            "heap_bytes": memory.heap_bytes,
            "rss_bytes": memory.resident_bytes,
            "limit_bytes": memory.limit_bytes,
        });
        let free = free_bytes(&self.arguments.dir)?;
        let wanted = self.arguments.min_free.0.saturating_add(memory.heap_bytes);
        if free < wanted {
            self.outcome = Outcome::Incomplete;
            let reason = format!(
                "{} are free in {}, and {} are to be left after a capture of up to {} (--min-free)",
                HumanBytes(free),
                self.arguments.dir.display(),
                HumanBytes(self.arguments.min_free.0),
                HumanBytes(memory.heap_bytes),
            );
            self.say(
                "skipped",
                &format!("{met}: {reason}"),
                &merged(facts, json!({ "reason": reason })),
            )?;
            return Ok(false);
        }
        match self.capture() {
            Ok((summary, complete)) => {
                self.captures += 1;
                if !complete {
                    self.outcome = Outcome::Incomplete;
                }
                self.say(
                    "captured",
                    &format!("{met}: {}", summary.text),
                    &merged(facts, json!({ "capture": summary.json })),
                )?;
                Ok(true)
            }
            // It was faster than we.
            Err(_) if !self.monitor.is_alive() => Ok(false),
            Err(error) => {
                self.outcome = Outcome::Incomplete;
                let reason = format!("{error:#}");
                self.say(
                    "failed",
                    &format!("{met}: {reason}"),
                    &merged(facts, json!({ "reason": reason })),
                )?;
                Ok(false)
            }
        }
    }

    fn capture(&self) -> anyhow::Result<(Said, bool)> {
        let Self { arguments, .. } = self;
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let path = arguments
            .dir
            .join(format!("node.{}.{time}.v8mini", arguments.pid));
        let packer = arguments.how.packer()?;
        let destination = Destination::open(Some(&path), arguments.pid, packer)?;
        let place = destination.name();
        let options = arguments.how.options(arguments.dir.clone());
        let captured = capture(arguments.pid, &options, &mut |_| {})?;
        let output = destination.write(&captured, arguments.how.write_options(), &mut |_| {})?;
        let summary = Summary {
            captured: &captured,
            output: &output,
            place,
        };
        let said = Said {
            text: summary.line(),
            json: summary.json(),
        };
        Ok((said, summary.is_complete()))
    }

    fn announce(&self, memory: MemoryUse) -> anyhow::Result<()> {
        let conditions: Vec<_> = self
            .arguments
            .when
            .iter()
            .map(ToString::to_string)
            .collect();
        let text = format!(
            "heap {}, rss {} of {}; captures when {}",
            HumanBytes(memory.heap_bytes),
            HumanBytes(memory.resident_bytes),
            HumanBytes(memory.limit_bytes),
            conditions.join(" or "),
        );
        let facts = json!({
            "conditions": conditions,
            "heap_bytes": memory.heap_bytes,
            "rss_bytes": memory.resident_bytes,
            "limit_bytes": memory.limit_bytes,
        });
        self.say("watching", &text, &facts)
    }

    fn end(&self, reason: &str) -> anyhow::Result<()> {
        let plural = if self.captures == 1 { "" } else { "s" };
        self.say(
            "ended",
            &format!("{reason}; {} capture{plural}", self.captures),
            &json!({ "reason": reason, "captures": self.captures }),
        )
    }

    /// Prints the line of an event.
    fn say(&self, event: &str, text: &str, facts: &Value) -> anyhow::Result<()> {
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let pid = self.arguments.pid;
        let line = if self.arguments.json {
            let event = json!({ "event": event, "time": time, "pid": pid });
            merged(event, facts.clone()).to_string()
        } else {
            format!("{time} {pid} {event}: {text}")
        };
        match writeln!(io::stdout(), "{line}") {
            // Nobody listens: the captures are what matters.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result?),
        }
    }
}

/// A capture's summary.
struct Said {
    text: String,
    json: Value,
}

/// An object with the members of both.
fn merged(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}
