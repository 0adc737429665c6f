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
    ]
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
    let program = Wire::inside(&wire.server, env!("CARGO_BIN_EXE_weir"));
    let weir = Weir::start_by(program, &config(&bpffs.pins()));
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
