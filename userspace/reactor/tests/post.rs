//! What is posted goes on by itself, in simulated worlds: it arrives in order, its memory comes back, failures are told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;
use weir_reactor::sim::{self, Weather};
use weir_reactor::{Config, Listen, Listener, Reactor, Stream, deadline, now, sleep, spawn, take_sheet};

const BYTES: usize = 20_000;

fn world(seed: u64, weather: Weather) -> Reactor {
    let small = Config { buffers_max: 40, buffer_bytes: 1000, recv_queue_max: 3, ..Config::default() };
    sim::reactor(seed, weather, small).unwrap()
}

fn listen() -> (Listener, SocketAddr) {
    let listener = Listener::bind("10.0.0.1:0".parse().unwrap(), Listen::default()).unwrap();
    let address = listener.local().unwrap();
    (listener, address)
}

async fn connect(to: SocketAddr) -> Stream {
    loop {
        match Stream::connect(to).await {
            Ok(stream) => return stream,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Sends back what comes: a part copied into a sheet, the rest in the buffer it came in.
async fn echo(stream: Stream) -> std::io::Result<()> {
    while let Some(mut buf) = stream.recv().await? {
        let mut sheet = take_sheet();
        sheet.extend_from_slice(&buf.split_to(buf.len() / 3));
        poll_fn(|cx| stream.poll_posted(cx)).await?;
        stream.post(sheet, Some(buf).filter(|buf| !buf.is_empty()))?;
    }
    stream.shutdown().await
}

/// Posts a pattern piece by piece and ends; says whether all of it came back.
async fn exchange(stream: Stream) -> std::io::Result<bool> {
    let pattern: Vec<u8> = (0..BYTES).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let (data, stream) = (pattern.clone(), std::rc::Rc::new(stream));
    let sender = std::rc::Rc::clone(&stream);
    spawn(async move {
        for piece in data.chunks(777) {
            if poll_fn(|cx| sender.poll_posted(cx)).await.is_err()
                || sender.post(piece.to_vec(), None).is_err()
            {
                return;
            }
        }
        drop(sender.shutdown().await);
    });
    let mut got = Vec::new();
    while let Some(buf) = stream.recv().await? {
        got.extend_from_slice(&buf);
        assert!(pattern.starts_with(&got), "wrong bytes before {}", got.len());
    }
    Ok(got.len() == BYTES)
}

async fn settle() {
    let until = now() + Duration::from_secs(100);
    loop {
        let counters = weir_reactor::counters();
        if (counters.tasks_live, counters.buffers_live, counters.operations_live) == (0, 0, 0) {
            return;
        }
        assert!(now() < until, "never at rest: {counters:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn echoed(seed: u64, weather: Weather) -> bool {
    let reactor = world(seed, weather);
    reactor.run(async {
        let (listener, to) = listen();
        spawn(async move {
            if let Ok(stream) = listener.accept().await {
                drop(echo(stream).await);
            }
        });
        let whole = matches!(exchange(connect(to).await).await, Ok(true));
        settle().await;
        whole
    })
}

#[test]
fn posts_arrive_whole_and_in_order() {
    for seed in 0..100 {
        assert!(echoed(seed, Weather::rough()), "seed {seed}");
    }
}

#[test]
fn posts_that_fail_leave_nothing_behind() {
    let whole = (0..100).filter(|seed| echoed(*seed, Weather::storm())).count();
    assert!(whole < 100, "no exchange was ever lost: the storm is none");
}

#[test]
fn a_stream_that_is_dropped_takes_its_post_with_it() {
    for seed in 0..50 {
        world(seed, Weather::rough()).run(async {
            let (listener, to) = listen();
            let near = connect(to).await;
            let far = listener.accept().await.unwrap();
            near.post(vec![7; 1 << 20], None).unwrap();
            assert!(near.post(vec![8], None).is_err(), "one post at a time");
            let sent =
                deadline(poll_fn(|cx| near.poll_posted(cx)), now() + Duration::from_millis(seed)).await;
            assert!(sent.is_err() && near.has_posted(), "nobody reads, so it cannot all be sent");
            drop((near, far, listener));
            settle().await;
        });
    }
}

#[test]
fn whoever_sends_next_learns_that_a_post_has_failed() {
    world(3, Weather::fair()).run(async {
        let (listener, to) = listen();
        let near = connect(to).await;
        let far = listener.accept().await.unwrap();
        far.reset_on_close().unwrap();
        drop(far);
        sleep(Duration::from_secs(1)).await;
        near.post(b"to nobody".to_vec(), None).unwrap();
        assert!(poll_fn(|cx| near.poll_posted(cx)).await.is_err());
        assert!(near.send(b"to nobody".to_vec()).await.0.is_err() && near.shutdown().await.is_err());
    });
}
