//! The answer of `v8mini node` for people.

use std::io::{self, Write};

use super::report::{EmittersReport, HandlesReport, IsolateReport, ModulesReport, ProcessReport};
use super::waiting::{PromisesReport, TimersReport};
use crate::commands::output::{DIM, HEADING, Output, WARNING, grouped, human_ms};

/// Writes what is known of each isolate.
pub(super) fn write(isolates: &[IsolateReport], output: &mut Output) -> io::Result<()> {
    for isolate in isolates {
        if isolates.len() > 1 {
            writeln!(output, "{HEADING}isolate {}{HEADING:#}\n", isolate.number)?;
        }
        if !isolate.is_node() {
            writeln!(
                output,
                "no process object was found: Node.js did not get that far, or it is no Node.js\n"
            )?;
        }
        if let Some(process) = &isolate.process {
            write_process(process, output)?;
        }
        if let Some(handles) = &isolate.handles {
            write_handles("handles", handles, output)?;
        }
        if let Some(requests) = &isolate.requests {
            write_handles("requests", requests, output)?;
        }
        if let Some(timers) = &isolate.timers {
            write_timers(timers, output)?;
        }
        if let Some(emitters) = &isolate.emitters {
            write_emitters(emitters, output)?;
        }
        if let Some(modules) = &isolate.modules {
            write_modules(modules, output)?;
        }
        if let Some(promises) = &isolate.promises {
            write_promises(promises, output)?;
        }
    }
    Ok(())
}

fn heading(title: &str, output: &mut Output) -> io::Result<()> {
    writeln!(output, "{HEADING}{title}{HEADING:#}")
}

/// That not all are shown.
fn write_rest(shown: usize, count: u64, output: &mut Output) -> io::Result<()> {
    match count.saturating_sub(shown as u64) {
        0 => Ok(()),
        more => writeln!(output, "  {DIM}… {} more: --limit 0{DIM:#}", grouped(more)),
    }
}

fn write_process(process: &ProcessReport, output: &mut Output) -> io::Result<()> {
    let unknown = || "unknown".to_owned();
    let version = process.version.clone().unwrap_or_else(unknown);
    let platform = process.platform.clone().unwrap_or_else(unknown);
    let arch = process.arch.clone().unwrap_or_else(unknown);
    heading(&format!("Node.js {version} on {platform} {arch}"), output)?;
    let mut line = |name: &str, value: Option<String>| match value {
        Some(value) => writeln!(output, "  {name:<10}{value}"),
        None => Ok(()),
    };
    line("pid", process.pid.map(|pid| pid.to_string()))?;
    line("parent", process.ppid.map(|pid| pid.to_string()))?;
    line(
        "title",
        Some(process.title.clone()).filter(|title| !title.is_empty()),
    )?;
    line("execPath", process.exec_path.clone())?;
    line(
        "execArgv",
        Some(process.exec_argv.join(" ")).filter(|text| !text.is_empty()),
    )?;
    line("argv", Some(process.argv.join(" ")))?;
    line("cwd", process.cwd.clone())?;
    line("release", process.release.get("name").cloned())?;
    line("lts", process.release.get("lts").cloned())?;
    line("exit code", process.exit_code.map(|code| code.to_string()))?;
    line(
        "exiting",
        process
            .exiting
            .filter(|exiting| *exiting)
            .map(|_| "yes".to_owned()),
    )?;
    let versions: Vec<String> = process
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    line("versions", Some(versions.join(", ")))?;
    writeln!(output)
}

fn write_handles(what: &str, handles: &HandlesReport, output: &mut Output) -> io::Result<()> {
    let classes: Vec<String> = handles
        .by_class
        .iter()
        .map(|(class, count)| format!("{} {class}", grouped(*count)))
        .collect();
    let classes = if classes.is_empty() {
        String::new()
    } else {
        format!(": {}", classes.join(", "))
    };
    heading(
        &format!("{} open {what}{classes}", grouped(handles.count)),
        output,
    )?;
    for handle in &handles.open {
        write!(output, "  {:<8} ", handle.class)?;
        match &handle.owner {
            Some(owner) => writeln!(output, "{} of {}", handle.address, owner.summary)?,
            None => writeln!(output, "{}", handle.summary)?,
        }
    }
    write_rest(handles.open.len(), handles.count, output)?;
    writeln!(output)
}

