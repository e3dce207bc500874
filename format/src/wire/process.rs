//! `PROC`: the process and the version of its V8.

use bincode::{Decode, Encode};

use super::{bincode_record, clip};
use crate::chunk::ChunkKind;
use crate::model::{Process, V8Version};

/// Bytes of command line that are kept; what follows is replaced by one `…`.
const ARGUMENTS_MAX: usize = 2 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ProcessV1 {
    pid: u32,
    name: String,
    executable: String,
    arguments: Vec<String>,
    node_version: String,
    architecture: String,
    kernel: String,
    os_page_size: u32,
    uptime_ns: u64,
    captured_at_ns: i64,
    monotonic_ns: u64,
    mode: String,
    writer: String,
    v8_version: Option<V8VersionV1>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct V8VersionV1 {
    major: u32,
    minor: u32,
    build: u32,
    patch: u32,
}

bincode_record!(ProcessV1, ChunkKind::PROCESS, |p| {
    let texts = [
        &p.name,
        &p.executable,
        &p.node_version,
        &p.architecture,
        &p.kernel,
        &p.mode,
        &p.writer,
    ];
    texts.iter().map(|text| text.len()).sum::<usize>()
        + p.arguments
            .iter()
            .map(|a| size_of::<String>() + a.len())
            .sum::<usize>()
});

impl ProcessV1 {
    pub(crate) fn new(process: &Process, v8_version: Option<V8Version>) -> Self {
        Self {
            pid: process.pid,
            name: clip(&process.name),
            executable: clip(&process.executable),
            arguments: clip_arguments(&process.arguments),
            node_version: clip(&process.node_version),
            architecture: clip(&process.architecture),
            kernel: clip(&process.kernel),
            os_page_size: process.os_page_size,
            uptime_ns: process.uptime_ns,
            captured_at_ns: process.captured_at_ns,
            monotonic_ns: process.monotonic_ns,
            mode: clip(&process.mode),
            writer: clip(&process.writer),
            v8_version: v8_version.map(V8VersionV1::from),
        }
    }

    pub(crate) fn into_model(self) -> (Process, Option<V8Version>) {
        let process = Process {
            pid: self.pid,
            name: self.name,
            executable: self.executable,
            arguments: self.arguments,
            node_version: self.node_version,
            architecture: self.architecture,
            kernel: self.kernel,
            os_page_size: self.os_page_size,
            uptime_ns: self.uptime_ns,
            captured_at_ns: self.captured_at_ns,
            monotonic_ns: self.monotonic_ns,
            mode: self.mode,
            writer: self.writer,
        };
        (process, self.v8_version.map(V8Version::from))
    }
}

/// Keeps as many arguments as fit, counting what a reader needs in memory for each.
fn clip_arguments(arguments: &[String]) -> Vec<String> {
    let mut used = 0;
    let mut kept = Vec::new();
    for argument in arguments {
        let argument = clip(argument);
        used += argument.len() + size_of::<String>();
        if used > ARGUMENTS_MAX {
            kept.push("…".to_owned());
            break;
        }
        kept.push(argument);
    }
    kept
}

impl From<V8Version> for V8VersionV1 {
    fn from(version: V8Version) -> Self {
        let V8Version {
            major,
            minor,
            build,
            patch,
        } = version;
        Self {
            major,
            minor,
            build,
            patch,
        }
    }
}

impl From<V8VersionV1> for V8Version {
    fn from(version: V8VersionV1) -> Self {
        let V8VersionV1 {
            major,
            minor,
            build,
            patch,
        } = version;
        Self {
            major,
            minor,
            build,
            patch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_command_line_is_cut() {
        let arguments = vec![String::new(); 1_000_000];
        let kept = clip_arguments(&arguments);
        assert!(kept.len() < 100_000);
        assert_eq!(kept.last().map(String::as_str), Some("…"));
    }
}
