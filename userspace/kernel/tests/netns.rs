//! The shield between real sockets: every trial has two network namespaces of its own, joined by a veth pair, and a
//! bpffs that no other process sees. Nothing leaves them, every flood is bounded, and all is removed at the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a trial stops at the first thing that is not as it should be, and says what it measured"
)]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

#[path = "netns/attach.rs"]
mod attach;
#[path = "netns/ban.rs"]
mod ban;
#[path = "netns/cookie.rs"]
mod cookie;
#[path = "netns/fault.rs"]
mod fault;
#[path = "netns/life.rs"]
mod life;
#[path = "netns/list.rs"]
mod list;
#[path = "netns/traffic.rs"]
mod traffic;
#[path = "netns/world.rs"]
mod world;

use world::World;

/// A trial, run in a world of its own.
type Run = fn(&World);

const TRIALS: [(&str, Run); 32] = [
    ("the_verifier_takes_the_object", attach::verify_only),
    ("attach_generic_counts_and_passes", attach::generic),
    ("attach_native_counts_and_passes", attach::native),
    ("a_foreign_program_is_named_and_left_alone", attach::foreign),
    ("a_missing_interface_is_said", attach::missing),
    ("another_interface_is_taken_in_and_left_again", attach::another),
    ("an_mtu_too_large_for_native_is_said", attach::mtu),
    ("without_bpffs_the_command_is_said", attach::no_bpffs),
    ("without_capabilities_the_code_is_77", attach::no_capabilities),
    ("an_interface_made_anew_is_taken_back", attach::recreated),
    ("detached_by_hand_it_stays_down", attach::detached),
    ("a_ban_takes_effect_on_the_next_packet", ban::next_packet),
    ("a_ban_of_ipv6_covers_its_network", ban::v6_network),
    ("protected_sources_are_not_banned", ban::protected),
    ("the_filter_before_bans_is_kept_true", ban::filter),
    ("explain_agrees_with_the_kernel", list::explain),
    ("observe_changes_nothing", list::observe),
    ("a_million_entries_swap_under_traffic", list::swap),
    ("a_restart_leaves_no_gap", life::restart),
    ("an_upgrade_leaves_no_gap", life::upgrade),
    ("a_successor_that_fails_late_leaves_no_tables", life::late_failure),
    ("sigkill_leaves_no_gap_and_detach_still_works", life::sigkill),
    ("on_exit_detach_takes_all_away", life::detach_on_exit),
    ("handshakes_pass_through_cookies", cookie::handshakes),
    ("a_client_lives_through_a_syn_flood", cookie::flood),
    ("a_client_lives_through_an_ack_flood", fault::ack_flood),
    ("a_udp_flood_is_held_to_its_budgets", fault::udp_flood),
    ("full_tables_hurt_nobody_honest", fault::full_tables),
    ("a_program_detached_by_a_stranger_is_put_back", fault::detached),
    ("an_interface_down_and_up_stays_shielded", fault::down_and_up),
    ("bans_survive_a_reboot", fault::reboot),
    ("a_second_weir_is_refused", fault::second),
];

fn main() -> ExitCode {
    if let Some(code) = life::child() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Two processors carry both ends of every trial.
    arguments.test_threads.get_or_insert(1);
    let lack = world::lack();
    if let Some(lack) = &lack {
        println!("network namespace trials are skipped: {lack}");
    }
    let trials = TRIALS.into_iter().map(|(name, run)| {
        Trial::test(name, move || world::run(run).map_err(Into::into)).with_ignored_flag(lack.is_some())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
