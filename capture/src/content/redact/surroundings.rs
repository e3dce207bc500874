//! What is replaced in the metadata.

use v8mini_format::model::{Metadata, Redaction};

use super::raw::stays;

/// What Linux keeps of a thread's name.
const NAME_BYTES: usize = 15;
/// Names that V8, Node and libuv give their threads. The program may give others.
const KNOWN_THREADS: [&str; 7] = [
    "node",
    "MainThread",
    "V8Worker",
    "WorkerThread",
    "DelayedTaskSche",
    "SignalInspector",
    "libuv-worker",
];

/// Redacts the command line, names that the program can choose, and registers.
pub(super) fn redact(metadata: &mut Metadata, _level: Redaction) {
    let process = &mut metadata.process;
    // Any argument may be a password; what follows the program's own name keeps its length.
    for argument in process.arguments.iter_mut().skip(1) {
        *argument = "x".repeat(argument.chars().count());
    }
    let executable = file_name(&process.executable).to_owned();
    let first = process.arguments.first_mut();
    // `process.title = …` overwrites all of the command line.
    if let Some(first) = first.filter(|first| file_name(first) != executable) {
        *first = "x".repeat(first.chars().count());
    }
    let is_known = |name: &str| {
        let executable = executable.get(..NAME_BYTES).unwrap_or(&executable);
        name == executable || KNOWN_THREADS.contains(&name)
    };
    if !is_known(&process.name) {
        process.name = "x".repeat(process.name.chars().count());
    }
    for thread in &mut metadata.threads {
        if !is_known(&thread.name) {
            thread.name = "x".repeat(thread.name.chars().count());
        }
        for register in &mut thread.registers {
            if !stays(register.value, &metadata.regions) {
                register.value = 0;
            }
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use v8mini_format::model::{Process, Register, Thread};

    #[test]
    fn what_the_program_chose_goes() {
        let thread = |name: &str| Thread {
            name: name.to_owned(),
            registers: vec![Register {
                name: "rax".to_owned(),
                value: u64::from_le_bytes(*b"hunter2\0"),
            }],
            ..Thread::default()
        };
        let mut metadata = Metadata {
            process: Process {
                name: "node".to_owned(),
                executable: "/usr/bin/node".to_owned(),
                arguments: ["node", "shop.js", "--password=häger"]
                    .map(str::to_owned)
                    .to_vec(),
                ..Process::default()
            },
            threads: vec![thread("V8Worker"), thread("hunter2")],
            ..Metadata::default()
        };
        redact(&mut metadata, Redaction::Strings);
        assert_eq!(
            metadata.process.arguments,
            ["node", "xxxxxxx", "xxxxxxxxxxxxxxxx"]
        );
        assert_eq!(metadata.process.name, "node");
        let names = metadata.threads.iter().map(|thread| thread.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["V8Worker", "xxxxxxx"]);
        let values = metadata.threads.iter().flat_map(|thread| &thread.registers);
        assert!(values.into_iter().all(|register| register.value == 0));

        metadata.process.arguments = vec!["hunter2".to_owned()];
        redact(&mut metadata, Redaction::Strings);
        assert_eq!(metadata.process.arguments, ["xxxxxxx"]);
    }
}
