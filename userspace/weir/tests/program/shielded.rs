//! A program with its shield on, replaced by another one: bans and rules stay in force at every moment, and clients are heard.

use crate::process::{PATIENCE, Stopped, Weir, until};
use crate::succession::{Stranger, children, copy, installed};
use crate::wire::{ABUSER, Bpffs, HONEST, SERVER, Wire};
use libtest_mimic::{Failed, Trial};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("shielded::a_successor_takes_the_shield_over_without_a_gap", takes_over)
            .with_ignored_flag(!root),
        Trial::test("shielded::a_successor_that_fails_gives_the_shield_back", gives_back)
            .with_ignored_flag(!root),
        Trial::test("shielded::a_million_lines_are_taken_while_the_program_answers", a_million)
            .with_ignored_flag(!root),
        Trial::test("shielded::detached_it_stays_down_until_a_reload", detached).with_ignored_flag(!root),
        Trial::test("shielded::a_named_upstream_is_protected_and_its_new_address_too", named)
            .with_ignored_flag(!root),
    ]
}

/// The port of weir, and one that nobody protects.
const PORT: u16 = 8080;
const SINK: u16 = 9999;

fn config(shield: &str, pins: &str) -> String {
    format!(
        "version: 1
shield: {{ attach: generic, on_attach_failure: refuse, on_exit: detach, set_sysctls: true, pin_directory: {pins}, {shield} }}
listeners: [ {{ name: edge, bind: \"{SERVER}:{PORT}\" }} ]
routes: [ {{ name: hello, match: {{ path: /* }}, respond: {{ status: 200, body: hello }} }} ]
limits: {{ drain_timeout: 2s }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

/// What happens on the wire while programs come and go.
#[derive(Default)]
struct Traffic {
    stop: AtomicBool,
    /// Answers to honest clients.
    answered: AtomicU64,
    /// Datagrams of the banned one.
    sent: AtomicU64,
}

impl Traffic {
    /// Keeps both clients busy while something happens. Nobody honest may fail, and nothing of the banned may arrive.
    fn beside(wire: &Wire, happen: impl FnOnce(&Traffic)) {
        let traffic = Traffic::default();
        let sink = Wire::on(&wire.server, || UdpSocket::bind((SERVER, SINK)).unwrap());
        let abuser = Wire::on(&wire.client, || UdpSocket::bind((ABUSER, 0)).unwrap());
        std::thread::scope(|scope| {
            let honest = scope.spawn(|| Wire::on(&wire.client, || traffic.ask_on()));
            scope.spawn(|| traffic.send_on(&abuser));
            let stopped = Stopped(&traffic.stop);
            happen(&traffic);
            traffic.go_on();
            drop(stopped);
            honest.join().unwrap().expect("an honest client fails");
        });
        sink.set_nonblocking(true).unwrap();
        let sent = traffic.sent.load(Relaxed);
        assert!(sent > 100, "too few datagrams to prove anything: {sent}");
        assert!(sink.recv(&mut [0; 8]).is_err(), "of {sent} datagrams of the banned client some got through");
    }

    fn ask_on(&self) -> std::io::Result<()> {
        while !self.stop.load(Relaxed) {
            ask()?;
            self.answered.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn send_on(&self, abuser: &UdpSocket) {
        while !self.stop.load(Relaxed) {
            abuser.send_to(b"x", (SERVER, SINK)).unwrap();
            self.sent.fetch_add(1, Relaxed);
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Waits until more has happened.
    fn go_on(&self) {
        let counts = || [&self.answered, &self.sent].map(|count| count.load(Relaxed));
        let before = counts();
        until("the traffic goes on", || counts().iter().zip(before).all(|(now, before)| *now > before + 50));
    }
}

fn ask() -> std::io::Result<()> {
    let mut stream = TcpStream::connect((SERVER, PORT))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let whole = answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello");
    whole.then_some(()).ok_or_else(|| std::io::Error::other(format!("cut off after {answer:?}")))
}

/// The program at `place`, to be run on weir's side of the wire.
fn program(wire: &Wire, place: &Path) -> Command {
    let program = installed(place);
    let mut inside = Wire::inside(&wire.server, program.get_program().to_str().unwrap());
    inside.env_remove("WEIR_LOG").env_remove("WEIR_SOCKET").stdin(Stdio::null());
    inside
}

fn cookies(wire: &Wire) -> String {
    let path = "/proc/sys/net/ipv4/tcp_syncookies";
    Wire::on(&wire.server, || std::fs::read_to_string(path).unwrap().trim().to_owned())
}

/// The honest client has the first address of its host.
fn honest_first(wire: &Wire) {
    let [first, second] = [HONEST, ABUSER].map(|address| format!("addr add {address}/24 dev far"));
    for line in ["addr flush dev far", &*first, &*second] {
        let mut command = Command::new("ip");
        assert!(command.args(["-n", &wire.client]).args(line.split(' ')).status().unwrap().success());
    }
}

fn takes_over() -> Result<(), Failed> {
    let (bpffs, wire, place) = (Bpffs::mount(), Wire::lay(), tempfile::tempdir()?);
    honest_first(&wire);
    let before = cookies(&wire);
    let text = config("interfaces: [ edge ], syn_guard: { mode: always }", &bpffs.pins());
    let mut first = Weir::start_by(program(&wire, place.path()), &text);
    assert_eq!(cookies(&wire), "2");
    assert!(first.ask(&["shield", "ban", ABUSER, "--for", "10m", "--reason", "noise"]).status.success());
    let mut second = None;
    Traffic::beside(&wire, |traffic| {
        traffic.go_on();
        std::fs::rename(place.path().join("weir"), place.path().join("old")).unwrap();
        copy(&place.path().join("old"), &place.path().join("weir"));
        first.signal("USR2");
        until("a successor starts", || {
            second = children(first.pid()).first().copied().map(Stranger);
            second.is_some()
        });
        traffic.go_on();
        assert_eq!(first.end(), Some(0), "relieved");
    });
    let second = second.unwrap();
    assert_eq!(cookies(&wire), "2", "the first has taken back what the second needs");
    let listed = String::from_utf8(first.ask(&["shield", "bans", "-o", "json"]).stdout)?;
    assert!(listed.contains(ABUSER) && listed.contains("noise"), "{listed}");
    let status: serde_json::Value =
        serde_json::from_slice(&first.ask(&["shield", "status", "-o", "json"]).stdout)?;
    assert_eq!(status["state"], "on", "{status}");
    assert_eq!(status["stages"][2], serde_json::json!({ "stage": "ban", "mode": "enforce" }), "{status}");
    let mut pinned = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let pinned = pinned.args(["shield", "status", "-o", "json", "--pins", &bpffs.pins()]).output()?;
    let pinned: serde_json::Value = serde_json::from_slice(&pinned.stdout)?;
    assert_eq!((&pinned["bans"], &pinned["interfaces"][0]["placement"]), (&1.into(), &"generic".into()));
    // The second ends as the first would have: everything is put back.
    drop(second);
    assert_eq!(cookies(&wire), before);
    assert!(!Path::new(&bpffs.pins()).exists(), "the pins are left behind");
    Ok(())
}

fn gives_back() -> Result<(), Failed> {
    let (bpffs, wire, place) = (Bpffs::mount(), Wire::lay(), tempfile::tempdir()?);
    honest_first(&wire);
    let text = config("interfaces: [ edge ], syn_guard: { mode: always }", &bpffs.pins());
    let mut weir = Weir::start_by(program(&wire, place.path()), &text);
    assert!(weir.ask(&["shield", "ban", ABUSER, "--for", "10m"]).status.success());
    let heard = || Wire::on(&wire.client, || ask().is_ok());
    assert!(heard());
    // Its rules are in force and shut the honest client out when it finds that it cannot have an interface.
    let denies = format!("interfaces: [ edge, none0 ], deny: {{ cidrs: [ {HONEST}/32 ] }}");
    weir.rewrite(&config(&denies, &bpffs.pins()));
    let words = || std::fs::read_to_string(weir.room.path().join("stderr")).unwrap();
    weir.signal("USR2");
    until("the successor fails", || words().contains("the successor has failed"));
    assert!(words().contains("attach to none0: there is no such interface"), "{}", words());
    until("the rules of the running program are in force again", heard);
    Traffic::beside(&wire, Traffic::go_on);
    assert_eq!(cookies(&wire), "2");
    weir.signal("TERM");
    assert_eq!(weir.end(), Some(0));
    assert!(!Path::new(&bpffs.pins()).exists(), "the pins are left behind");
    Ok(())
}

/// While the lists are read and written, whoever asks is answered, and is told that the new ones are not in force yet.
fn a_million() -> Result<(), Failed> {
    let (bpffs, wire, place) = (Bpffs::mount(), Wire::lay(), tempfile::tempdir()?);
    let list = place.path().join("deny.txt");
    std::fs::write(&list, "198.18.0.1\n")?;
    let shield = format!("interfaces: [ edge ], deny: {{ files: [ {} ] }}", list.display());
    let weir = Weir::start_by(program(&wire, place.path()), &config(&shield, &bpffs.pins()));
    let status = || -> serde_json::Value {
        serde_json::from_slice(&weir.ask(&["status", "-o", "json"]).stdout).unwrap()
    };
    let few = status()["shield"]["list_entries"].as_u64().unwrap();
    let line = |number: u32| format!("{}\n", std::net::Ipv4Addr::from_bits(0x2000_0000 | number << 4));
    std::fs::write(&list, (0..1_000_000).map(line).collect::<String>())?;
    let (mut answers, done) = (0, AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let reloaded = weir.ask(&["reload", "--wait"]);
            done.store(true, Relaxed);
            assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
        });
        while !done.load(Relaxed) {
            let told = status();
            answers += u32::from(told["reloading"] == true && told["shield"]["list_entries"] == few);
        }
    });
    assert!(answers >= 3, "only {answers} answers while the lists were on their way");
    let many = status()["shield"]["list_entries"].as_u64();
    assert_eq!(many, Some(few + 999_999));
    // A list that cannot be read leaves the million in force.
    std::fs::remove_file(&list)?;
    assert!(!weir.ask(&["reload", "--wait"]).status.success());
    assert_eq!(status()["shield"]["list_entries"].as_u64(), many);
    Ok(())
}

fn detached() -> Result<(), Failed> {
    let (bpffs, wire, place) = (Bpffs::mount(), Wire::lay(), tempfile::tempdir()?);
    let before = cookies(&wire);
    let text = config("interfaces: [ edge ], syn_guard: { mode: always }", &bpffs.pins());
    let weir = Weir::start_by(program(&wire, place.path()), &text);
    let placement = || {
        let told: serde_json::Value =
            serde_json::from_slice(&weir.ask(&["shield", "status", "-o", "json"]).stdout).unwrap();
        told["interfaces"][0]["placement"].as_str().unwrap().to_owned()
    };
    assert!(weir.ask(&["shield", "ban", ABUSER, "--for", "10m"]).status.success());
    assert_eq!((placement().as_str(), cookies(&wire).as_str()), ("generic", "2"));
    let mut detach = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    detach.args(["shield", "detach", "--pins", &bpffs.pins(), "--state"]).arg(weir.room.path().join("state"));
    let told = String::from_utf8(detach.output()?.stdout)?;
    assert_eq!(told, "detached from edge\n");
    assert_eq!(cookies(&wire), before);
    until("the running program to notice", || placement() == "off");
    let words = || std::fs::read_to_string(weir.room.path().join("stderr")).unwrap();
    assert!(words().contains("weir shield detach"), "{}", words());
    assert!(!Path::new(&bpffs.pins()).exists(), "it was put up again");
    assert!(weir.ask(&["reload", "--wait"]).status.success());
    assert_eq!((placement().as_str(), cookies(&wire).as_str()), ("generic", "2"));
    let listed = String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout)?;
    assert!(listed.contains(ABUSER), "{listed}");
    Ok(())
}

/// The name service of this test is a hosts file that only weir sees.
fn named() -> Result<(), Failed> {
    let (bpffs, wire, place) = (Bpffs::mount(), Wire::lay(), tempfile::tempdir()?);
    let hosts = place.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 localhost\n203.0.113.20 origin.test\n")?;
    let mut program = Command::new("unshare");
    program.args(["--mount", "sh", "-c"]);
    program.arg(
        "mount --bind \"$0\" /etc/hosts && exec nsenter --net=/run/netns/\"$1\" \"$2\" \"$3\" \"$4\" \"$5\"",
    );
    program.arg(&hosts).arg(&wire.server).arg(env!("CARGO_BIN_EXE_weir"));
    let text = format!(
        "version: 1
shield: {{ interfaces: [ edge ], attach: generic, on_attach_failure: refuse, on_exit: detach, pin_directory: {} }}
listeners: [ {{ name: edge, bind: \"{SERVER}:{PORT}\" }} ]
routes: [ {{ name: on, match: {{ path: /* }}, upstream: origin }} ]
upstreams: {{ origin: {{ targets: [ \"origin.test:80\" ] }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
",
        bpffs.pins()
    );
    let weir = Weir::start_by(program, &text);
    let is_protected = |address: &str| {
        let refused = weir.ask(&["shield", "ban", address, "--for", "1s"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        !refused.status.success() && said.contains("an upstream")
    };
    until("the address of the name is protected", || is_protected("203.0.113.20"));
    assert!(!is_protected("203.0.113.21"));
    // The name moves; a reload asks at once.
    std::fs::write(&hosts, "127.0.0.1 localhost\n203.0.113.21 origin.test\n")?;
    assert!(weir.ask(&["reload", "--wait"]).status.success());
    until("its new address is protected", || is_protected("203.0.113.21"));
    assert!(is_protected("203.0.113.20"), "connections to the old one may still be open");
    Ok(())
}
