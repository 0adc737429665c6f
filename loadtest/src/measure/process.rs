//! CPU time and memory of a process with all its descendants, from `/proc`.

use std::collections::BTreeMap;
use std::fs;

/// A process and its descendants as they are now.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    processes: Vec<u32>,
}

impl Tree {
    /// Looks up the descendants of a process.
    pub(crate) fn of(root: u32) -> Self {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(parent) = parent(id) {
                children.entry(parent).or_default().push(id);
            }
        }
        let mut processes = vec![root];
        let mut next = 0;
        while let Some(process) = processes.get(next).copied() {
            processes.extend(children.remove(&process).unwrap_or_default());
            next += 1;
        }
        Self { processes }
    }

    /// Nanoseconds of CPU so far, over all threads.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.processes.iter().map(|process| process_cpu_ns(*process)).sum()
    }

    /// Bytes of anonymous memory that are resident.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.processes.iter().map(|process| memory(*process)).sum()
    }
}

fn process_cpu_ns(process: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| first_number(&task.path().join("schedstat"))).sum()
}

/// Nanoseconds of CPU of the calling thread.
pub(crate) fn own_thread_cpu_ns() -> u64 {
    first_number(std::path::Path::new("/proc/thread-self/schedstat")).unwrap_or(0)
}

fn first_number(path: &std::path::Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything, so what follows is counted from its closing bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_tree_holds_children_and_their_work() {
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; cat'; true"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.take().unwrap()), &mut line)
            .unwrap();
        let tree = Tree::of(shell.id());
        assert!(tree.processes.len() >= 2, "{tree:?}");
        assert!(tree.cpu_ns() > Tree { processes: vec![shell.id()] }.cpu_ns());
        assert!(tree.memory_bytes() > 0);
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }
}
