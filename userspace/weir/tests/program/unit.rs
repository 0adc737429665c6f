//! Under the service manager: what it is told, and the files that are given to it.

use crate::process::{PATIENCE, Weir, free_port, weir};
use libtest_mimic::{Failed, Trial};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    let lacks = |program: &str| {
        let lacks = Command::new(program).arg("--version").output().is_err();
        if lacks {
            println!("skipped: trials of the unit's files need {program}");
        }
        lacks
    };
    vec![
        Trial::test("unit::the_service_manager_is_told_and_the_watchdog_fed", told),
        Trial::test("unit::f13_a_worker_that_stands_still_starves_the_watchdog", starved)
            .with_ignored_flag(!nix::unistd::geteuid().is_root()),
        Trial::test("unit::systemd_finds_nothing_wrong_and_little_exposed", analysed)
            .with_ignored_flag(lacks("systemd-analyze")),
        Trial::test("unit::group_and_folders_are_made", made)
            .with_ignored_flag(lacks("systemd-sysusers") || lacks("systemd-tmpfiles")),
        Trial::test("unit::logs_are_rotated", rotated).with_ignored_flag(lacks("logrotate")),
    ]
}

/// A service manager, and weir as its service.
struct Managed {
    manager: UnixDatagram,
    weir: Weir,
    _room: tempfile::TempDir,
}

impl Managed {
    fn start() -> Result<Self, Failed> {
        let room = tempfile::tempdir()?;
        let path = room.path().join("notify");
        let manager = UnixDatagram::bind(&path)?;
        manager.set_read_timeout(Some(PATIENCE))?;
        let mut command = weir();
        command.env("NOTIFY_SOCKET", &path);
        let config = format!(
            "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{}\" }} ]
routes: [ {{ match: {{ path: /* }}, respond: {{ status: 200 }} }} ]
admin: {{ socket: \"{{dir}}/admin.sock\" }}
",
            free_port()
        );
        Ok(Self { manager, weir: Weir::start_by(command, &config), _room: room })
    }

    fn hears(&self) -> std::io::Result<String> {
        let mut buffer = [0; 512];
        let length = self.manager.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }
}

fn told() -> Result<(), Failed> {
    let mut managed = Managed::start()?;
    assert!(managed.hears()?.contains("READY=1"));
    for beat in 1..=2 {
        assert!(managed.hears()?.contains("WATCHDOG=1"), "beat {beat}");
    }
    assert!(managed.weir.ask(&["reload", "--wait"]).status.success());
    let until = |words: &str| loop {
        let heard = managed.hears()?;
        if heard.contains(words) {
            return Ok::<_, Failed>(heard);
        }
    };
    assert!(until("RELOADING=1")?.contains("MONOTONIC_USEC="));
    assert!(until("READY=1")?.contains("STATUS=serving by generation 2"));
    managed.weir.signal("TERM");
    until("STOPPING=1")?;
    assert_eq!(managed.weir.end(), Some(0));
    Ok(())
}

/// The number of the first worker's thread.
pub(crate) fn worker_of(process: u32) -> Result<Pid, Failed> {
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?;
        let name = std::fs::read_to_string(task.path().join("comm"))?;
        if name.trim().strip_prefix("weir-").is_some_and(|cpu| cpu.parse::<u32>().is_ok()) {
            return Ok(Pid::from_raw(task.file_name().to_string_lossy().parse()?));
        }
    }
    Err("no worker's thread".into())
}

/// A debugger holds one worker still: the control thread goes on and must not say that all is well.
fn starved() -> Result<(), Failed> {
    let managed = Managed::start()?;
    while !managed.hears()?.contains("WATCHDOG=1") {}
    let worker = worker_of(managed.weir.pid())?;
    ptrace::attach(worker)?;
    waitpid(worker, Some(WaitPidFlag::__WALL))?;
    // What it has said so far says nothing about what follows. Then one beat may come that was asked for before.
    managed.manager.set_nonblocking(true)?;
    while managed.hears().is_ok() {}
    managed.manager.set_nonblocking(false)?;
    managed.manager.set_read_timeout(Some(Duration::from_secs(4)))?;
    let late = std::iter::from_fn(|| managed.hears().ok()).take(10).count();
    assert!(late <= 2, "it said {late} times that all is well");
    ptrace::detach(worker, None)?;
    managed.manager.set_read_timeout(Some(PATIENCE))?;
    assert!(managed.hears()?.contains("WATCHDOG=1"), "the worker goes on, and so does the watchdog");
    Ok(())
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd").join(name)
}

fn good(command: &mut Command) -> Result<Output, Failed> {
    let output = command.output()?;
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&said));
    Ok(output)
}

fn analysed() -> Result<(), Failed> {
    let unit = file("weir.service");
    good(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=30"]).arg(&unit))?;
    // The program lies elsewhere here than where the unit expects it.
    let room = tempfile::tempdir()?;
    let here = std::fs::read_to_string(&unit)?.replace("/usr/bin/weir", env!("CARGO_BIN_EXE_weir"));
    let copy = room.path().join("weir.service");
    std::fs::write(&copy, here)?;
    let said = good(Command::new("systemd-analyze").arg("verify").arg(&copy))?;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!words.contains("weir.service:"), "{words}");
    Ok(())
}

fn made() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let root = format!("--root={}", room.path().display());
    std::fs::create_dir(room.path().join("etc"))?;
    good(Command::new("systemd-sysusers").arg(&root).arg(file("weir.sysusers")))?;
    let groups = std::fs::read_to_string(room.path().join("etc/group"))?;
    assert!(groups.lines().any(|line| line.starts_with("weir:")), "{groups}");
    std::fs::write(room.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n")?;
    let mut command = Command::new("systemd-tmpfiles");
    good(command.arg(&root).arg("--create").arg(file("weir.tmpfiles")))?;
    for folder in ["etc/weir/certs", "var/lib/weir", "var/log/weir"] {
        assert!(room.path().join(folder).is_dir(), "{folder}");
    }
    Ok(())
}

fn rotated() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let rules = std::fs::read_to_string(file("weir.logrotate"))?;
    let here = rules
        .replace("/var/log/weir", room.path().to_str().ok_or("a path")?)
        .replace("root weir", "root root");
    let (path, state) = (room.path().join("rules"), room.path().join("state"));
    std::fs::write(&path, here)?;
    std::fs::write(room.path().join("access.json"), "{}\n")?;
    good(Command::new("logrotate").arg("--force").arg("--state").arg(&state).arg(&path))?;
    assert!(room.path().join("access.json.1").exists());
    Ok(())
}
