//! Bad situations: each ends with words that say what, where and what to do, and with its exit code.

use crate::process::{free_port, weir, write_config};
use libtest_mimic::{Failed, Trial};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("refusals::a_missing_configuration_is_named", missing_configuration),
        Trial::test("refusals::a_wrong_configuration_is_shown_at_its_line", wrong_configuration),
        Trial::test("refusals::a_taken_port_is_named", taken_port),
        Trial::test("refusals::a_taken_admin_socket_is_named", taken_socket),
        Trial::test("refusals::the_shield_without_privileges_is_refused", no_privileges)
            .with_ignored_flag(!root),
        Trial::test("refusals::a_missing_bpffs_is_named", no_bpffs).with_ignored_flag(!root),
    ]
}

/// What holds for the whole machine is tried while no other weir runs.
pub(crate) fn trials_alone() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![Trial::test("refusals::io_uring_switched_off_is_said", io_uring_off).with_ignored_flag(!root)]
}

/// A configuration with one listener; `rest` is appended.
fn config(port: u16, rest: &str) -> String {
    format!(
        "version: 1\nlisteners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]\n\
         routes: [ {{ match: {{ path: / }}, respond: {{ status: 200, body: hello }} }} ]\n\
         admin: {{ socket: \"{{dir}}/admin.sock\" }}\n{rest}"
    )
}

/// Tests that are not about the shield leave the machine's interfaces alone.
const OFF: &str = "shield: { mode: off }\n";

/// Runs weir with a configuration; it must end with this code and say these words.
fn check(command: &mut Command, text: &str, code: i32, says: &[&str]) -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let path = write_config(room.path(), text);
    // The configuration must be readable for whoever weir runs as.
    Command::new("chmod").args(["-R", "a+rwX"]).arg(room.path()).status()?;
    command.env("STATE_DIRECTORY", room.path().join("state"));
    let output = command.arg("run").arg("--config").arg(path).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(code) {
        return Err(format!("ended with {} instead of {code}: {words}", output.status).into());
    }
    match says.iter().find(|word| !words.contains(**word)) {
        Some(word) => Err(format!("\"{word}\" is not in: {words}").into()),
        None => Ok(()),
    }
}

fn missing_configuration() -> Result<(), Failed> {
    let output = weir().args(["run", "--config", "/nonexistent/weir.yaml"]).output()?;
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/weir.yaml"));
    Ok(())
}

fn wrong_configuration() -> Result<(), Failed> {
    let text = config(free_port(), "upstream: {}\n");
    check(&mut weir(), &text, 78, &["E0103", "weir.yaml:5:1", "`upstreams`"])
}

fn taken_port() -> Result<(), Failed> {
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let port = holder.local_addr()?.port();
    check(&mut weir(), &config(port, OFF), 69, &["cannot listen on", &port.to_string(), "edge"])
}

fn taken_socket() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let socket = room.path().join("other.sock");
    let _holder = std::os::unix::net::UnixListener::bind(&socket)?;
    let text = config(free_port(), OFF).replace("{dir}/admin.sock", socket.to_str().ok_or("a path")?);
    check(&mut weir(), &text, 69, &["admin socket", "other.sock", "another process"])
}

/// `nobody` may not load programs into the kernel.
fn no_privileges() -> Result<(), Failed> {
    let shield = "shield: { interfaces: [ lo ], on_attach_failure: refuse, pin_directory: \"{dir}/pins\" }\n";
    check(as_nobody(&mut weir()), &config(free_port(), shield), 77, &["CAP_BPF", "root"])
}

fn no_bpffs() -> Result<(), Failed> {
    let shield = "shield: { interfaces: [ lo ], on_attach_failure: refuse, pin_directory: \"{dir}/pins\" }\n";
    check(&mut weir(), &config(free_port(), shield), 69, &["bpf", "mount"])
}

/// The sysctl holds for the whole machine, so only its mildest step is taken. It stops all but the administrator of the system,
/// whose power weir gives up.
fn io_uring_off() -> Result<(), Failed> {
    const SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";
    let before = std::fs::read_to_string(SYSCTL)?;
    std::fs::write(SYSCTL, "1")?;
    let outcome =
        check(as_nobody(&mut weir()), &config(free_port(), OFF), 77, &["io_uring", "io_uring_disabled"]);
    std::fs::write(SYSCTL, before)?;
    outcome
}

fn as_nobody(command: &mut Command) -> &mut Command {
    command.uid(65534).gid(65534)
}
