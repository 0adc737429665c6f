//! Where floods may go: into namespaces that the program made itself, nowhere else, whatever their kind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::process::Command;

/// Runs the program, which must refuse, and what it says.
fn refused(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_weir-loadtest");
    let output = Command::new(program).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

const PACKETS: [&str; 5] = ["syn", "ack", "udp", "malformed", "fragment"];
const ATTACKS: [&str; 8] =
    ["syn", "ack", "udp", "malformed", "fragments", "slow_loris", "rapid_reset", "handshake"];

#[test]
fn packets_leave_only_into_namespaces_of_ours() {
    for kind in PACKETS {
        let said = refused(&["flood", kind, "--netns", "production", "--to", "127.0.0.1:80"]);
        assert!(said.contains("refused: floods go only into namespaces"), "{kind}: {said}");
        let said = refused(&["flood", kind, "--netns", "weir-is-not-there", "--to", "127.0.0.1:80"]);
        assert!(said.contains("weir-is-not-there"), "{kind}: {said}");
    }
}

/// The name of a field is handed from the process that made it to its child. Given by hand, it is refused.
#[test]
fn attacks_go_only_into_the_field_of_the_own_run() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ATTACKS {
        let scenario = folder.path().join(format!("{kind}.yaml"));
        let text = format!(
            "version: 1\nname: x\nwhat: y\nsiege: {{ attacks: [ {{ kind: {kind} }} ] }}\nload: {{ open: {{ rate: 10/s }} }}\n"
        );
        std::fs::write(&scenario, text).unwrap();
        let out = folder.path().to_string_lossy();
        let said = refused(&["run", &scenario.to_string_lossy(), "--out", &out, "--field", "weir-demo"]);
        assert!(
            said.contains("refused: a siege goes only into namespaces that it made itself"),
            "{kind}: {said}"
        );
    }
}

#[test]
fn a_flood_has_bounds() {
    let bounded = |option: &str, value: &str| {
        let said = refused(&["flood", "syn", "--netns", "weir-x", "--to", "192.0.2.1:80", option, value]);
        assert!(said.contains(&format!("{option} is from 1 to")), "{said}");
    };
    for (option, most) in [("--count", "10000001"), ("--rate", "1000001")] {
        bounded(option, most);
        bounded(option, "0");
    }
}
