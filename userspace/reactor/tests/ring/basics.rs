//! Streams, timers, tasks and wake-ups doing what they are for.

use crate::Case;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use weir_reactor::{Buf, Config, Listen, Listener, Reactor, Stream, deadline, now, sleep, spawn, yield_now};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("echo_over_loopback", echo_over_loopback),
        ("vectored_and_zero_copy_sends_arrive_whole", vectored_and_zero_copy_sends_arrive_whole),
        ("a_large_transfer_arrives_in_order_through_a_slow_reader", a_large_transfer_arrives_in_order),
        ("sleeping_takes_its_time", sleeping_takes_its_time),
        ("a_deadline_ends_a_receive_and_loses_nothing", a_deadline_ends_a_receive_and_loses_nothing),
        ("a_panic_ends_its_task_only", a_panic_ends_its_task_only),
        ("other_threads_reach_the_reactor", other_threads_reach_the_reactor),
        ("shutdown_is_seen_as_the_end", shutdown_is_seen_as_the_end),
    ]
}

pub(crate) fn reactor() -> Reactor {
    Reactor::new(Config::default()).unwrap()
}

pub(crate) fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn listen() -> Listener {
    Listener::bind(local(), Listen::default()).unwrap()
}

/// A connected pair over loopback.
pub(crate) async fn pair() -> (Stream, Stream) {
    let listener = listen();
    let near = Stream::connect(listener.local().unwrap()).await.unwrap();
    let far = listener.accept().await.unwrap();
    (near, far)
}

pub(crate) async fn echo(stream: Stream) {
    while let Ok(Some(buf)) = stream.recv().await {
        if stream.send(buf).await.0.is_err() {
            return;
        }
    }
}

pub(crate) async fn recv_exact(stream: &Stream, n: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < n {
        match stream.recv().await.unwrap() {
            Some(buf) => all.extend_from_slice(&buf),
            None => break,
        }
    }
    all
}

fn echo_over_loopback() {
    let reactor = reactor();
    reactor.run(async {
        let listener = listen();
        let to = listener.local().unwrap();
        spawn(async move {
            loop {
                spawn(echo(listener.accept().await.unwrap()));
            }
        });
        for _ in 0..3 {
            let stream = Stream::connect(to).await.unwrap();
            for i in 0..100u8 {
                let (sent, buffer) = stream.send(vec![i; 100]).await;
                sent.unwrap();
                assert_eq!(buffer, recv_exact(&stream, 100).await);
            }
            assert_eq!(stream.peer().unwrap(), to);
        }
    });
    let counters = reactor.counters();
    assert_eq!(counters.accepts, 3);
    assert_eq!(counters.sends, 600);
    assert_eq!(counters.panics, 0);
}

fn vectored_and_zero_copy_sends_arrive_whole() {
    let reactor = reactor();
    reactor.run(async {
        let (near, far) = pair().await;
        let pieces: Vec<Vec<u8>> = (0..40u8).map(|i| vec![i; usize::from(i)]).collect();
        let expect = pieces.concat();
        let (sent, _) = near.send_vectored(pieces).await;
        sent.unwrap();
        assert_eq!(recv_exact(&far, expect.len()).await, expect);
        let (sent, _) = near.send_vectored((b"head".to_vec(), &b"body"[..])).await;
        sent.unwrap();
        assert_eq!(recv_exact(&far, 8).await, b"headbody");
        near.send_zc(vec![7u8; 50_000]).await.unwrap();
        assert_eq!(recv_exact(&far, 50_000).await, vec![7u8; 50_000]);
        let mut buf = Buf::take().unwrap();
        buf.append(b"from the pool");
        near.send(buf).await.0.unwrap();
        assert_eq!(recv_exact(&far, 13).await, b"from the pool");
    });
    assert_eq!(reactor.counters().buffers_live, 0);
}

fn a_large_transfer_arrives_in_order() {
    const BYTES: usize = 8 << 20;
    let reactor = reactor();
    reactor.run(async {
        let (near, far) = pair().await;
        let data: Vec<u8> = (0..BYTES).map(|i| (i * 7 % 251) as u8).collect();
        let expect = data.clone();
        spawn(async move {
            near.send(data).await.0.unwrap();
            near.shutdown().await.unwrap();
        });
        let mut all = Vec::new();
        while let Some(buf) = far.recv().await.unwrap() {
            all.extend_from_slice(&buf);
            yield_now().await;
        }
        assert!(all == expect);
    });
    let counters = reactor.counters();
    assert_eq!(counters.buffers_live, 0);
    assert!(counters.recv_holds > 0, "the reader was never behind");
    assert!(counters.buffers_max < 128, "one stream took {} buffers", counters.buffers_max);
}

fn sleeping_takes_its_time() {
    reactor().run(async {
        for ms in [1, 5, 70] {
            let start = now();
            sleep(Duration::from_millis(ms)).await;
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(ms), "{took:?} is early");
            assert!(took < Duration::from_millis(ms + 500), "{took:?} is late");
        }
    });
}

fn a_deadline_ends_a_receive_and_loses_nothing() {
    reactor().run(async {
        let (near, far) = pair().await;
        assert!(deadline(far.recv(), now() + Duration::from_millis(20)).await.is_err());
        near.send(b"late".to_vec()).await.0.unwrap();
        let got = deadline(far.recv(), now() + Duration::from_secs(5)).await.unwrap();
        assert_eq!(&*got.unwrap().unwrap(), b"late");
    });
}

fn a_panic_ends_its_task_only() {
    let reactor = reactor();
    reactor.run(async {
        let done = Rc::new(Cell::new(false));
        let seen = Rc::clone(&done);
        spawn(async { panic!("on purpose") });
        spawn(async move { seen.set(true) });
        while !done.get() {
            yield_now().await;
        }
    });
    let counters = reactor.counters();
    assert_eq!((counters.panics, counters.tasks_live), (1, 0));
}

fn other_threads_reach_the_reactor() {
    let reactor = reactor();
    let handle = reactor.handle();
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        handle.run(move || spawn(async move { sender.send(1).unwrap() })).map_err(drop).unwrap();
        receiver.recv_timeout(Duration::from_secs(5)).unwrap()
    });
    reactor.run(async {
        while !thread.is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(thread.join().unwrap(), 1);
    assert_eq!(reactor.counters().jobs, 1);
}

fn shutdown_is_seen_as_the_end() {
    reactor().run(async {
        let (near, far) = pair().await;
        near.send(b"bye".to_vec()).await.0.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(&*far.recv().await.unwrap().unwrap(), b"bye");
        assert!(far.recv().await.unwrap().is_none());
        assert!(far.recv().await.unwrap().is_none());
        far.send(b"and back".to_vec()).await.0.unwrap();
        assert_eq!(recv_exact(&near, 8).await, b"and back");
        assert!(near.send(b"x".to_vec()).await.0.is_err());
    });
}
