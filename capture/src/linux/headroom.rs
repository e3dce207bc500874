//! How much memory a process and its relatives may still use: the machine's, and that of its control groups.

use std::fs;
use std::path::{Path, PathBuf};

use nix::libc::pid_t;

use super::procfs;

/// Bytes that may still be allocated on behalf of a process before something is reclaimed by force or killed; `None` if nothing
/// limits it that is known.
///
/// Of a control group (version 1 or 2) and of all its ancestors, the least counts: limit minus use, where file pages that
/// have not been used lately do not count as use.
pub(super) fn bytes(pid: pid_t) -> Option<u64> {
    let groups = MemoryGroups::of(pid);
    let of_groups = groups.iter().flat_map(MemoryGroups::headrooms);
    of_groups.chain(machine()).min()
}

/// Bytes that a process may use: the least of the limits of its control group and the group's ancestors, and the machine's memory.
pub(super) fn limit(pid: pid_t) -> Option<u64> {
    let groups = MemoryGroups::of(pid);
    let of_groups = groups.iter().flat_map(MemoryGroups::limits);
    of_groups.chain(meminfo("MemTotal:")).min()
}

/// What of a process is in RAM, in bytes.
pub(super) fn resident(pid: pid_t) -> Option<u64> {
    kilobytes(&procfs::status_field(pid, "VmRSS")?)
}

/// `MemAvailable`: what can be had without swapping (since Linux 3.14).
fn machine() -> Option<u64> {
    meminfo("MemAvailable:")
}

fn meminfo(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    kilobytes(text.lines().find_map(|line| line.strip_prefix(name))?)
}

fn kilobytes(text: &str) -> Option<u64> {
    let number = text.trim().strip_suffix("kB")?.trim_end();
    number.parse::<u64>().ok()?.checked_mul(1024)
}

/// Memory that a process's page tables take, which a clone takes again.
pub(super) fn page_tables(pid: pid_t) -> u64 {
    procfs::status_field(pid, "VmPTE")
        .and_then(|text| kilobytes(&text))
        .unwrap_or(0)
}

/// The names of a version's files.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    limit: &'static str,
    usage: &'static str,
    /// Field of `memory.stat`: file pages of the group and its descendants that are next to be reclaimed.
    reclaimable: &'static str,
}

const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
};
const VERSION_2: Files = Files {
    limit: "memory.max",
    usage: "memory.current",
    reclaimable: "inactive_file",
};

/// A process's place in a hierarchy of control groups.
#[derive(Debug, PartialEq, Eq)]
struct MemoryGroups {
    files: &'static Files,
    /// Where the hierarchy is mounted.
    mount: PathBuf,
    /// The process's own group.
    group: PathBuf,
}

impl MemoryGroups {
    /// The group of `pid` in the hierarchy that limits memory, if it can be seen from here.
    fn of(pid: pid_t) -> Option<Self> {
        let groups = fs::read_to_string(procfs::path(pid, "cgroup")).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::find(&groups, &mounts)
    }

