//! The WebSocket suite of Autobahn through the tunnel: a tunnel is transparent, so what its own server passes it passes
//! here. The suite is written for Python 2.7; it is fetched once, below `target/`, by that Python's own pip.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail by panicking, and its crate has no users"
)]

#[path = "../serve/plans.rs"]
mod plans;
#[path = "../serve/rig.rs"]
mod rig;
mod suite;

use libtest_mimic::{Arguments, Failed, Trial};
use plans::Draft;
use rig::Rig;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use suite::Suite;
use weir_schema::value::{Leaf, Template};

/// All but most of those about compression, which each repeat a thousand messages.
const CASES: &str = r#""1.*","2.*","3.*","4.*","5.*","6.*","7.*","9.*","10.*",
    "13.1.1","13.2.1","13.3.1","13.4.1","13.5.1","13.6.1","13.7.1""#;

fn main() {
    let arguments = Arguments::from_args();
    // Listing the tests must not fetch anything.
    let suite =
        if arguments.list { Err(String::new()) } else { rig::missing().map_or_else(Suite::open, Err) };
    if let Err(reason) = &suite
        && !arguments.list
    {
        eprintln!("ignored, because {reason}");
    }
    let missing = suite.is_err();
    let transparent =
        move || -> Result<(), Failed> { suite.map_err(Failed::from).map(|suite| passes(&suite)) };
    let trials =
        vec![Trial::test("e3_autobahn_passes_through_the_tunnel", transparent).with_ignored_flag(missing)];
    libtest_mimic::run(&arguments, trials).exit();
}

fn passes(suite: &Suite) {
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _server = suite.serve(address);
    let mut draft = Draft::to(address);
    // Cases about timing leave a connection alone for seconds.
    let mut timeouts = draft.upstreams[0].timeouts.clone();
    timeouts.idle = Duration::from_secs(60);
    let route = Arc::get_mut(&mut draft.rules[0].route).unwrap();
    route.timeouts = Some(timeouts);
    // Its server wants to be asked by its own port.
    route.rewrite.host = Some(Template::parse(&address.to_string()).unwrap());
    let rig = Rig::new(draft.finish());
    let told = suite.ask(rig.address, CASES);
    let count = |word: &str| told.iter().filter(|(_, behaved, _)| behaved == word).count();
    let odd: Vec<_> = told.iter().filter(|(_, behaved, _)| behaved != "OK").collect();
    assert_eq!((told.len(), count("OK"), count("INFORMATIONAL")), (308, 305, 3), "{odd:?}");
    let closed = |closed: &str| matches!(closed, "OK" | "INFORMATIONAL");
    assert!(told.iter().all(|(_, _, how)| closed(how)), "{told:?}");
}
