//! `cargo xtask dist`: everything that a release consists of, for the machine that this runs on.

mod contents;
mod deb;
mod manual;
mod npm;
mod platform;
mod sbom;
mod sums;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use v8mini_tests::{dist, target_dir};

use contents::{Contents, Mode};
use platform::Platform;

/// The version of everything here: the workspace has one.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Build what a release consists of, for this machine: archive, Debian package, npm packages, bill of materials, checksums
///
/// On Linux both programs are static. On macOS, where no live process can be captured, there is only v8mini, and no Debian
/// package.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the files go. By default target/dist
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Only write the checksums of the files that are in DIR: those of several machines, brought together
    #[arg(long)]
    sums_only: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => target_dir().join("dist"),
    };
    fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    if arguments.sums_only {
        return sums::write(&output);
    }
    let platform = Platform::of_this_machine()?;
    let programs = Programs::build()?;
    let pages = manual::pages()?;
    write(&output, &platform, &programs, &pages)?;
    sums::write(&output)?;
    for entry in sorted(&output)? {
        let bytes = entry.metadata()?.len();
        println!("{:>9.2} MB  {}", bytes as f64 / 1e6, entry.display());
    }
    Ok(())
}

/// Writes everything but the checksums.
fn write(output: &Path, platform: &Platform, programs: &Programs, pages: &Contents) -> Result<()> {
    let name = format!("v8mini-{VERSION}-{}", platform.name());
    let mut archive = Contents::default();
    for (name, path) in programs.all() {
        archive.add_file(name, path, Mode::Program)?;
    }
    for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        archive.add_file(name, &v8mini_tests::workspace_root().join(name), Mode::Data)?;
    }
    let licenses = sbom::third_party_licenses(platform)?;
    archive.add("THIRD-PARTY-LICENSES", licenses, Mode::Data);
    archive.add_all("", pages);
    archive.write_tar_gz(&name, &output.join(format!("{name}.tar.gz")))?;
    if platform.is_linux() {
        let file = format!("v8mini_{VERSION}-1_{}.deb", platform.deb_architecture());
        deb::write(&output.join(file), platform, programs, pages)?;
    }
    npm::write(output, platform, programs)?;
    sbom::write(&output.join(format!("{name}.cdx.json")), platform)
}

/// The programs that were built.
struct Programs {
    /// Only on Linux.
    capture: Option<PathBuf>,
    analyze: PathBuf,
}

impl Programs {
    fn build() -> Result<Self> {
        let capture = cfg!(target_os = "linux")
            .then(dist::static_capture)
            .transpose()?;
        Ok(Self {
            capture,
            analyze: dist::analyze()?,
        })
    }

    /// The names and the files.
    fn all(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let capture = self.capture.as_deref().map(|path| ("v8mini-capture", path));
        std::iter::once(("v8mini", self.analyze.as_path())).chain(capture)
    }
}

/// The files of a folder by name.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}
