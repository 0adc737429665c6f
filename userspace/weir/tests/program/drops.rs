//! What is told of a shield that is up, to people and to programs: its shapes are those that `shapes.txt` keeps for one that is off.

use crate::process::{Weir, until};
use crate::verbs::shape;
use crate::wire::{ABUSER, Bpffs, SERVER, Wire};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![Trial::test("drops::each_answer_about_a_shield_keeps_its_shape", shapes).with_ignored_flag(!root)]
}

/// A process that ends with the test.
struct Follower(Child);

impl Follower {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Sends datagrams that the shield drops while something is watched.
fn beside_drops<T>(wire: &Wire, watch: impl FnOnce() -> T) -> T {
    let source = Wire::on(&wire.client, || UdpSocket::bind((ABUSER, 0)).unwrap());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                source.send_to(b"x", (SERVER, 9999)).unwrap();
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(watch));
        stop.store(true, Relaxed);
        seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn shapes() -> Result<(), Failed> {
    let (bpffs, wire) = (Bpffs::mount(), Wire::lay());
    let program = || Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let weir = Weir::start_by(
        program(),
        &format!(
            "version: 1
shield: {{ interfaces: [ edge ], attach: generic, on_attach_failure: refuse, on_exit: detach, pin_directory: {} }}
listeners: [ {{ name: edge, bind: \"{SERVER}:8080\" }} ]
routes: [ {{ match: /*, respond: {{ body: hello }} }} ]
admin: {{ socket: \"{{dir}}/admin.sock\" }}
",
            bpffs.pins()
        ),
    );
    assert!(weir.ask(&["shield", "ban", ABUSER, "--for", "10m"]).status.success());
    let pins = bpffs.pins();
    let monitor = |more: &[&str]| {
        let mut command = program();
        let mut follower = Follower::start(command.args(["shield", "monitor", "--pins", &pins]).args(more));
        beside_drops(&wire, || follower.line())
    };
    let json = monitor(&["-o", "json", "--drops", "--ip", ABUSER]);
    let words = monitor(&[]);
    assert!(words.starts_with(&format!("dropped banned (ban) from {ABUSER} port ")), "{words}");
    let mut lines = Vec::new();
    let mut note = |name: &str, text: &str| {
        let value: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_eq!(value["format"], 1, "{name}: {text}");
        shape(&value, name, &mut lines);
        value
    };
    let event = note("shield monitor", &json);
    assert_eq!(
        (&event["source"], &event["reason"], &event["observed"]),
        (&ABUSER.into(), &"banned".into(), &false.into())
    );
    let asked =
        |verb: &[&str]| String::from_utf8(weir.ask(&[verb, &["-o", "json"]].concat()).stdout).unwrap();
    until("the drops are counted", || asked(&["shield", "status"]).contains("\"banned\""));
    note("shield status", &asked(&["shield", "status"]));
    note("shield status --pins", &asked(&["shield", "status", "--pins", &pins]));
    note("shield explain", &asked(&["shield", "explain", ABUSER]));
    note("status", &asked(&["status"]));
    let detach = program()
        .args(["shield", "detach", "-o", "json", "--pins", &pins, "--state"])
        .arg(weir.room.path().join("state"))
        .output()?;
    note("shield detach", &String::from_utf8(detach.stdout)?);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/verbs/shielded.txt");
    // Which kinds of packets have passed is left to the machine.
    lines.retain(|line| !line.contains(".passed_as."));
    let found = lines.join("\n") + "\n";
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&golden, &found)?;
    }
    assert_eq!(found, std::fs::read_to_string(golden)?, "WEIR_BLESS=1 accepts these shapes");
    Ok(())
}
