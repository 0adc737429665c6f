//! What the proxy learns about an abuser, the kernel enforces: from wrong tokens to packets dropped by XDP.

use crate::process::{Weir, until};
use crate::service::LOGIN;
use libtest_mimic::{Failed, Trial};
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("verdict::wrong_tokens_lead_to_a_ban_in_the_kernel", wrong_tokens)
            .with_ignored_flag(!root),
    ]
}

/// Two hosts on one wire: weir's, and that of its clients, who have two addresses. Dropping it takes them away.
struct Wire {
    server: String,
    client: String,
}

/// RFC 5737, TEST-NET-3: no host of the world has these addresses, and they exist inside the namespaces only.
const SERVER: &str = "203.0.113.1";
const ABUSER: &str = "203.0.113.2";
const HONEST: &str = "203.0.113.3";

impl Wire {
    fn lay() -> Self {
        let id = std::process::id();
        let wire = Self { server: format!("weir-t-s{id}"), client: format!("weir-t-c{id}") };
        let (server, client) = (&wire.server, &wire.client);
        for line in [
            format!("netns add {server}"),
            format!("netns add {client}"),
            format!("-n {server} link add edge type veth peer name far netns {client}"),
            format!("-n {server} addr add {SERVER}/24 dev edge"),
            format!("-n {server} link set edge up"),
            format!("-n {server} link set lo up"),
            format!("-n {client} addr add {ABUSER}/24 dev far"),
            format!("-n {client} addr add {HONEST}/24 dev far"),
            format!("-n {client} link set far up"),
        ] {
            assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success(), "ip {line}");
        }
        wire
    }

    /// A command inside one of the namespaces; files and mounts are those of the test.
    fn inside(name: &str, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{name}")).arg(program);
        command
    }

    /// The status that a client at `from` gets, or 0 if there is no answer within a second.
    fn ask(&self, from: &str, token: &str) -> u16 {
        let output = Self::inside(&self.client, "curl")
            .args(["--silent", "--max-time", "1", "--interface", from, "--output", "/dev/null"])
            .args(["--write-out", "%{http_code}", "-H", &format!("authorization: Bearer {token}")])
            .arg(format!("http://{SERVER}:8080/"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            drop(Command::new("ip").args(["netns", "del", name]).status());
        }
    }
}

/// A bpffs of the test's own.
struct Bpffs(tempfile::TempDir);

impl Bpffs {
    fn mount() -> Self {
        let room = tempfile::tempdir().unwrap();
        assert!(
            Command::new("mount").args(["-t", "bpf", "bpf"]).arg(room.path()).status().unwrap().success()
        );
        Self(room)
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}

fn config(pins: &str) -> String {
    format!(
        "version: 1
shield: {{ interfaces: [ edge ], attach: generic, on_attach_failure: refuse, on_exit: detach, pin_directory: {pins} }}
listeners: [ {{ name: edge, bind: \"{SERVER}:8080\" }} ]
policies:
  login: {LOGIN}
  abuse: {{ verdicts: {{ score: {{ bad_token: 5 }}, ban_at: 100, half_life: 60s }} }}
routes: [ {{ name: hello, match: {{ path: /* }}, policies: [ abuse, login ], respond: {{ status: 200, body: hello }} }} ]
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

fn wrong_tokens() -> Result<(), Failed> {
    let bpffs = Bpffs::mount();
    let wire = Wire::lay();
    let pins = bpffs.0.path().join("weir");
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let weir = Weir::start_by(program, &config(pins.to_str().ok_or("a path")?));
    for attempt in 1..=20 {
        assert_eq!(wire.ask(ABUSER, "wrong.token.here"), 401, "attempt {attempt}");
    }
    until("the abuser is shut out", || wire.ask(ABUSER, "wrong.token.here") == 0);
    assert_eq!(wire.ask(HONEST, "wrong.token.here"), 401, "another client is heard");

    let bans = String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout)?;
    assert!(bans.contains(ABUSER) && bans.contains("bad_token") && !bans.contains(HONEST), "{bans}");
    let why = String::from_utf8(weir.ask(&["shield", "explain", ABUSER]).stdout)?;
    assert!(why.contains("drop") && why.contains("bad_token (login) by request "), "{why}");

    assert!(weir.ask(&["shield", "unban", ABUSER]).status.success());
    until("the abuser is heard again", || wire.ask(ABUSER, "wrong.token.here") == 401);
    Ok(())
}
