//! The Debian package.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use v8mini_tests::workspace_root;

use super::contents::{Contents, Mode, gzip};
use super::platform::Platform;
use super::{Programs, VERSION, sbom};
use crate::tools::{last_commit, must_succeed};

const MAINTAINER: &str = "The v8mini project <v8mini@users.noreply.github.com>";

/// What `apt show` says.
const DESCRIPTION: &str = "\
minidump toolkit for V8: small captures of Node.js heaps
 v8mini-capture stops a live Node.js process for milliseconds and writes its
 JavaScript heap, its stacks and what is needed to read them into one small
 file.
 .
 v8mini opens that file, or an ELF core, on any machine, without Node.js, a
 debugger or symbols, and says what fills the heap, what each object holds,
 what keeps it alive, what grew, and where the program was.
";

/// Both programs need nothing but the kernel, on purpose: the same files are copied into containers.
const LINTIAN_OVERRIDES: &str = "\
# The same files are copied into containers without a C library.
v8mini: statically-linked-binary
v8mini: embedded-library
# Not made for the archive of Debian.
v8mini: initial-upload-closes-no-bugs
";

/// Where the files of an archive go. Manual pages are compressed by the rules of Debian.
const PLACES: [(&str, &str); 4] = [
    ("man/", "usr/share/man/"),
    ("completions/_", "usr/share/zsh/vendor-completions/_"),
    ("completions/", "usr/share/bash-completion/completions/"),
    ("completions/", "usr/share/fish/vendor_completions.d/"),
];

/// Writes the package with `dpkg-deb`.
pub(super) fn write(
    file: &Path,
    platform: &Platform,
    programs: &Programs,
    pages: &Contents,
) -> Result<()> {
    let time = source_time()?;
    let mut files = Contents::default();
    for (name, path) in programs.all() {
        files.add_file(format!("usr/bin/{name}"), path, Mode::Program)?;
    }
    for (path, bytes) in pages.iter() {
        add_page(&mut files, path, bytes)?;
    }
    add_documents(&mut files, platform, time)?;
    let root = tempfile::tempdir()?;
    // Debian wants the folders of a package to be open to all, those of tempfile are not.
    let stage = root.path().join("v8mini");
    files.write_into(&stage)?;
    let control = control(platform, &files);
    let mut about = Contents::default();
    about.add("DEBIAN/control", control, Mode::Data);
    about.add("DEBIAN/md5sums", md5sums(&stage, &files)?, Mode::Data);
    about.write_into(&stage)?;
    let mut build = Command::new("dpkg-deb");
    build
        .args(["--root-owner-group", "-Zxz", "--build"])
        .arg(&stage)
        .arg(file)
        .env("SOURCE_DATE_EPOCH", time.as_second().to_string());
    must_succeed(&mut build).context("dpkg-deb, of which Debian's and Ubuntu's are made, is needed")
}

fn add_page(files: &mut Contents, path: &str, bytes: &[u8]) -> Result<()> {
    let (from, to) = match path {
        _ if path.starts_with("man/") => {
            let target = format!("{}{}.gz", PLACES[0].1, &path[PLACES[0].0.len()..]);
            files.add(target, gzip(bytes)?, Mode::Data);
            return Ok(());
        }
        _ if path.starts_with(PLACES[1].0) => PLACES[1],
        _ if path.ends_with(".bash") => PLACES[2],
        _ => PLACES[3],
    };
    let name = path.strip_prefix(from).unwrap_or(path);
    // bash looks for the completions of a program under its very name.
    let name = name.strip_suffix(".bash").unwrap_or(name);
    files.add(format!("{to}{name}"), bytes, Mode::Data);
    Ok(())
}

/// What every package has in `/usr/share/doc`.
fn add_documents(files: &mut Contents, platform: &Platform, time: jiff::Timestamp) -> Result<()> {
    let doc = "usr/share/doc/v8mini";
    let root = workspace_root();
    let read = |name: &str| {
        std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
    };
    let date = jiff::fmt::rfc2822::to_string(&time.to_zoned(jiff::tz::TimeZone::UTC))?;
    let changes = format!(
        "v8mini ({VERSION}-1) unstable; urgency=medium\n\n  * Release {VERSION}: see changelog.gz.\n\n -- {MAINTAINER}  {date}\n"
    );
    files.add(
        format!("{doc}/changelog.Debian.gz"),
        gzip(changes.as_bytes())?,
        Mode::Data,
    );
    files.add(
        format!("{doc}/changelog.gz"),
        gzip(read("CHANGELOG.md")?.as_bytes())?,
        Mode::Data,
    );
    files.add(format!("{doc}/README.md"), read("README.md")?, Mode::Data);
    files.add(
        format!("{doc}/copyright"),
        copyright(&read("LICENSE-MIT")?),
        Mode::Data,
    );
    files.add(
        format!("{doc}/THIRD-PARTY-LICENSES.gz"),
        gzip(sbom::third_party_licenses(platform)?.as_bytes())?,
        Mode::Data,
    );
    files.add(
        "usr/share/lintian/overrides/v8mini",
        LINTIAN_OVERRIDES,
        Mode::Data,
    );
    Ok(())
}

fn control(platform: &Platform, files: &Contents) -> String {
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    format!(
        "Package: v8mini\nVersion: {VERSION}-1\nSection: devel\nPriority: optional\nArchitecture: {}\n\
         Maintainer: {MAINTAINER}\nInstalled-Size: {}\nHomepage: {}\nDescription: {DESCRIPTION}",
        platform.deb_architecture(),
        bytes.div_ceil(1024),
        env!("CARGO_PKG_REPOSITORY"),
    )
}

/// In the format of Debian: <https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>.
fn copyright(mit: &str) -> String {
    let mut text = format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: v8mini\nSource: {}\n\n\
         Files: *\nCopyright: 2026 The v8mini contributors\nLicense: Apache-2.0 or Expat\nComment: The programs hold libraries, each under \
         its own license: see THIRD-PARTY-LICENSES.gz.\n\nLicense: Apache-2.0\n On Debian systems, the full text of the Apache License \
         2.0 is in\n /usr/share/common-licenses/Apache-2.0.\n\nLicense: Expat\n",
        env!("CARGO_PKG_REPOSITORY"),
    );
    for line in mit.lines() {
        let line = if line.trim().is_empty() { "." } else { line };
        let _ = writeln!(text, " {line}");
    }
    text
}

fn md5sums(stage: &Path, files: &Contents) -> Result<String> {
    let output = Command::new("md5sum")
        .args(files.iter().map(|(path, _)| path))
        .current_dir(stage)
        .output()
        .context("cannot run md5sum")?;
    ensure!(
        output.status.success(),
        "md5sum ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// When the source was last changed: `SOURCE_DATE_EPOCH`, or by git.
fn source_time() -> Result<jiff::Timestamp> {
    let seconds = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(seconds) => seconds,
        Err(_) => last_commit("%ct", &[])
            .context("SOURCE_DATE_EPOCH says without git when the source was last changed")?,
    };
    let seconds = seconds
        .trim()
        .parse()
        .context("neither SOURCE_DATE_EPOCH nor git says when the source was last changed")?;
    Ok(jiff::Timestamp::from_second(seconds)?)
}
