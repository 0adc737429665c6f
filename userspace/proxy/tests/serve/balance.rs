//! Which target answers: by health, by weight, by key, within limits.
use crate::Test;
use crate::client::Client;
use crate::origin::{Act, Origin, Script, ok};
use crate::plans::Draft;
use crate::rig::Rig;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_meter::Count;
use weir_plan::balance::{Balance, Hashed};
use weir_plan::hash::{Maglev, Place};
use weir_plan::route::Action;
use weir_plan::upstream::{Breaker, Passive, Upstream};
use weir_proxy::State;
use weir_schema::value::HashKey;

pub const TESTS: &[Test] = &[
    ("b50_a_drained_target_gets_nothing_until_it_is_wanted_again", drained),
    ("weights_may_be_set_while_requests_run", weighed),
    ("b49_with_too_few_well_targets_all_are_used", panicking),
    ("f23_with_all_targets_ill_and_no_panic_it_is_503_at_once", all_ill),
    ("b48_a_target_that_fails_is_left_out_by_all", ejected),
    ("b47_beyond_the_breaker_it_is_503_at_once", full),
    ("b47_an_idle_connection_makes_room_for_another_target", makes_room),
    ("b46_a_status_may_be_a_reason_to_ask_another", asks_another),
    ("b46_a_target_is_told_which_attempt_it_is", attempt_told),
    ("b47_without_room_for_retries_the_answer_counts", no_room),
    ("b47_without_room_for_retries_a_target_that_refuses_is_502", no_room_to_connect),
    ("b46_without_another_target_the_answer_counts", nobody_else),
    ("b46_a_short_body_is_sent_again_to_another_target", body_again),
    ("b46_a_long_body_is_sent_once", body_once),
    ("b46_a_body_meets_a_stale_connection_and_is_sent_again", stale_body),
    ("b46_retries_end_with_the_budget", budget),
    ("b50_a_new_target_warms_up", warms_up),
    ("b51_the_same_key_meets_the_same_target", hashed),
    ("b51_a_client_without_the_cookie_gets_one", sticky),
];

const A: Script = |_, _| Act::Send(ok("a"));
const B: Script = |_, _| Act::Send(ok("b"));
const BUSY: Script = |_, _| Act::Send(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy".to_vec());

/// A worker in front of origins, whose upstream may be changed before it begins.
fn rig(origins: &[&Origin], change: impl FnOnce(&mut Upstream)) -> Rig {
    let targets: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    rig_at(&targets, change)
}

fn rig_at(targets: &[SocketAddr], change: impl FnOnce(&mut Upstream)) -> Rig {
    let mut draft = Draft::default();
    drop(draft.upstream(targets));
    change(Arc::get_mut(&mut draft.upstreams[0]).unwrap());
    draft.route("/*", |draft| Action::Upstream(Arc::clone(&draft.upstreams[0])));
    Rig::new(draft.finish())
}

/// Status and body of the next answer.
fn get(client: &mut Client, fields: &str) -> (u16, String) {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let answer = client.answer();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// How many of so many requests were answered with this body.
fn count(client: &mut Client, requests: usize, body: &str) -> usize {
    (0..requests).filter(|_| get(client, "").1 == body).count()
}

fn name(origin: &Origin) -> String {
    origin.address.to_string()
}

fn drained() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let rig = rig(&[&a, &b], |_| {});
    let mut client = Client::new(rig.address);
    assert_eq!(count(&mut client, 10, "a"), 5);
    let plan = rig.plans.load();
    rig.board.drain(&plan, "up0", &name(&a), true).unwrap();
    assert_eq!(count(&mut client, 10, "a"), 0);
    let states = || rig.board.view(&plan)[0].targets.iter().map(|target| target.state).collect::<Vec<_>>();
    assert_eq!(states(), [State::Drained, State::Up]);
    rig.board.drain(&plan, "up0", &name(&b), true).unwrap();
    assert_eq!(get(&mut client, "").0, 503, "not even in need is a drained target used");
    rig.board.drain(&plan, "up0", &name(&a), false).unwrap();
    assert_eq!(count(&mut client, 10, "a"), 10);
    let refused = rig.board.drain(&plan, "up0", "10.0.0.1:1", true).unwrap_err().to_string();
    assert!(refused.contains("10.0.0.1:1") && refused.contains(&name(&b)), "{refused}");
    assert!(rig.board.drain(&plan, "up9", "x", true).unwrap_err().to_string().contains("up9"));
}

fn weighed() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let rig = rig(&[&a, &b], |_| {});
    let mut client = Client::new(rig.address);
    let plan = rig.plans.load();
    rig.board.weigh(&plan, "up0", &name(&a), Some(9)).unwrap();
    assert_eq!(count(&mut client, 20, "a"), 18);
    rig.board.weigh(&plan, "up0", &name(&a), Some(0)).unwrap();
    assert_eq!(count(&mut client, 20, "a"), 0);
    assert_eq!(
        (rig.board.view(&plan)[0].targets[0].weight, rig.board.view(&plan)[0].targets[1].weight),
        (0, 1)
    );
    rig.board.weigh(&plan, "up0", &name(&b), Some(0)).unwrap_err();
    rig.board.weigh(&plan, "up0", &name(&a), None).unwrap();
    assert_eq!(count(&mut client, 20, "a"), 10);
}

