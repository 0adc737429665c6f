//! What the proxy learns about an abuser, the kernel enforces: from wrong tokens to packets dropped by XDP.

use crate::process::{Weir, until};
use crate::service::LOGIN;
use crate::wire::{ABUSER, Bpffs, HONEST, SERVER, Wire};
use libtest_mimic::{Failed, Trial};

pub(crate) fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    vec![
        Trial::test("verdict::wrong_tokens_lead_to_a_ban_in_the_kernel", wrong_tokens)
            .with_ignored_flag(!root),
        Trial::test("verdict::f11_while_the_program_is_dead_the_shield_stands", dead)
            .with_ignored_flag(!root),
    ]
}

fn config(pins: &str, on_exit: &str) -> String {
    format!(
        "version: 1
shield: {{ interfaces: [ edge ], attach: generic, on_attach_failure: refuse, on_exit: {on_exit}, pin_directory: {pins} }}
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
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let weir = Weir::start_by(program, &config(&bpffs.pins(), "detach"));
    for attempt in 1..=20 {
        assert_eq!(wire.status(ABUSER, "wrong.token.here"), 401, "attempt {attempt}");
    }
    until("the abuser is shut out", || wire.status(ABUSER, "wrong.token.here") == 0);
    assert_eq!(wire.status(HONEST, "wrong.token.here"), 401, "another client is heard");

    let bans = String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout)?;
    assert!(bans.contains(ABUSER) && bans.contains("bad_token") && !bans.contains(HONEST), "{bans}");
    let why = String::from_utf8(weir.ask(&["shield", "explain", ABUSER]).stdout)?;
    assert!(why.contains("drop") && why.contains("bad_token (login) by request "), "{why}");

    assert!(weir.ask(&["shield", "unban", ABUSER]).status.success());
    until("the abuser is heard again", || wire.status(ABUSER, "wrong.token.here") == 401);
    Ok(())
}

fn dead() -> Result<(), Failed> {
    let bpffs = Bpffs::mount();
    let wire = Wire::lay();
    let program = || Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    // What curl makes of an attempt to connect: 7 if the host refuses, 28 if nothing comes back.
    let knock = |from: &str| {
        let url = format!("http://{SERVER}:8080/");
        let mut curl = Wire::inside(&wire.client, "curl");
        curl.args(["--silent", "--max-time", "1", "--interface", from, &url]).status().unwrap().code()
    };
    let mut weir = Weir::start_by(program(), &config(&bpffs.pins(), "keep"));
    assert!(weir.ask(&["shield", "ban", ABUSER, "--for", "10m"]).status.success());
    for _ in 0..2 {
        weir = weir.killed(program(), || {
            assert_eq!(knock(ABUSER), Some(28), "packets of the banned are dropped");
            assert_eq!(knock(HONEST), Some(7), "the host itself answers others");
        });
        assert_eq!((wire.status(ABUSER, "x"), wire.status(HONEST, "x")), (0, 401));
        let bans = String::from_utf8(weir.ask(&["shield", "bans", "-o", "json"]).stdout)?;
        assert_eq!(bans.matches(ABUSER).count(), 1, "{bans}");
    }
    drop(weir);
    assert!(program().args(["shield", "detach", "--pins", &bpffs.pins()]).status()?.success());
    Ok(())
}
