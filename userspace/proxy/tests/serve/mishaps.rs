//! What a worker tells of handshakes that came to nothing.
use crate::Test;
use crate::client::send;
use crate::handshakes::{connected, fetch, hello, rig, wait};
use crate::rig::Rig;
use rustls::RootCertStore;
use std::io::Write;
use std::net::TcpStream;
use weir_meter::Unshaken;
use weir_proxy::Mishap;

pub const TESTS: &[Test] = &[
    ("a_failed_handshake_is_told_of_with_name_and_reason", told),
    ("of_many_failures_a_few_are_told_of_each_second", told_at_times),
];

/// What the worker tells of, once it has told of so many.
fn mishaps(rig: &Rig, count: usize) -> Vec<Mishap> {
    let all = std::cell::RefCell::new(Vec::new());
    wait("failures are told of", || {
        all.borrow_mut().extend(rig.helm.take_mishaps());
        all.borrow().len() >= count
    });
    all.into_inner()
}

fn told() {
    let (_origin, rig, roots) = rig();
    let peer = |stream: &TcpStream| stream.local_addr().unwrap();
    let garbage = connected(rig.address);
    (&garbage).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let first = mishaps(&rig, 1).remove(0);
    assert_eq!((first.peer, first.server_name, first.why), (peer(&garbage), None, Unshaken::Protocol));
    assert!(first.said.contains("InvalidContentType") || first.said.contains("corrupt"), "{}", first.said);
    // A client that does not believe the certificate says so, after it has named whom it wants.
    let strangers = RootCertStore::empty();
    assert!(fetch(connected(rig.address), &strangers, "a.example").is_err());
    let second = mishaps(&rig, 1).remove(0);
    assert_eq!((second.server_name.as_deref(), second.why), (Some("a.example"), Unshaken::Unwanted));
    assert!(second.said.contains("UnknownCA"), "{}", second.said);
    // So is one that stops in its middle.
    let half = connected(rig.address);
    (&half).write_all(&hello(&roots)).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let third = mishaps(&rig, 1).remove(0);
    assert_eq!((third.server_name.as_deref(), third.why), (Some("a.example"), Unshaken::Gone));
    assert_eq!([first.untold, second.untold, third.untold], [0; 3]);
}

/// None is lost from the count: what was not told of stands in the next that was.
fn told_at_times() {
    const MANY: u64 = 200;
    let (_origin, rig, _roots) = rig();
    let garbage = || drop(send(rig.address, b"this is no hello of TLS"));
    (0..MANY).for_each(|_| garbage());
    wait("all have failed", || rig.unshaken(Unshaken::Protocol) == MANY);
    let some = rig.helm.take_mishaps();
    let of = |some: &[Mishap]| some.len() as u64 + some.iter().map(|one| u64::from(one.untold)).sum::<u64>();
    assert!(some.len() >= 10 && some.len() < 100, "{} were told of", some.len());
    let (told, further) = (std::cell::Cell::new(of(&some)), std::cell::Cell::new(MANY));
    wait("the next one says how many were not", || {
        garbage();
        further.set(further.get() + 1);
        told.set(told.get() + of(&rig.helm.take_mishaps()));
        told.get() == further.get()
    });
}
