//! `weir validate` beyond the file itself: what lies on this machine.

use crate::process::{weir, write_config};
use libtest_mimic::{Failed, Trial};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("validate::the_verifier_takes_the_program_or_is_not_asked", verifier)
            .with_ignored_flag(!root),
        Trial::test("validate::a_list_that_cannot_be_read_is_an_error", list),
        Trial::test("validate::secrets_that_everybody_can_read_are_told", secrets),
        Trial::test("validate::sarif_names_rule_and_place", sarif),
    ]
}

const SHIELD: &str = "version: 1
shield: { interfaces: [ lo ], deny: { cidrs: 198.51.100.0/24, files: \"{dir}/deny.txt\" } }
listeners: [ { bind: \":80\", redirect: https } ]
";

/// What `weir validate` says on both streams, which must end with this code.
fn check(command: &mut Command, text: &str, code: i32, says: &[&str]) -> Result<String, Failed> {
    let room = tempfile::tempdir()?;
    std::fs::set_permissions(room.path(), std::fs::Permissions::from_mode(0o755))?;
    if !says.contains(&"deny.txt") {
        std::fs::write(room.path().join("deny.txt"), "203.0.113.7\n# none\n")?;
    }
    for (name, mode) in [("open", 0o644), ("closed", 0o600)] {
        let path = room.path().join(name);
        std::fs::write(&path, format!("0123456789abcdef0123456789abcdef-{name}"))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let path = write_config(room.path(), text);
    let output = command.arg("validate").arg("--config").arg(path).output()?;
    let words = format!("{}{}", String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    if output.status.code() != Some(code) {
        return Err(format!("ended with {} instead of {code}: {words}", output.status).into());
    }
    match says.iter().find(|word| !words.contains(**word)) {
        Some(word) => Err(format!("\"{word}\" is not in: {words}").into()),
        None => Ok(words),
    }
}

fn verifier() -> Result<(), Failed> {
    check(
        &mut weir(),
        SHIELD,
        0,
        &["valid", " entries, and the kernel", "the kernel's verifier takes the XDP program"],
    )?;
    let nobody = |command: &mut Command| {
        check(command.uid(65534).gid(65534), SHIELD, 0, &["was not tried", "CAP_BPF"])
    };
    nobody(&mut weir())?;
    Ok(())
}

fn list() -> Result<(), Failed> {
    check(&mut weir(), SHIELD, 1, &["E0501", "deny.txt", "weir.yaml:2:"]).map(drop)
}

fn secrets() -> Result<(), Failed> {
    let text = "version: 1
shield: { mode: off }
listeners: [ { bind: \":80\" } ]
consumers: { a: { keys: [ \"${file:{dir}/open}\", \"${file:{dir}/closed}\" ] } }
routes: [ { match: /*, policies: [ key_auth ], respond: { status: 200 } } ]
";
    let words = check(&mut weir(), text, 0, &["warning[W0606]", "weir.yaml:4:", "/open`", "chmod 0600"])?;
    assert_eq!(words.matches("warning[W0606]").count(), 1, "{words}");
    Ok(())
}

fn sarif() -> Result<(), Failed> {
    let text = "version: 1\nroutes: nonsense\n";
    let room = tempfile::tempdir()?;
    let path = write_config(room.path(), text);
    let output = weir().args(["validate", "--format", "sarif", "--config"]).arg(path).output()?;
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stdout)?;
    for says in ["\"version\": \"2.1.0\"", "\"ruleId\": \"E0105\"", "\"startLine\": 2", "weir.yaml"] {
        assert!(words.contains(says), "{says} is not in {words}");
    }
    Ok(())
}
