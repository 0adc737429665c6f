//! The program as its operators meet it: real processes, real curl, exit codes and words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it is skipped"
)]

#[path = "program/admin.rs"]
mod admin;
#[path = "program/bans.rs"]
mod bans;
#[path = "program/browser.rs"]
mod browser;
#[path = "program/cage.rs"]
mod cage;
#[path = "program/certificates.rs"]
mod certificates;
#[path = "program/clients.rs"]
mod clients;
#[path = "program/clock.rs"]
mod clock;
#[path = "program/documents.rs"]
mod documents;
#[path = "program/drops.rs"]
mod drops;
#[path = "program/exposition.rs"]
mod exposition;
#[path = "program/generations.rs"]
mod generations;
#[path = "program/lasting.rs"]
mod lasting;
#[path = "program/lists.rs"]
mod lists;
#[path = "program/live.rs"]
mod live;
#[path = "program/log.rs"]
mod log;
#[path = "program/newcomer.rs"]
mod newcomer;
#[path = "program/plans.rs"]
mod plans;
#[path = "program/powers.rs"]
mod powers;
#[path = "program/pressure.rs"]
mod pressure;
#[path = "program/process.rs"]
mod process;
#[path = "program/readiness.rs"]
mod readiness;
#[path = "program/refusals.rs"]
mod refusals;
#[path = "program/reload.rs"]
mod reload;
#[path = "program/secured.rs"]
mod secured;
#[path = "program/service.rs"]
mod service;
#[path = "program/sessions.rs"]
mod sessions;
#[path = "program/shielded.rs"]
mod shielded;
#[path = "program/sslyze.rs"]
mod sslyze;
#[path = "program/succession.rs"]
mod succession;
#[path = "program/tables.rs"]
mod tables;
#[path = "program/traces.rs"]
mod traces;
#[path = "program/unit.rs"]
mod unit;
#[path = "program/upstreams.rs"]
mod upstreams;
#[path = "program/validate.rs"]
mod validate;
#[path = "program/verbs.rs"]
mod verbs;
#[path = "program/verdict.rs"]
mod verdict;
#[path = "program/wire.rs"]
mod wire;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: trials that run as another user, make namespaces or attach XDP need root");
    }
    let rooms = [
        refusals::trials(),
        admin::trials(),
        browser::trials(),
        service::trials(),
        bans::trials(),
        certificates::trials(),
        clients::trials(),
        clock::trials(),
        documents::trials(),
        drops::trials(),
        exposition::trials(),
        log::trials(),
        plans::trials(),
        powers::trials(),
        pressure::trials(),
        sslyze::trials(),
        readiness::trials(),
        lasting::trials(),
        newcomer::trials(),
        reload::trials(),
        lists::trials(),
        live::trials(),
        generations::trials(),
        unit::trials(),
        verbs::trials(),
        succession::trials(),
        traces::trials(),
        tables::trials(),
        secured::trials(),
        sessions::trials(),
        shielded::trials(),
        validate::trials(),
        upstreams::trials(),
        verdict::trials(),
    ];
    let trials: Vec<Trial> = rooms.into_iter().flatten().collect();
    let alone = libtest_mimic::run(&arguments, refusals::trials_alone());
    let together = libtest_mimic::run(&arguments, trials);
    alone.exit_if_failed();
    together.exit();
}