fn panicking() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let rig = rig(&[&a, &b], |_| {});
    let mut client = Client::new(rig.address);
    let (up, ill) = (Arc::from("up0"), |origin: &Origin| Arc::from(name(origin)));
    rig.board.report(&up, &ill(&a), Err(String::from("status 500")));
    let deadline = Instant::now() + Duration::from_secs(60);
    while count(&mut client, 10, "a") > 0 {
        assert!(Instant::now() < deadline, "one of two is half, and half is enough");
    }
    rig.board.report(&up, &ill(&b), Err(String::from("status 500")));
    while count(&mut client, 10, "a") != 5 {
        assert!(Instant::now() < deadline, "none of two is too few: both are used");
    }
    let view = &rig.board.view(&rig.plans.load())[0];
    assert_eq!((view.targets[0].state, &*view.targets[0].complaint), (State::Ill, "status 500"));
}

fn all_ill() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let rig = rig(&[&a, &b], |upstream| upstream.health.panic = 0.0);
    let mut client = Client::new(rig.address);
    for origin in [&a, &b] {
        rig.board.report(&Arc::from("up0"), &Arc::from(name(origin)), Err(String::from("refused")));
    }
    assert_eq!(get(&mut client, "").0, 503);
    assert_eq!(a.connections() + b.connections(), 0, "nobody is asked");
    rig.board.report(&Arc::from("up0"), &Arc::from(name(&b)), Ok(()));
    assert_eq!(get(&mut client, ""), (200, String::from("b")));
}

fn ejected() {
    let (a, b) = (Origin::new(A), Origin::new(BUSY));
    let rig = rig(&[&a, &b], |upstream| {
        upstream.health.passive = Some(Passive {
            consecutive_5xx_max: 3,
            consecutive_errors_max: 3,
            eject: Duration::from_secs(60),
            eject_max: Duration::from_secs(60),
            eject_share_max: 0.5,
        });
    });
    let mut client = Client::new(rig.address);
    let failed = (0..20).filter(|_| get(&mut client, "").0 == 503).count();
    assert_eq!(failed, 3);
    assert_eq!(rig.board.view(&rig.plans.load())[0].targets[1].state, State::Out);
}

fn full() {
    let origin = Origin::new(|number, _| if number == 0 { Act::Silence } else { Act::Send(ok("a")) });
    let rig = rig(&[&origin], |upstream| {
        upstream.breaker = Breaker { connections_max: 10, pending_max: 10, requests_max: 1, retries_max: 1 };
        upstream.timeouts.first_byte = Duration::from_secs(600);
    });
    let mut first = Client::new(rig.address);
    first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let deadline = Instant::now() + Duration::from_secs(60);
    while origin.seen().is_empty() {
        assert!(Instant::now() < deadline, "the first request arrives");
        std::thread::yield_now();
    }
    // It does not wait for the first, which is not answered at all.
    let mut second = Client::new(rig.address);
    second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = second.answer();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("X-Weir-Overloaded: true\r\n"),
        "{answer}"
    );
    assert_eq!((rig.count(Count::UpstreamFull), origin.seen().len()), (1, 1));
    first.vanish();
    while get(&mut Client::new(rig.address), "").0 != 200 {
        assert!(Instant::now() < deadline, "there is room again");
    }
}

fn makes_room() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let rig = rig(&[&a, &b], |upstream| {
        upstream.breaker = Breaker { connections_max: 1, pending_max: 1, requests_max: 10, retries_max: 1 };
    });
    let mut client = Client::new(rig.address);
    assert_eq!(count(&mut client, 6, "a"), 3);
    assert_eq!((a.connections(), b.connections()), (3, 3), "each took the place of the other");
}