fn write_timers(timers: &TimersReport, output: &mut Output) -> io::Result<()> {
    let queue = |length: Option<u64>, name: &str| match length {
        None => format!("{name} that were not found, "),
        Some(0) => String::new(),
        Some(length) => format!("{} {name}, ", grouped(length)),
    };
    heading(
        &format!(
            "{}{}{} timers in {} lists, {} immediates",
            queue(timers.ticks, "ticks"),
            queue(timers.microtasks, "microtasks"),
            grouped(timers.count),
            grouped(timers.lists),
            grouped(timers.immediates)
        ),
        output,
    )?;
    for tick in &timers.tick_callbacks {
        let callback = tick.callback.as_ref().map(|callback| callback.text());
        let callback = callback.unwrap_or_default();
        writeln!(
            output,
            "  next tick: {callback} {DIM}{}{DIM:#}",
            tick.address
        )?;
    }
    write_rest(
        timers.tick_callbacks.len(),
        timers.ticks.unwrap_or(0),
        output,
    )?;
    for microtask in &timers.microtask_callbacks {
        let callback = microtask.callback.as_ref().map(|callback| callback.text());
        let callback = callback.unwrap_or_else(|| "(V8 itself)".to_owned());
        writeln!(
            output,
            "  next microtask: {callback} {DIM}{}{DIM:#}",
            microtask.address
        )?;
    }
    let microtasks = timers.microtasks.unwrap_or(0);
    write_rest(timers.microtask_callbacks.len(), microtasks, output)?;
    for timer in &timers.timers {
        let due = match timer.due_in_ms {
            Some(due) if due < 0.0 => format!("late by {}", human_ms(-due)),
            Some(due) => format!("due in {}", human_ms(due)),
            None => String::new(),
        };
        let kind = match timer.repeat_ms {
            Some(repeat) => format!("every {}", human_ms(repeat)),
            None => format!("after {}", human_ms(timer.duration_ms)),
        };
        let refed = if timer.refed == Some(false) {
            ", unref"
        } else {
            ""
        };
        let callback = timer.callback.as_ref().map(|callback| callback.text());
        let callback = callback.unwrap_or_else(|| timer.class.clone());
        writeln!(
            output,
            "  {due:<18} {kind}{refed}: {callback} {DIM}{}{DIM:#}",
            timer.address
        )?;
    }
    write_rest(timers.timers.len(), timers.count, output)?;
    for immediate in &timers.immediate_callbacks {
        let callback = immediate.callback.as_ref().map(|callback| callback.text());
        let callback = callback.unwrap_or_default();
        writeln!(
            output,
            "  immediate: {callback} {DIM}{}{DIM:#}",
            immediate.address
        )?;
    }
    writeln!(output)
}

fn write_emitters(emitters: &EmittersReport, output: &mut Output) -> io::Result<()> {
    heading(
        &format!(
            "{} event emitters with {} listeners",
            grouped(emitters.count),
            grouped(emitters.listeners)
        ),
        output,
    )?;
    for class in &emitters.classes {
        writeln!(
            output,
            "  {:>8} listeners on {:>6} {}",
            grouped(class.listeners),
            grouped(class.emitters),
            class.class
        )?;
    }
    if emitters.suspects > 0 {
        writeln!(
            output,
            "  {WARNING}{} with more than 10 listeners for one event, as a rule a leak{WARNING:#}",
            grouped(emitters.suspects)
        )?;
    }
    for emitter in &emitters.top {
        let events: Vec<String> = emitter
            .events
            .iter()
            .take(6)
            .map(|event| format!("{} {}", event.event, grouped(event.listeners)))
            .collect();
        let sign = if emitter.is_suspect { "!" } else { " " };
        writeln!(
            output,
            "{sign} {:>8} on {} {}: {}",
            grouped(emitter.listeners),
            emitter.class,
            emitter.address,
            events.join(", ")
        )?;
    }
    writeln!(output)
}

fn write_modules(modules: &ModulesReport, output: &mut Output) -> io::Result<()> {
    heading(
        &format!(
            "{} modules by require, {} by import",
            grouped(modules.common_js_count),
            grouped(modules.ecma_script_count)
        ),
        output,
    )?;
    for module in &modules.common_js {
        let loading = if module.loaded == Some(false) {
            " (still loading)"
        } else {
            ""
        };
        writeln!(output, "  {}{loading}", module.key)?;
    }
    write_rest(modules.common_js.len(), modules.common_js_count, output)?;
    for module in &modules.ecma_script {
        writeln!(output, "  {module}")?;
    }
    write_rest(modules.ecma_script.len(), modules.ecma_script_count, output)?;
    writeln!(output)
}

fn write_promises(promises: &PromisesReport, output: &mut Output) -> io::Result<()> {
    heading(
        &format!("{} pending promises", grouped(promises.pending)),
        output,
    )?;
    for group in &promises.groups {
        let callback = group.callback.as_ref().map(|callback| callback.text());
        let callback = callback.unwrap_or_default();
        let waiting = match group.waiting {
            "await" => format!("awaited in {callback}"),
            "then" => format!("then {callback}"),
            "nobody" => "nobody waits for".to_owned(),
            _ => "something that is not told waits for".to_owned(),
        };
        writeln!(
            output,
            "  {:>8} {waiting} {DIM}{}{DIM:#}",
            grouped(group.count),
            group.example
        )?;
    }
    writeln!(output)
}
