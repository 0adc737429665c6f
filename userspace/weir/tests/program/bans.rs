//! Bans where XDP is off: whoever accepts connections enforces them.

use crate::process::{Weir, ask_over, curl, dial, free_port, until, weir};
use libtest_mimic::{Failed, Trial};
use std::io::Read;
use std::net::TcpStream;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("bans::without_xdp_a_banned_client_is_cut_off_and_turned_away", without_xdp),
        Trial::test("bans::f11_kill_loses_none", killed),
        Trial::test("bans::an_upstream_is_never_banned", upstream),
    ]
}

/// Loopback has many clients; this one misbehaves.
const ABUSER: &str = "127.0.0.66";

fn config(port: u16) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes:
  - {{ name: hello, match: {{ path: / }}, respond: {{ status: 200, body: hi }} }}
  - {{ name: on, match: {{ path: /* }}, upstream: origin }}
upstreams: {{ origin: {{ targets: [ \"198.51.100.7:80\" ] }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

/// A connection of the abuser on which one request has been answered.
fn connected(port: u16) -> TcpStream {
    let mut stream = dial(ABUSER, &format!("127.0.0.1:{port}"));
    assert_eq!(ask_over(&mut stream, ""), 200);
    stream
}

fn without_xdp() -> Result<(), Failed> {
    let port = free_port();
    let server = Weir::start(&config(port));
    let mut open = connected(port);
    assert!(server.ask(&["shield", "ban", ABUSER, "--for", "10m", "--reason", "noise"]).status.success());
    // The open connection ends, by an end of stream or a reset.
    assert!(matches!(open.read(&mut [0; 1]), Ok(0) | Err(_)), "it is still served");
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(curl(&["--interface", ABUSER, &url]).0, 0, "a banned client was answered");
    assert_eq!(curl(&[&url]).0, 200, "somebody else was turned away");
    let listed = String::from_utf8(server.ask(&["shield", "bans", "-o", "json"]).stdout)?;
    assert!(listed.contains(ABUSER) && listed.contains("noise"), "{listed}");

    // It survives a restart, and ends when it is lifted.
    let server = server.again();
    assert_eq!(curl(&["--interface", ABUSER, &url]).0, 0, "the ban did not survive a restart");
    assert!(server.ask(&["shield", "unban", ABUSER]).status.success());
    until("the client is served again", || curl(&["--interface", ABUSER, &url]).0 == 200);
    assert!(server.ask(&["shield", "ban", ABUSER, "--for", "10m"]).status.success());
    until("the ban holds", || curl(&["--interface", ABUSER, &url]).0 == 0);
    // An operator may also shorten one.
    assert!(server.ask(&["shield", "ban", ABUSER, "--for", "1s"]).status.success());
    until("the ban ends by itself", || curl(&["--interface", ABUSER, &url]).0 == 200);
    Ok(())
}

fn killed() -> Result<(), Failed> {
    let port = free_port();
    let server = Weir::start(&config(port));
    let url = format!("http://127.0.0.1:{port}/");
    for number in 1..=20 {
        let address = format!("127.0.1.{number}");
        assert!(server.ask(&["shield", "ban", &address, "--for", "10m"]).status.success());
    }
    // The last was banned a moment before.
    assert!(server.ask(&["shield", "ban", ABUSER, "--for", "10m"]).status.success());
    let server = server.killed(weir(), || ());
    assert_eq!(curl(&["--interface", ABUSER, &url]).0, 0, "the ban did not survive");
    assert_eq!(curl(&[&url]).0, 200);
    let listed = String::from_utf8(server.ask(&["shield", "bans", "-o", "json"]).stdout)?;
    assert_eq!(listed.matches("127.0.1.").count(), 20, "{listed}");
    Ok(())
}

fn upstream() -> Result<(), Failed> {
    let server = Weir::start(&config(free_port()));
    let refused = server.ask(&["shield", "ban", "198.51.100.7"]);
    let said = String::from_utf8(refused.stderr)?;
    assert!(!refused.status.success() && said.contains("an upstream"), "{said}");
    assert!(server.ask(&["shield", "ban", "198.51.100.8", "--for", "1m"]).status.success());
    Ok(())
}
