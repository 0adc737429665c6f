//! A worker that a reload adds, while limits count and bans hold: it counts with the others, from the same moment.

use crate::process::{Weir, ask_over, curl, dial, free_port, until};
use libtest_mimic::{Failed, Trial};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        Trial::test("newcomer::a_worker_that_is_added_refuses_and_forgives_nobody_wrongly", added)
            .with_ignored_flag(cores < 2),
    ]
}

/// Each has two requests an hour.
const CLIENTS: u8 = 24;
const BANNED: &str = "127.0.7.200";

fn config(port: u16, workers: usize) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
policies: {{ fair: {{ rate_limit: {{ rate: 2/h burst 2 }} }} }}
routes: [ {{ name: hello, match: /*, policies: [ fair ], respond: {{ body: hello }} }} ]
limits: {{ workers: {workers} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

/// The cores of this thread, which it has again in the end.
struct Cores(CpuSet);

impl Cores {
    fn new() -> Self {
        Self(sched_getaffinity(Pid::from_raw(0)).unwrap())
    }

    /// Has this thread run on one core after the other, so that what it connects comes to the worker of each.
    fn move_on(&self, turn: u8) {
        let cpus: Vec<usize> = (0..CpuSet::count()).filter(|cpu| self.0.is_set(*cpu).unwrap()).collect();
        let mut one = CpuSet::new();
        one.set(cpus[usize::from(turn) % cpus.len()]).unwrap();
        sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    }

    /// The statuses of one request of each client, on a connection of its own.
    fn all_ask(&self, port: u16) -> Vec<u16> {
        let ask = |number: u8| {
            self.move_on(number);
            ask_over(&mut dial(&format!("127.0.7.{}", number + 1), &format!("127.0.0.1:{port}")), "")
        };
        (0..CLIENTS).map(ask).collect()
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        sched_setaffinity(Pid::from_raw(0), &self.0).unwrap();
    }
}

fn added() -> Result<(), Failed> {
    let port = free_port();
    let (cores, begun) = (Cores::new(), Instant::now());
    let weir = Weir::start(&config(port, 1));
    let is_turned_away = || curl(&["--interface", BANNED, &format!("http://127.0.0.1:{port}/")]).0 == 0;
    assert!(weir.ask(&["shield", "ban", BANNED, "--for", "10m"]).status.success());
    until("the ban holds", is_turned_away);
    // The older the first worker is, the further apart are two that count from moments of their own.
    until("it has served for a while", || begun.elapsed() > Duration::from_secs(2));
    assert_eq!(cores.all_ask(port), vec![200; CLIENTS.into()], "the first of two");
    weir.rewrite(&config(port, 2));
    let taken = weir.ask(&["reload", "--wait"]);
    assert!(taken.status.success(), "{taken:?}");
    assert_eq!(cores.all_ask(port), vec![200; CLIENTS.into()], "the second of two, whoever counts it");
    assert_eq!(cores.all_ask(port), vec![429; CLIENTS.into()], "nobody has a third");
    for turn in 0..4 {
        cores.move_on(turn);
        assert!(is_turned_away(), "the ban holds at every worker");
    }
    Ok(())
}