fn asks_another() {
    let (busy, b) = (Origin::new(BUSY), Origin::new(B));
    let rig = rig(&[&busy, &b], |upstream| upstream.retry.on_status = vec![(502, 504)]);
    let mut client = Client::new(rig.address);
    assert_eq!(count(&mut client, 10, "b"), 10);
    assert_eq!((busy.seen().len(), rig.count(Count::Retried)), (5, 5));
    let mut posted = || {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        client.answer()
    };
    let answers = posted() + &posted();
    assert!(answers.contains("503 Busy"), "a POST is not sent twice: {answers}");
}

fn attempt_told() {
    let (busy, b) = (Origin::new(BUSY), Origin::new(B));
    let rig = rig(&[&busy, &b], |upstream| {
        (upstream.retry.on_status, upstream.retry.tells_attempt) = (vec![(502, 504)], true);
    });
    let mut client = Client::new(rig.address);
    for _ in 0..2 {
        assert_eq!(get(&mut client, "X-Weir-Attempt-Count: 9\r\n"), (200, "b".to_owned()));
    }
    let told = |origin: &Origin| {
        let seen = origin.seen().concat();
        ["1", "2", "9"].map(|count| seen.matches(&format!("X-Weir-Attempt-Count: {count}\r\n")).count())
    };
    assert_eq!((told(&busy), told(&b)), ([1, 0, 0], [1, 1, 0]));
}

fn no_room() {
    let (busy, b) = (Origin::new(BUSY), Origin::new(B));
    let rig = rig(&[&busy, &b], |upstream| {
        upstream.retry.on_status = vec![(502, 504)];
        upstream.breaker.retries_max = 0;
    });
    let mut client = Client::new(rig.address);
    assert_eq!(count(&mut client, 10, "b"), 5);
    assert_eq!((busy.seen().len(), rig.count(Count::Retried)), (5, 0));
}

fn no_room_to_connect() {
    let b = Origin::new(B);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (retries_max, expect) in [(100, (10, 5, 0)), (0, (5, 0, 5))] {
        let rig = rig_at(&[closed, b.address], |upstream| upstream.breaker.retries_max = retries_max);
        let mut client = Client::new(rig.address);
        let statuses: Vec<u16> = (0..10).map(|_| get(&mut client, "").0).collect();
        let good = statuses.iter().filter(|status| **status == 200).count();
        assert!(statuses.iter().all(|status| [200, 502].contains(status)), "{statuses:?}");
        assert_eq!((good, rig.count(Count::Retried), rig.count(Count::RetryDenied)), expect, "{retries_max}");
    }
}

fn nobody_else() {
    let busy = Origin::new(BUSY);
    let rig = rig(&[&busy], |upstream| upstream.retry.on_status = vec![(502, 504)]);
    assert_eq!(get(&mut Client::new(rig.address), ""), (503, String::from("busy")));
    assert_eq!(busy.seen().len(), 1);
}

const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The first attempt is refused or breaks with all of the body sent; the other target gets the same body, trailers too.
fn body_again() {
    let breaks: Script = |_, _| Act::Last(Vec::new());
    for bad in [BUSY, breaks] {
        let (first, second) = (Origin::new(bad), Origin::new(A));
        let rig = rig(&[&first, &second], |upstream| {
            upstream.retry.on_status = vec![(503, 503)];
            upstream.retry.attempts_max = 1;
        });
        let mut client = Client::new(rig.address);
        for _ in 0..4 {
            client.send(PUT);
            client.send("5\r\nhello\r\n6\r\n world\r\n0\r\nGrpc-Status: 0\r\n\r\n");
            let answer = client.answer();
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('a'), "{answer}");
        }
        assert!(rig.count(Count::Retried) >= 1);
        for seen in first.seen().iter().chain(&second.seen()) {
            let (_, body) = seen.split_once("\r\n\r\n").unwrap();
            let plain: String = body.split("\r\n").filter(|line| line.len() != 1).collect();
            assert_eq!(plain.replace("b", ""), "hello worldGrpc-Status: 0", "{seen}");
        }
    }
}

