//! Checks against real sockets.
use super::*;
use std::cell::Cell;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use weir_plan::balance::Balance;
use weir_plan::hash::Cycle;
use weir_plan::id::UpstreamId;
use weir_plan::limit::{Retry, Timeouts};
use weir_plan::upstream::{Address, Breaker, Health, KeepAlive, Probe, ProxyVersion, Target, UpProtocol};

fn upstream(target: SocketAddr, probe: Probe) -> Upstream {
    let second = Duration::from_secs(1);
    Upstream {
        id: UpstreamId(0),
        name: "orders".into(),
        targets: vec![Target { name: target.to_string().into(), address: Address::Ip(target), weight: 1 }],
        balance: Balance::RoundRobin(Cycle::new(&[])),
        protocol: UpProtocol::Http1,
        tls: None,
        health: Health {
            active: Some(Active {
                probe,
                every: Duration::from_millis(5),
                timeout: Duration::from_millis(200),
                healthy_after: 2,
                unhealthy_after: 3,
            }),
            passive: None,
            panic: 0.5,
        },
        breaker: Breaker { connections_max: 1, pending_max: 1, requests_max: 1, retries_max: 1 },
        timeouts: Timeouts { connect: second, first_byte: second, idle: second, total: None },
        retry: Retry {
            attempts_max: 0,
            on_connect: false,
            on_reset: false,
            on_timeout: false,
            on_status: Vec::new(),
            budget: 0.0,
            body_bytes_max: 0,
            backoff: second,
            backoff_max: second,
            tells_attempt: false,
        },
        keep_alive: KeepAlive { connections_max: 1, idle: second, requests_max: 1 },
        slow_start: Duration::ZERO,
        proxy_protocol: None,
    }
}

/// Answers every connection by what `answer` says; an empty text keeps silent.
async fn serve(listener: TcpListener, answer: Rc<Cell<&'static str>>, seen: Rc<RefCell<Vec<String>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (answer, seen) = (answer.get(), Rc::clone(&seen));
        tokio::task::spawn_local(async move {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).await.unwrap_or(0);
            seen.borrow_mut().push(String::from_utf8_lossy(&bytes[..count]).into_owned());
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            drop(stream.write_all(answer.as_bytes()).await);
        });
    }
}

const WELL: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";

/// Runs checks of a target that answers first `before` and then `after`; what was reported, and what was asked.
fn watch(
    (before, after): (&'static str, &'static str),
    change: impl FnOnce(&mut Upstream),
) -> (Vec<Result<(), String>>, Vec<String>) {
    crate::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let probe =
            Probe::Http { path: "/healthz".into(), host: Some("orders.internal".into()), expect: (200, 299) };
        let mut upstream = upstream(listener.local_addr().unwrap(), probe);
        change(&mut upstream);
        let (answer, seen) = (Rc::new(Cell::new(before)), Rc::default());
        tokio::task::spawn_local(serve(listener, Rc::clone(&answer), Rc::clone(&seen)));
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let report: Rc<Report> = Rc::new(move |_: &_, _: &_, found| drop(said.send(found.unwrap())));
        let checks = Checks::new(report);
        let running = checks.start(&("orders".into(), "t".into()), Arc::new(upstream), 0);
        let first = heard.recv().await.unwrap();
        answer.set(after);
        let second = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
        drop(running);
        (vec![first, second], seen.take())
    })
    .unwrap()
}

#[test]
fn b49_a_target_that_breaks_is_ill_and_one_that_mends_is_well() {
    let (found, seen) = watch((WELL, BROKEN), |_| {});
    assert_eq!(found, [Ok(()), Err(String::from("status 500"))]);
    assert!(seen[0].starts_with("GET /healthz HTTP/1.1\r\nhost: orders.internal\r\n"), "{}", seen[0]);
    assert!(seen.len() >= 4, "three bad ones in a row");
    let (found, seen) = watch((BROKEN, WELL), |_| {});
    assert_eq!(found, [Err(String::from("status 500")), Ok(())]);
    assert!(seen.len() >= 3, "two good ones in a row");
}

#[test]
fn f5_a_target_that_keeps_silent_is_ill() {
    let (found, _) = watch((WELL, ""), |_| {});
    assert_eq!(found[1], Err(String::from("no answer within 200 ms")));
}

#[test]
fn nonsense_is_no_answer() {
    let (found, _) = watch((WELL, "220 mail ready\r\n"), |_| {});
    assert!(found[1].as_ref().unwrap_err().contains("no answer that is HTTP"), "{found:?}");
}

#[test]
fn a_target_that_expects_a_proxy_header_gets_one() {
    let change = |upstream: &mut Upstream| upstream.proxy_protocol = Some(ProxyVersion::V2);
    let (_, seen) = watch((WELL, BROKEN), change);
    assert!(seen[0].starts_with("\r\n\r\n\0\r\nQUIT\n \0\0\0"), "{:?}", seen[0]);
}

#[test]
fn connecting_is_enough_where_only_that_is_asked() {
    crate::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = upstream(address, Probe::Tcp);
        let aim = Aim::new(&upstream, 0).unwrap();
        assert_eq!(aim.probe(&Probe::Tcp).await, Ok(()));
        drop(listener);
        assert!(aim.probe(&Probe::Tcp).await.unwrap_err().contains("cannot connect"));
    })
    .unwrap();
}

#[test]
fn intervals_differ_by_a_tenth_at_most() {
    let every = Duration::from_secs(10);
    for random in [0, 1, 30_000, 65_535, u64::MAX] {
        let one = interval(every, random);
        assert!((Duration::from_secs(9)..Duration::from_secs(11)).contains(&one), "{one:?}");
    }
    assert_ne!(interval(every, 1), interval(every, 60_000));
}
