//! The real executor in simulated worlds: every seed is one world, and a seed that fails fails again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use weir_reactor::sim::{self, Weather};
use weir_reactor::{
    Buf, Config, Counters, Listen, Listener, Reactor, Stream, deadline, now, sleep, spawn, yield_now,
};

const SEEDS: u64 = 100;

fn small() -> Config {
    Config {
        buffers_max: 40,
        buffer_bytes: 1000,
        recv_queue_max: 3,
        accept_queue_max: 4,
        ..Config::default()
    }
}

fn world(seed: u64, weather: Weather) -> Reactor {
    sim::reactor(seed, weather, small()).unwrap()
}

fn listen() -> (Listener, SocketAddr) {
    let listener = Listener::bind("10.0.0.1:0".parse().unwrap(), Listen::default()).unwrap();
    let address = listener.local().unwrap();
    (listener, address)
}

async fn echo(stream: Stream) {
    while let Ok(Some(buf)) = stream.recv().await {
        if stream.send(buf).await.0.is_err() {
            return;
        }
    }
}

fn serve(listener: Listener) {
    spawn(async move {
        while let Ok(stream) = listener.accept().await {
            spawn(echo(stream));
        }
    });
}

fn pattern(n: usize, salt: usize) -> Vec<u8> {
    (0..n).map(|i| u8::try_from((i * 31 + salt) % 251).unwrap()).collect()
}