fn body_once() {
    let (first, second) = (Origin::new(BUSY), Origin::new(A));
    let rig = rig(&[&first, &second], |upstream| {
        upstream.retry.on_status = vec![(503, 503)];
        upstream.retry.body_bytes_max = 10;
    });
    let mut client = Client::new(rig.address);
    let mut busy = 0;
    for _ in 0..4 {
        client.send(format!("{PUT}b\r\nhello world\r\n0\r\n\r\n"));
        busy += usize::from(client.answer().starts_with("HTTP/1.1 503 "));
    }
    assert_eq!((busy, rig.count(Count::Retried)), (2, 0), "what was not kept cannot be sent again");
    // Nor is a method that is not idempotent.
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        client.answer();
    }
    assert_eq!(rig.count(Count::Retried), 0);
}

fn stale_body() {
    let origin = Origin::new(|number, _| match number {
        1 => Act::Last(Vec::new()),
        _ => Act::Send(ok("a")),
    });
    let rig = rig(&[&origin], |upstream| upstream.retry.attempts_max = 0);
    let mut client = Client::new(rig.address);
    assert_eq!(get(&mut client, "").0, 200);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert!(client.answer().starts_with("HTTP/1.1 200 "));
    assert_eq!((origin.connections(), origin.seen().len()), (2, 3));
    assert!(origin.seen().iter().skip(1).all(|seen| seen.ends_with("hi")), "{:?}", origin.seen());
}

fn budget() {
    let (busy, busy_too) = (Origin::new(BUSY), Origin::new(BUSY));
    let rig = rig(&[&busy, &busy_too], |upstream| {
        upstream.retry.on_status = vec![(503, 503)];
        upstream.retry.budget = 0.2;
    });
    let mut client = Client::new(rig.address);
    for _ in 0..100 {
        assert_eq!(get(&mut client, ""), (503, String::from("busy")), "at the end the answer is passed on");
    }
    let asked = busy.seen().len() + busy_too.seen().len();
    assert!((115..=125).contains(&asked), "{asked} attempts for 100 requests");
}

fn warms_up() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let rig = rig(&[&a, &b], |upstream| upstream.slow_start = Duration::from_secs(3600));
    let mut client = Client::new(rig.address);
    assert_eq!(count(&mut client, 10, "a"), 5, "at the start all are warm");
    let plan = rig.plans.load();
    rig.board.drain(&plan, "up0", &name(&a), true).unwrap();
    rig.board.drain(&plan, "up0", &name(&a), false).unwrap();
    // A tenth of a half of 400 is 20.
    let warm = count(&mut client, 400, "a");
    assert!((2..60).contains(&warm), "{warm}");
}

fn by(keys: Vec<HashKey>) -> impl FnOnce(&mut Upstream) {
    move |upstream| {
        let places: Vec<Place<'_>> =
            upstream.targets.iter().map(|target| Place { name: &target.name, weight: 1 }).collect();
        upstream.balance = Balance::Maglev(Maglev::new(&places, 251), Hashed { by: keys, bound: None });
    }
}

fn hashed() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let keys =
        vec![HashKey::Header(String::from("x-user")), HashKey::Cookie(String::from("s")), HashKey::Path];
    let rig = rig(&[&a, &b], by(keys));
    let mut client = Client::new(rig.address);
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..20 {
        let of_header = get(&mut client, &format!("X-User: {user}\r\nCookie: s={}\r\n", 99 - user));
        assert_eq!(get(&mut client, &format!("X-User: {user}\r\n")), of_header, "the first key counts");
        let of_cookie = get(&mut client, &format!("Cookie: t=1; s=\"{user}\"\r\n"));
        assert_eq!(of_cookie, of_header, "without it the second one, and a key is a key wherever it stands");
        seen.insert(of_header.1);
    }
    assert_eq!(seen.len(), 2, "both targets have some keys");
    let of_path: Vec<_> = (0..5).map(|_| get(&mut client, "")).collect();
    assert!(of_path.iter().all(|one| *one == of_path[0]), "{of_path:?}");
}

fn sticky() {
    let (a, b) = (Origin::new(A), Origin::new(B));
    let rig = rig(&[&a, &b], by(vec![HashKey::Cookie(String::from("home"))]));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut client = Client::new(rig.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        let cookie = answer.split("Set-Cookie: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
        for _ in 0..3 {
            client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {pair}\r\n\r\n"));
            let again = client.answer();
            assert!(again.ends_with(&format!("\r\n\r\n{body}")) && !again.contains("Set-Cookie"), "{again}");
        }
        seen.insert(body);
    }
    assert_eq!(seen.len(), 2, "clients are spread");
}
