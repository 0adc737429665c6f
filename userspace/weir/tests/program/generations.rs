//! Configurations on trial, and going back to earlier ones.

use crate::process::{Weir, curl, free_port, until, write_config};
use libtest_mimic::{Failed, Trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("generations::what_nobody_confirms_is_taken_back", taken_back),
        Trial::test("generations::what_is_confirmed_stays", confirmed),
        Trial::test("generations::an_earlier_one_is_taken_again", rolled_back),
        Trial::test("generations::a_rule_against_the_operator_is_refused", lockout),
    ]
}

/// A configuration that answers with this body.
fn config(port: u16, body: &str) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
limits: {{ generations: 3 }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes: [ {{ match: /*, respond: {{ body: {body} }} }} ]
"
    )
}

/// A running weir, and what it answers.
fn start() -> (Weir, impl Fn() -> String, u16) {
    let port = free_port();
    let weir = Weir::start(&config(port, "first"));
    let url = format!("http://127.0.0.1:{port}/");
    (weir, move || curl(&[&url]).1, port)
}

fn told(weir: &Weir, verb: &[&str]) -> String {
    let output = weir.ask(verb);
    assert!(output.status.success(), "{verb:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn taken_back() -> Result<(), Failed> {
    let (weir, answer, port) = start();
    let file = weir.room.path().join("weir.yaml");
    weir.rewrite(&config(port, "second"));
    let apply = |time: &str| told(&weir, &["apply", file.to_str().unwrap(), "--confirm", time]);
    let said = apply("10m");
    assert!(said.contains("`weir confirm` keeps it") && said.contains("generation         2"), "{said}");
    assert_eq!(answer(), "second");
    let busy = weir.ask(&["reload"]);
    assert_eq!(busy.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&busy.stderr).contains("waits to be confirmed"), "{busy:?}");
    told(&weir, &["rollback"]);
    assert_eq!(answer(), "first", "whoever does not want to wait ends the trial");
    apply("1s");
    until("it is taken back", || told(&weir, &["status", "-o", "json"]).contains("\"generation\": 5"));
    assert_eq!(answer(), "first");
    assert!(told(&weir, &["generations"]).contains("5  "));
    assert_eq!(weir.ask(&["confirm"]).status.code(), Some(78), "it is too late");
    // The file still holds what nobody confirmed; a restart does not fall for it, a reload obeys.
    let weir = weir.again();
    assert_eq!(answer(), "first");
    told(&weir, &["reload", "--wait"]);
    assert_eq!(answer(), "second");
    let _weir = weir.again();
    assert_eq!(answer(), "second");
    Ok(())
}

fn confirmed() -> Result<(), Failed> {
    let (weir, answer, port) = start();
    std::fs::create_dir(weir.room.path().join("other"))?;
    let text = config(port, "second").replace("{dir}", weir.room.path().to_str().unwrap());
    let file = write_config(&weir.room.path().join("other"), &text);
    let said = told(&weir, &["apply", file.to_str().unwrap(), "--confirm", "10m"]);
    assert!(said.contains("a restart takes that file again"), "{said}");
    told(&weir, &["confirm"]);
    let list = told(&weir, &["generations", "-o", "json"]);
    assert!(list.contains("\"trial\": null"), "{list}");
    assert_eq!(answer(), "second");
    Ok(())
}

fn rolled_back() -> Result<(), Failed> {
    let (weir, answer, port) = start();
    for body in ["second", "third", "fourth"] {
        weir.rewrite(&config(port, body));
        told(&weir, &["reload", "--wait"]);
    }
    let list = told(&weir, &["generations"]);
    let numbers: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(numbers, ["4", "3", "2"], "{list}");
    assert!(list.lines().next().is_some_and(|line| line.ends_with("running")), "{list}");
    told(&weir, &["rollback"]);
    assert_eq!(answer(), "third");
    told(&weir, &["rollback", "4"]);
    assert_eq!(answer(), "fourth");
    let gone = weir.ask(&["rollback", "1"]);
    assert_eq!(gone.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("generation 1 is not kept"), "{gone:?}");
    assert_eq!(answer(), "fourth");
    Ok(())
}

/// Nothing is attached: the rule is found before the kernel is asked for anything.
fn lockout() -> Result<(), Failed> {
    let (weir, answer, port) = start();
    let shield =
        "shield: { interfaces: [ weir-none ], pin_directory: \"{dir}/pins\", deny: [ 198.51.100.0/24 ] }";
    weir.rewrite(&config(port, "second").replace("shield: { mode: off }", shield));
    let asked = |more: &[&str]| {
        let mut command = crate::process::weir();
        command.args(["reload", "--socket"]).arg(weir.socket()).args(more);
        command.env("SSH_CONNECTION", "198.51.100.7 50000 10.0.0.1 22").output().unwrap()
    };
    let output = asked(&[]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    for says in ["cut off 198.51.100.7", "198.51.100.0/24 is on the list `deny`", "--force"] {
        assert!(words.contains(says), "{says} is not in {words}");
    }
    assert_eq!(answer(), "first");
    // It gets past the rule, and as far as the interface that is not there.
    let forced = asked(&["--force"]);
    let words = String::from_utf8_lossy(&[forced.stdout, forced.stderr].concat()).into_owned();
    assert!(!words.contains("cut off"), "{words}");
    assert!(words.contains("weir-none") || answer() == "second", "{words}");
    Ok(())
}
