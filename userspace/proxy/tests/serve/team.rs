//! Several workers on one port.
use crate::Test;
use crate::client::Client;
use crate::origin::Origin;
use crate::plans::Draft;
use crate::rig::Rig;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use weir_meter::Count;
use weir_plan::listener::Bind;

pub const TESTS: &[Test] = &[("an_excess_of_connections_is_passed_on", excess)];

/// A port that nobody listens on.
fn free_port() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// All connections come from one core, whose worker gets them, and gives the other one its part.
fn excess() {
    let whole = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(|cpu| whole.is_set(*cpu).unwrap()).take(2).collect();
    let [here, _] = cpus[..] else { return };
    let origin = Origin::fixed();
    let mut draft = Draft::to(origin.address);
    draft.listener.binds = vec![Bind::Ip(free_port())];
    let rigs = Rig::several(draft.finish(), &cpus);
    let address = rigs[0].address;
    let connect = move || {
        let mut one = CpuSet::new();
        one.set(here).unwrap();
        sched_setaffinity(Pid::from_raw(0), &one).unwrap();
        let mut clients: Vec<Client> = (0..40).map(|_| Client::new(address)).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(client.answer().starts_with("HTTP/1.1 200"));
        }
        clients
    };
    let _clients = std::thread::spawn(connect).join().unwrap();
    let accepted: Vec<u64> = rigs.iter().map(|rig| rig.count(Count::Accepted)).collect();
    assert_eq!(accepted.iter().sum::<u64>(), 40);
    assert!(accepted.iter().all(|accepted| *accepted >= 12), "{accepted:?}");
    assert!(rigs[0].count(Count::PassedOn) > 0, "{accepted:?} without being passed on");
}
