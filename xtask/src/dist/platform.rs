//! What this machine is called by those who distribute programs.

use anyhow::{Result, bail};

/// A machine that programs are distributed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Platform {
    system: System,
    processor: Processor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Linux,
    Macos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    X86_64,
    Aarch64,
}

impl Platform {
    /// All that a release is built for, each on a machine of its kind.
    pub(super) const ALL: [Self; 4] = [
        Self::new(System::Linux, Processor::X86_64),
        Self::new(System::Linux, Processor::Aarch64),
        Self::new(System::Macos, Processor::X86_64),
        Self::new(System::Macos, Processor::Aarch64),
    ];

    const fn new(system: System, processor: Processor) -> Self {
        Self { system, processor }
    }

    /// The one that this program runs on.
    pub(super) fn of_this_machine() -> Result<Self> {
        let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
        match Self::ALL
            .iter()
            .find(|known| known.system_name() == system && known.processor_name() == processor)
        {
            Some(known) => Ok(*known),
            None => bail!(
                "nothing is distributed for {system} on {processor}: expected linux or macos on x86_64 or aarch64"
            ),
        }
    }

    const fn system_name(&self) -> &'static str {
        match self.system {
            System::Linux => "linux",
            System::Macos => "macos",
        }
    }

    const fn processor_name(&self) -> &'static str {
        match self.processor {
            Processor::X86_64 => "x86_64",
            Processor::Aarch64 => "aarch64",
        }
    }

    pub(super) fn is_linux(&self) -> bool {
        self.system == System::Linux
    }

    /// As archives are named.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.system_name(), self.processor_name())
    }

    /// As Debian names the processor.
    pub(super) const fn deb_architecture(&self) -> &'static str {
        match self.processor {
            Processor::X86_64 => "amd64",
            Processor::Aarch64 => "arm64",
        }
    }

    /// `process.platform` of Node.js.
    pub(super) const fn npm_os(&self) -> &'static str {
        match self.system {
            System::Linux => "linux",
            System::Macos => "darwin",
        }
    }

    /// `process.arch` of Node.js.
    pub(super) const fn npm_cpu(&self) -> &'static str {
        match self.processor {
            Processor::X86_64 => "x64",
            Processor::Aarch64 => "arm64",
        }
    }
}