    fn find(groups: &str, mounts: &str) -> Option<Self> {
        // `4:memory:/path` is version 1, `0::/path` version 2; a machine that has both limits memory by the first.
        let path_of = |is_it: &dyn Fn(&str, &str) -> bool| {
            groups.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':');
                let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
                is_it(id, controllers).then_some(path)
            })
        };
        let has_memory = |list: &str| list.split(',').any(|controller| controller == "memory");
        let (files, path, kind) = match path_of(&|_, controllers| has_memory(controllers)) {
            Some(path) => (&VERSION_1, path, "cgroup"),
            None => (&VERSION_2, path_of(&|id, _| id == "0")?, "cgroup2"),
        };
        mounts.lines().find_map(|line| {
            // `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory`
            let (place, kind_and_options) = line.split_once(" - ")?;
            let mut place = place.split(' ').skip(3);
            let (root, mount) = (place.next()?, place.next()?);
            let mut options = kind_and_options.split(' ');
            let of_kind = options.next()? == kind;
            if !of_kind || (kind == "cgroup" && !has_memory(options.nth(1)?)) {
                return None;
            }
            let below = Path::new(path).strip_prefix(root).ok()?;
            // A group outside of this program's namespace begins with `/..`.
            let is_visible = !below.starts_with("..");
            is_visible.then(|| Self {
                files,
                mount: mount.into(),
                group: Path::new(mount).join(below),
            })
        })
    }

    /// What is left in the group and in each of its ancestors that has a limit.
    fn headrooms(&self) -> impl Iterator<Item = u64> + '_ {
        self.lineage().filter_map(|group| self.headroom(group))
    }

    /// The limits of the group and of its ancestors, where there are any.
    fn limits(&self) -> impl Iterator<Item = u64> + '_ {
        self.lineage().filter_map(|group| self.limit(group))
    }

    /// The group and its ancestors.
    fn lineage(&self) -> impl Iterator<Item = &Path> {
        self.group
            .ancestors()
            .take_while(|group| group.starts_with(&self.mount))
    }

    fn limit(&self, group: &Path) -> Option<u64> {
        // `max` is no number, and means no limit; version 1 says so with a number larger than any memory.
        let limit = fs::read_to_string(group.join(self.files.limit)).ok()?;
        limit.trim().parse().ok()
    }

    fn headroom(&self, group: &Path) -> Option<u64> {
        let read = |name| fs::read_to_string(group.join(name)).ok();
        let limit = self.limit(group)?;
        let usage: u64 = read(self.files.usage)?.trim().parse().ok()?;
        let reclaimable = read("memory.stat").and_then(|stat| {
            stat.lines().find_map(|line| {
                let (name, bytes) = line.split_once(' ')?;
                (name == self.files.reclaimable).then(|| bytes.parse().ok())?
            })
        });
        Some(limit.saturating_sub(usage.saturating_sub(reclaimable.unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions() {
        let mounts = "23 1 0:4 / /proc rw - proc proc rw\n\
            31 23 0:28 / /sys/fs/cgroup rw,relatime shared:5 - tmpfs tmpfs rw\n\
            35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            36 31 0:33 /docker /sys/fs/cgroup/memory rw shared:9 master:1 - cgroup cgroup rw,memory\n\
            37 31 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found = |groups| {
            let found = MemoryGroups::find(groups, mounts)?;
            Some((found.files, found.group.to_str()?.to_owned()))
        };
        assert_eq!(
            found("5:cpu:/x\n4:memory:/docker/abc\n0::/y\n"),
            Some((&VERSION_1, "/sys/fs/cgroup/memory/abc".to_owned()))
        );
        assert_eq!(
            found("5:cpu:/x\n0::/a.slice/b.scope\n"),
            Some((
                &VERSION_2,
                "/sys/fs/cgroup/unified/a.slice/b.scope".to_owned()
            ))
        );
        assert_eq!(found("4:memory:/elsewhere\n"), None);
        assert_eq!(found("0::/../other\n"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn the_narrowest_ancestor_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (outer, inner) = (dir.path().join("outer"), dir.path().join("outer/inner"));
        fs::create_dir_all(&inner).unwrap();
        let write = |group: &Path, limit: &str, usage: &str, stat: &str| {
            fs::write(group.join("memory.max"), limit).unwrap();
            fs::write(group.join("memory.current"), usage).unwrap();
            fs::write(group.join("memory.stat"), stat).unwrap();
        };
        write(&outer, "1000\n", "900\n", "anon 1\ninactive_file 300\n");
        write(&inner, "max\n", "600\n", "inactive_file 300\n");
        let groups = MemoryGroups {
            files: &VERSION_2,
            mount: dir.path().into(),
            group: inner.clone(),
        };
        assert_eq!(groups.headrooms().min(), Some(400));
        assert_eq!(groups.limits().min(), Some(1000));
        write(&inner, "500\n", "600\n", "");
        assert_eq!(groups.headrooms().min(), Some(0));
    }

    #[test]
    fn own_headroom() {
        let pid = nix::unistd::getpid().as_raw();
        assert!(bytes(pid).is_some_and(|bytes| bytes > 0));
        assert!(page_tables(pid) > 0);
        assert!(resident(pid) < limit(pid));
    }
}
