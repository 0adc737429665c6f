//! B59: what the running program may do is what it needs, whoever started it.

use crate::process::{Weir, curl, free_port, until, weir};
use crate::succession::{Stranger, children, copy, installed};
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("powers::b59_root_keeps_what_serving_takes_and_so_does_its_successor", by_root)
            .with_ignored_flag(!root),
        Trial::test("powers::b59_what_only_root_may_read_is_refused_at_the_start", foreign)
            .with_ignored_flag(!root),
        Trial::test("powers::b59_another_user_has_what_it_was_given", by_another).with_ignored_flag(!root),
    ]
}

/// NET_BIND_SERVICE, NET_ADMIN, PERFMON and BPF (linux/capability.h).
const KEPT: u64 = 1 << 10 | 1 << 12 | 1 << 38 | 1 << 39;

/// What is kept of root. Where nobody may lift the limit on locked memory, the rings need IPC_LOCK, too.
fn of_root(process: u32) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let is_lifted = limits.lines().any(|line| line.starts_with("Max locked memory         unlimited"));
    if is_lifted { KEPT } else { KEPT | 1 << 14 }
}

/// An address of this host that no other trial uses, for ports below 1024.
fn own_address() -> String {
    let [low, high] = [std::process::id() % 250 + 1, std::process::id() / 250 % 250 + 1];
    format!("127.59.{high}.{low}")
}

fn config(bind: &str) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
limits: {{ drain_timeout: 2s }}
listeners: [ {{ name: edge, bind: \"{bind}\" }} ]
routes: [ {{ match: /*, respond: {{ body: hello }} }} ]
"
    )
}

/// One line of what the kernel says about each thread of a process, as a number.
fn each_thread(process: u32, field: &str) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let number = |text: String| {
        let value = text.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().to_owned();
        u64::from_str_radix(&value, 16).unwrap()
    };
    texts.map(number).collect()
}

/// No thread of the process holds, or can gain, anything but `kept`.
fn holds_only(process: u32, kept: u64) {
    for (field, expect) in [("CapEff:", kept), ("CapPrm:", kept), ("NoNewPrivs:", 1)] {
        let found = each_thread(process, field);
        assert!(found.len() > 1, "the workers are there");
        assert!(found.iter().all(|one| *one == expect), "{field} {found:x?}, {expect:x} is expected");
    }
    for field in ["CapInh:", "CapAmb:"] {
        let found = each_thread(process, field);
        assert!(found.iter().all(|one| one & !KEPT == 0), "{field} {found:x?}");
    }
}

fn by_root() -> Result<(), Failed> {
    let (place, address, port) = (tempfile::tempdir()?, own_address(), free_port());
    let mut first = Weir::start_by(installed(place.path()), &config(&format!("127.0.0.1:{port}")));
    let kept = of_root(first.pid());
    holds_only(first.pid(), kept);
    assert!(each_thread(first.pid(), "CapBnd:").iter().all(|one| *one == kept));
    let words = || fs::read_to_string(first.room.path().join("stderr")).unwrap();
    assert!(words().contains("this process may use CAP_BPF ") && words().contains("given up"), "{}", words());
    // What it has kept is enough to open a port below 1024, and for a successor to take it over.
    first.rewrite(&config(&format!("{address}:80")));
    let reloaded = first.ask(&["reload", "--wait"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    let is_served = || curl(&[&format!("http://{address}/")]) == (200, String::from("hello"));
    assert!(is_served());
    fs::rename(place.path().join("weir"), place.path().join("old"))?;
    copy(&place.path().join("old"), &place.path().join("weir"));
    first.signal("USR2");
    let mut second = None;
    until("a successor starts", || {
        second = children(first.pid()).first().copied().map(Stranger);
        second.is_some()
    });
    let second = second.ok_or("a successor")?;
    assert_eq!(first.end(), Some(0), "relieved");
    assert!(is_served());
    holds_only(second.0, kept);
    Ok(())
}

/// It is said at once, and not by a reload months later.
fn foreign() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let page = room.path().join("page.html");
    fs::write(&page, "oh")?;
    fs::set_permissions(&page, PermissionsExt::from_mode(0o600))?;
    chown(&page, Some(65534), Some(65534))?;
    let with_page = |port: u16| {
        let bind = format!("127.0.0.1:{port}");
        config(&bind).replace(
            &format!("bind: \"{bind}\""),
            &format!("bind: \"{bind}\", error_pages: [ {{ status: 404, html: \"{}\" }} ]", page.display()),
        )
    };
    let path = crate::process::write_config(room.path(), &with_page(free_port()));
    let state = room.path().join("state");
    let refused = weir().args(["run", "--config"]).arg(path).env("STATE_DIRECTORY", state).output()?;
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{words}");
    assert!(words.contains("another user's") && words.contains("--privileged"), "{words}");
    let mut all = Command::new("sh");
    all.args(["-c", "exec \"$0\" \"$@\" --privileged"]).arg(weir().get_program());
    let running = Weir::start_by(all, &with_page(free_port()));
    assert_eq!(each_thread(running.pid(), "CapEff:")[0] & KEPT, KEPT);
    assert_eq!(each_thread(running.pid(), "NoNewPrivs:")[0], 0);
    Ok(())
}

/// Whoever is not root serves by what the service manager gives.
fn by_another() -> Result<(), Failed> {
    let address = own_address();
    let mut command = Command::new("setpriv");
    let given = "+net_bind_service,+net_raw";
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(format!("--inh-caps={given}")).arg(format!("--ambient-caps={given}"));
    command.arg(weir().get_program());
    let running = Weir::start_as(65534, command, &config(&format!("{address}:81")));
    assert_eq!(curl(&[&format!("http://{address}:81/")]), (200, String::from("hello")));
    holds_only(running.pid(), 1 << 10);
    assert_eq!(each_thread(running.pid(), "CapAmb:")[0], 1 << 10, "its successor needs it, too");
    Ok(())
}
