//! Where a capture goes.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::linux::{Captured, Manners, OutputFile, on_a_thread};
use jiff::Timestamp;
use v8mini_format::model::Statistics;
use v8mini_format::{WriteError, WriteOptions, Written};

use super::packer::{PackedStdout, Packer};

/// Where a capture goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// Nowhere: it is compressed all the same, to know its size.
    Nowhere,
    /// Standard output.
    Stdout,
    /// Standard output, packed.
    PackedStdout(PackedStdout),
    /// A file.
    File {
        /// The open file.
        file: OutputFile,
        /// Its name to be.
        path: PathBuf,
        /// What packs it, when it is written.
        packer: Option<Packer>,
    },
}

/// What was written.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) written: Written,
    pub(super) statistics: Statistics,
    /// Why the capture is not packed, although it was to be.
    pub(super) unpacked: Option<anyhow::Error>,
}

impl Destination {
    /// Opens the output: before the process is stopped, so that it is not stopped in vain.
    ///
    /// The default is `node.PID.TIME.v8mini` in the current directory, with the time in UTC:
    /// `node.4711.20261122T181500Z.v8mini`.
    ///
    /// # Errors
    /// If there can be no such file.
    pub(super) fn open(
        output: Option<&Path>,
        pid: i32,
        packer: Option<Packer>,
    ) -> anyhow::Result<Self> {
        if output == Some(Path::new("-")) {
            if io::stdout().is_terminal() {
                anyhow::bail!(
                    "standard output is a terminal, and a capture is binary: redirect it, or name a file with -o FILE"
                );
            }
            return match packer {
                Some(packer) => packer.pack_to_stdout().map(Self::PackedStdout),
                None => Ok(Self::Stdout),
            };
        }
        let path = output.map_or_else(
            || {
                let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
                PathBuf::from(format!("node.{pid}.{time}.v8mini"))
            },
            Path::to_owned,
        );
        match OutputFile::create(&path) {
            Ok(file) => Ok(Self::File { file, path, packer }),
            Err(error) => Err(no_file(&path, error.into())),
        }
    }

    /// What the summary calls it.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Nowhere => None,
            Self::Stdout | Self::PackedStdout(_) => Some("-".to_owned()),
            Self::File { path, .. } => Some(path.display().to_string()),
        }
    }

    /// Whether it is standard output.
    pub(super) const fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout | Self::PackedStdout(_))
    }

    /// Writes the capture, to the last byte and beyond: a file is durable afterwards.
    pub(super) fn write(
        self,
        captured: &Captured,
        options: WriteOptions,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> anyhow::Result<Output> {
        let mut gently = |out: &mut (dyn Write + Send)| {
            on_a_thread(|| {
                let mut manners = Manners::yielding();
                let (_, written, statistics) = captured.write(out, options, &mut |done| {
                    manners.check();
                    progress(done);
                })?;
                Ok::<_, WriteError>((written, statistics))
            })
        };
        let output = |(written, statistics)| Output {
            written,
            statistics,
            unpacked: None,
        };
        match self {
            Self::Nowhere => Ok(output(gently(&mut io::sink())?)),
            Self::Stdout => Ok(output(gently(&mut io::stdout())?)),
            Self::PackedStdout(mut packed) => {
                let (mut written, statistics) = gently(&mut packed)?;
                written.stored_bytes = packed.finish()?;
                Ok(output((written, statistics)))
            }
            Self::File {
                mut file,
                path,
                packer,
            } => {
                let write = || -> anyhow::Result<_> {
                    let written = gently(&mut file)?;
                    file.commit()?;
                    Ok(written)
                };
                let mut output = write().map(output).map_err(|error| no_file(&path, error))?;
                // From here on there is a capture, whatever becomes of it.
                let pack = |packer: Packer| {
                    on_a_thread(|| {
                        Manners::nice();
                        packer.pack(&path)
                    })
                };
                match packer.map(pack).transpose() {
                    Ok(size) => {
                        output.written.stored_bytes = size.unwrap_or(output.written.stored_bytes);
                    }
                    Err(error) => output.unpacked = Some(error),
                }
                Ok(output)
            }
        }
    }
}

/// Says that there is no file, and for a full disk what to do.
fn no_file(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let full = error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == io::ErrorKind::StorageFull)
    });
    let advice = if full {
        " (free some space, or name another place with -o FILE)"
    } else {
        ""
    };
    error.context(format!("nothing was written to {}{advice}", path.display()))
}
