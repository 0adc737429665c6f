//! A control group whose processes have so much memory, of either version of control groups.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where groups may be made, and the file in each that bounds its memory.
const ROOTS: [(&str, &str); 2] =
    [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];

/// The group. It goes away with its last process.
pub(crate) struct Cage(PathBuf);

impl Cage {
    /// Nothing where the kernel lets no group be made or none be bounded.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        ROOTS.iter().find_map(|(root, limit)| {
            let group = Path::new(root).join(format!("weir-trial-{}", std::process::id()));
            std::fs::create_dir(&group).ok()?;
            let cage = Self(group);
            // A folder that is no group has no such file, and must not be given one.
            let mut file = std::fs::OpenOptions::new().write(true).open(cage.0.join(limit)).ok()?;
            std::io::Write::write_all(&mut file, bytes.to_string().as_bytes()).ok()?;
            Some(cage)
        })
    }

    /// The same command, in the group from its first instruction on.
    pub(crate) fn around(&self, command: &Command) -> Command {
        let mut around = Command::new("sh");
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", self.0.display());
        around.args(["-c", &enter]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => around.env(name, value),
                None => around.env_remove(name),
            };
        }
        around.stdin(std::process::Stdio::null());
        around
    }

    pub(crate) fn holds(&self, process: u32) -> bool {
        let inside = std::fs::read_to_string(self.0.join("cgroup.procs")).unwrap();
        inside.lines().any(|line| line == process.to_string())
    }

    /// How many of its processes the kernel has ended for want of memory.
    pub(crate) fn kills(&self) -> u64 {
        let read = |name: &str| std::fs::read_to_string(self.0.join(name)).ok();
        let counts = read("memory.events").or_else(|| read("memory.oom_control")).unwrap();
        let line = counts.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap();
        line.parse().unwrap()
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // Whatever is still inside holds it until it ends.
        drop(std::fs::remove_dir(&self.0));
    }
}