/// Connects, trying again when the weather refuses.
async fn connect(to: SocketAddr) -> Stream {
    loop {
        match Stream::connect(to).await {
            Ok(stream) => return stream,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Sends a pattern and reads it back at the same time; says how many bytes came back right.
async fn exchange(stream: Stream, n: usize, salt: usize) -> Result<usize, std::io::Error> {
    let expect = pattern(n, salt);
    let (recv, send) = stream.split();
    let data = expect.clone();
    spawn(async move {
        for chunk in data.chunks(3000) {
            let (head, tail) = chunk.split_at(chunk.len() / 3);
            if send.send_vectored((head.to_vec(), tail.to_vec())).await.0.is_err() {
                return;
            }
        }
    });
    let mut got = 0;
    while got < n {
        let Some(buf) = recv.recv().await? else { break };
        assert!(*buf == expect[got..got + buf.len()], "wrong bytes at {got}");
        got += buf.len();
    }
    Ok(got)
}

/// Runs clients against an echo server and returns how many exchanges were whole, and the counts at rest.
fn exchanges(seed: u64, weather: Weather) -> (u32, Counters, u64) {
    let reactor = world(seed, weather);
    let whole = reactor.run(async move {
        let (listener, to) = listen();
        serve(listener);
        let (left, whole) = (Rc::new(Cell::new(8)), Rc::new(Cell::new(0)));
        for client in 0..8usize {
            let (left, whole) = (Rc::clone(&left), Rc::clone(&whole));
            spawn(async move {
                let n = 1 + client * 2500;
                if exchange(connect(to).await, n, client).await.ok() == Some(n) {
                    whole.set(whole.get() + 1);
                }
                left.set(left.get() - 1);
            });
        }
        let until = now() + Duration::from_secs(600);
        while left.get() > 0 {
            assert!(now() < until, "seed {seed}: exchanges hang: {:?}", weir_reactor::counters());
            sleep(Duration::from_millis(5)).await;
        }
        whole.get()
    });
    // Only the accept loop is left; everything else must come home.
    reactor.run(async { settle(1).await });
    (whole, reactor.counters(), reactor.trace().unwrap())
}

/// Waits in simulated time until only `tasks` tasks are left.
async fn settle(tasks: u64) {
    for _ in 0..10_000 {
        let counters = weir_reactor::counters();
        if counters.tasks_live <= tasks && counters.buffers_live == 0 && counters.operations_live <= tasks {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never at rest: {:?}", weir_reactor::counters());
}

#[test]
fn nothing_is_lost_or_reordered_in_rough_weather() {
    for seed in 0..SEEDS {
        let (whole, counters, _) = exchanges(seed, Weather::rough());
        assert_eq!(whole, 8, "seed {seed}");
        assert_eq!(counters.panics, 0, "seed {seed}");
    }
}

#[test]
fn resets_and_refusals_leave_nothing_behind() {
    let mut lost = 0;
    for seed in 0..SEEDS {
        let (whole, counters, _) = exchanges(seed, Weather::storm());
        lost += 8 - whole;
        assert_eq!(counters.panics, 0, "seed {seed}");
    }
    assert!(lost > 0, "no exchange was ever lost: the storm is none");
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        assert_eq!(exchanges(seed, Weather::storm()), exchanges(seed, Weather::storm()));
    }
    assert_ne!(exchanges(1, Weather::fair()).2, exchanges(2, Weather::fair()).2);
}

#[test]
fn faults_do_happen() {
    let mut all = Counters::default();
    for seed in 0..50 {
        let (_, counters, _) = exchanges(seed, Weather::storm());
        all.sends_short += counters.sends_short;
        all.accept_pauses += counters.accept_pauses;
        all.buffers_exhausted += counters.buffers_exhausted;
        all.recv_holds += counters.recv_holds;
        all.cancels += counters.cancels;
    }
    assert!(all.sends_short > 0 && all.accept_pauses > 0, "{all:?}");
    assert!(all.buffers_exhausted > 0 && all.recv_holds > 0 && all.cancels > 0, "{all:?}");
}

/// Drops the whole exchange after each number of polls, so that every await point is hit, and looks for leftovers.
#[test]
fn dropping_at_every_await_point_leaks_nothing() {
    for seed in 0..10 {
        let mut polls = 0;
        loop {
            let reactor = world(seed, Weather::rough());
            let finished = reactor.run(async move {
                let (listener, to) = listen();
                let server = async move {
                    let stream = listener.accept().await.unwrap();
                    let _all = deadline(echo(stream), now() + Duration::from_secs(60)).await;
                };
                let client = async move {
                    let stream = connect(to).await;
                    let (sent, data) = stream.send(pattern(9_000, 1)).await;
                    sent.unwrap();
                    stream.send_zc(data).await.unwrap();
                    stream.shutdown().await.unwrap();
                    let mut got = 0;
                    while let Some(buf) = stream.recv().await.unwrap() {
                        got += buf.len();
                    }
                    assert_eq!(got, 18_000);
                };
                let finished = after(polls, both(server, client)).await;
                settle(0).await;
                finished
            });
            let counters = reactor.counters();
            assert_eq!((counters.operations_live, counters.buffers_live, counters.timers_live), (0, 0, 0));
            if finished {
                break;
            }
            polls += 1;
        }
        assert!(polls > 20, "the exchange took {polls} polls only");
    }
}

/// Polls both until both are done. The server echoes while the client sends, so nobody waits for room for ever.
async fn both(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let mut done = (false, false);
    std::future::poll_fn(|cx| {
        done.0 = done.0 || a.as_mut().poll(cx).is_ready();
        done.1 = done.1 || b.as_mut().poll(cx).is_ready();
        if done.0 && done.1 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Drops the future after so many polls; true if it finished before.
async fn after(mut polls: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| {
        if polls == 0 {
            return std::task::Poll::Ready(false);
        }
        polls -= 1;
        future.as_mut().poll(cx).map(|()| true)
    })
    .await
}

#[test]
fn a_reader_that_holds_every_buffer_stops_the_others_until_it_lets_go() {
    let reactor = world(7, Weather::fair());
    reactor.run(async {
        let (listener, to) = listen();
        let near = Stream::connect(to).await.unwrap();
        let far = listener.accept().await.unwrap();
        spawn(async move { near.send(pattern(80_000, 0)).await.0.unwrap() });
        let mut held: Vec<Buf> = Vec::new();
        while held.len() < 40 {
            held.push(far.recv().await.unwrap().unwrap());
        }
        assert!(Buf::take().is_none(), "the pool is exhausted");
        let until = now() + Duration::from_secs(1);
        assert!(deadline(far.recv(), until).await.is_err(), "there was one more buffer");
        held.pop();
        let got = deadline(far.recv(), now() + Duration::from_secs(1)).await;
        assert!(got.is_ok(), "the buffer that was given back went to nobody");
    });
    assert!(reactor.counters().buffers_max == 40);
}

#[test]
fn duplex_speaks_both_traits() {
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use weir_reactor::Duplex;
    for seed in 0..50 {
        world(seed, Weather::rough()).run(async {
            let (listener, to) = listen();
            serve(listener);
            let mut duplex = Duplex::new(connect(to).await, None);
            let expect = pattern(200_000, 9);
            let (mut written, mut got, mut flushed) = (0, Vec::new(), false);
            std::future::poll_fn(|cx| {
                while written < expect.len() {
                    let end = expect.len().min(written + 7_777);
                    match std::pin::Pin::new(&mut duplex).poll_write(cx, &expect[written..end]) {
                        std::task::Poll::Ready(n) => written += n.unwrap(),
                        std::task::Poll::Pending => break,
                    }
                }
                if written == expect.len() && !flushed {
                    flushed = std::pin::Pin::new(&mut duplex).poll_shutdown(cx).is_ready();
                }
                loop {
                    let mut space = [0; 555];
                    let mut into = ReadBuf::new(&mut space);
                    match std::pin::Pin::new(&mut duplex).poll_read(cx, &mut into) {
                        std::task::Poll::Ready(read) => read.unwrap(),
                        std::task::Poll::Pending => return std::task::Poll::Pending,
                    }
                    if into.filled().is_empty() {
                        return std::task::Poll::Ready(());
                    }
                    got.extend_from_slice(into.filled());
                }
            })
            .await;
            assert!(got == expect, "seed {seed}: {} of {}", got.len(), expect.len());
        });
    }
}

#[test]
fn time_is_the_simulation_s_own() {
    let begin = std::time::Instant::now();
    world(1, Weather::fair()).run(async {
        let before = now();
        sleep(Duration::from_secs(86_400)).await;
        assert!(now() - before >= Duration::from_secs(86_400));
    });
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
#[should_panic(expected = "can never happen")]
fn a_world_in_which_nothing_can_happen_says_so() {
    world(1, Weather::fair()).run(async {
        let (listener, _) = listen();
        let _never = listener.accept().await;
    });
}

#[test]
fn tasks_take_turns() {
    let order = Rc::new(RefCell::new(Vec::new()));
    world(1, Weather::fair()).run(async {
        for name in 0..3 {
            let order = Rc::clone(&order);
            spawn(async move {
                for _ in 0..2 {
                    order.borrow_mut().push(name);
                    yield_now().await;
                }
            });
        }
        sleep(Duration::from_millis(1)).await;
    });
    assert_eq!(*order.borrow(), [0, 1, 2, 0, 1, 2]);
}
