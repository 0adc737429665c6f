//! What goes wrong on real sockets: resets in every state, cancellation everywhere, queues that overflow.

use crate::Case;
use crate::basics::{echo, listen, local, pair, reactor, recv_exact};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use weir_reactor::{Config, Duplex, Listener, Reactor, Stream, counters, deadline, now, sleep, spawn};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("a_reset_is_an_error_in_every_state", a_reset_is_an_error_in_every_state),
        ("dropping_at_every_await_point_leaks_nothing", dropping_at_every_await_point_leaks_nothing),
        ("small_queues_overflow_and_lose_nothing", small_queues_overflow_and_lose_nothing),
        ("exhausted_buffers_stop_and_go_on", exhausted_buffers_stop_and_go_on),
        ("a_listener_holds_back_at_tasks_max", a_listener_holds_back_at_tasks_max),
        ("streams_may_outlive_their_reactor", streams_may_outlive_their_reactor),
        ("a_refused_connection_is_an_error", a_refused_connection_is_an_error),
        ("unix_sockets_and_duplex", unix_sockets_and_duplex),
        ("poll_sees_a_pipe", poll_sees_a_pipe),
    ]
}

/// Runs a future that must not hang.
async fn soon<F: Future>(future: F) -> F::Output {
    deadline(future, now() + Duration::from_secs(10)).await.expect("it hangs")
}

/// Waits until the current reactor holds nothing but `operations` and `tasks`.
async fn at_rest(operations: u64, tasks: u64) {
    soon(async {
        loop {
            let c = counters();
            if c.operations_live <= operations && c.tasks_live <= tasks && c.buffers_live == 0 {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn a_reset_is_an_error_in_every_state() {
    reactor().run(async {
        // Before anything: the connection is accepted and found dead.
        let listener = listen();
        let near = Stream::connect(listener.local().unwrap()).await.unwrap();
        near.reset_on_close().unwrap();
        drop(near);
        let far = soon(listener.accept()).await.unwrap();
        assert!(soon(far.recv()).await.is_err());
        // While a receive waits.
        let (near, far) = pair().await;
        near.reset_on_close().unwrap();
        spawn(async move {
            sleep(Duration::from_millis(5)).await;
            drop(near);
        });
        assert!(soon(far.recv()).await.is_err());
        assert!(soon(far.send(b"x".to_vec())).await.0.is_err());
        assert!(soon(far.send_vectored((b"x".to_vec(), b"y".to_vec()))).await.0.is_err());
        assert!(soon(far.send_zc(b"x".to_vec())).await.is_err());
        assert!(soon(far.shutdown()).await.is_err());
        // While a send waits for room, of each kind.
        for kind in 0..3 {
            let (near, far) = pair().await;
            near.reset_on_close().unwrap();
            spawn(async move {
                sleep(Duration::from_millis(5)).await;
                drop(near);
            });
            let big = vec![0; 16 << 20];
            let failed = match kind {
                0 => soon(far.send(big)).await.0.is_err(),
                1 => soon(far.send_vectored((big, b"end".to_vec()))).await.0.is_err(),
                _ => soon(far.send_zc(big)).await.is_err(),
            };
            assert!(failed, "kind {kind}");
        }
        drop((listener, far));
        at_rest(0, 0).await;
    });
}

fn dropping_at_every_await_point_leaks_nothing() {
    let reactor = reactor();
    reactor.run(async {
        let mut polls = 0;
        while !after(polls, talk()).await {
            at_rest(0, 0).await;
            polls += 1;
        }
        at_rest(0, 0).await;
        assert!(polls > 10, "{polls} polls only");
    });
    assert_eq!(reactor.counters().panics, 0);
}

/// Something of everything, both ends in one task.
async fn talk() {
    let listener = listen();
    let near = Stream::connect(listener.local().unwrap()).await.unwrap();
    let far = listener.accept().await.unwrap();
    near.send(b"one".to_vec()).await.0.unwrap();
    assert_eq!(recv_exact(&far, 3).await, b"one");
    far.send_vectored((b"t".to_vec(), b"wo".to_vec())).await.0.unwrap();
    assert_eq!(recv_exact(&near, 3).await, b"two");
    near.send_zc(vec![3; 40_000]).await.unwrap();
    assert_eq!(recv_exact(&far, 40_000).await.len(), 40_000);
    let _late = deadline(near.recv(), now() + Duration::from_millis(1)).await;
    far.shutdown().await.unwrap();
    assert!(near.recv().await.unwrap().is_none());
}

/// Drops the future after so many polls; true if it finished before.
async fn after(mut polls: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(false);
        }
        polls -= 1;
        future.as_mut().poll(cx).map(|()| true)
    })
    .await
}

fn small_queues_overflow_and_lose_nothing() {
    let config = Config { submissions: 4, completions: 8, ..Config::default() };
    let reactor = Reactor::new(config).unwrap();
    reactor.run(async {
        let listener = listen();
        let to = listener.local().unwrap();
        spawn(async move {
            while let Ok(stream) = listener.accept().await {
                spawn(echo(stream));
            }
        });
        let done = Rc::new(Cell::new(0));
        for i in 0..100u8 {
            let done = Rc::clone(&done);
            spawn(async move {
                let stream = Stream::connect(to).await.unwrap();
                for _ in 0..20 {
                    stream.send(vec![i; 10]).await.0.unwrap();
                    assert_eq!(recv_exact(&stream, 10).await, vec![i; 10]);
                }
                done.set(done.get() + 1);
            });
        }
        soon(async {
            while done.get() < 100 {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        at_rest(1, 1).await;
    });
    let counters = reactor.counters();
    assert_eq!((counters.panics, counters.completions_stale), (0, 0));
    assert!(counters.queue_full > 0, "the queue was never full");
}

fn exhausted_buffers_stop_and_go_on() {
    let config = Config { buffers_max: 4, buffer_bytes: 1024, ..Config::default() };
    let reactor = Reactor::new(config).unwrap();
    reactor.run(async {
        let (near, far) = pair().await;
        spawn(async move { near.send(vec![5; 100_000]).await.0.unwrap() });
        let mut held = Vec::new();
        while held.len() < 4 {
            held.push(soon(far.recv()).await.unwrap().unwrap());
        }
        assert!(deadline(far.recv(), now() + Duration::from_millis(50)).await.is_err());
        let mut got: usize = held.drain(..).map(|b| b.len()).sum();
        while let Some(buf) = soon(far.recv()).await.unwrap() {
            got += buf.len();
        }
        assert_eq!(got, 100_000);
    });
    let counters = reactor.counters();
    assert_eq!((counters.buffers_max, counters.buffers_live), (4, 0));
}

fn a_listener_holds_back_at_tasks_max() {
    let reactor = Reactor::new(Config { tasks_max: 1, ..Config::default() }).unwrap();
    reactor.run(async {
        let listener = listen();
        let near = Stream::connect(listener.local().unwrap()).await.unwrap();
        spawn(async { sleep(Duration::from_millis(30)).await });
        assert!(deadline(listener.accept(), now() + Duration::from_millis(10)).await.is_err());
        let far = soon(listener.accept()).await.unwrap();
        far.send(b"at last".to_vec()).await.0.unwrap();
        assert_eq!(recv_exact(&near, 7).await, b"at last");
    });
    assert!(reactor.counters().accept_holds > 0);
}

fn streams_may_outlive_their_reactor() {
    let reactor = reactor();
    let (near, far) = reactor.run(async {
        let (near, far) = pair().await;
        let _armed = deadline(far.recv(), now()).await;
        (near, far)
    });
    drop(reactor);
    let other = self::reactor();
    other.run(async {
        assert!(near.send(b"x".to_vec()).await.0.is_err());
        assert!(near.recv().await.is_err());
        assert!(soon(far.recv()).await.is_err());
    });
    drop((near, far));
}

fn a_refused_connection_is_an_error() {
    reactor().run(async {
        let gone = listen().local().unwrap();
        at_rest(0, 0).await;
        sleep(Duration::from_millis(5)).await;
        let refused = soon(Stream::connect(gone)).await.err().unwrap();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let from = local();
        let listener = listen();
        let near = Stream::connect_from(from, listener.local().unwrap()).await.unwrap();
        assert!(near.local().unwrap().ip().is_loopback());
    });
}

fn unix_sockets_and_duplex() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let path = std::env::temp_dir().join(format!("weir-reactor-{}", std::process::id()));
    reactor().run(async {
        let listener = Listener::bind_unix(&path, 10).unwrap();
        spawn(async move { echo(listener.accept().await.unwrap()).await });
        let mut duplex = Duplex::new(Stream::connect_unix(&path).await.unwrap(), None);
        let data: Vec<u8> = (0..30_000u32).map(|i| (i % 251) as u8).collect();
        duplex.write_all(&data).await.unwrap();
        duplex.flush().await.unwrap();
        let mut got = vec![0; data.len()];
        duplex.read_exact(&mut got).await.unwrap();
        assert!(got == data);
        duplex.shutdown().await.unwrap();
        assert_eq!(duplex.read(&mut got).await.unwrap(), 0);
    });
    std::fs::remove_file(path).unwrap();
}

fn poll_sees_a_pipe() {
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let reader = Rc::new(reader);
    reactor().run(async {
        let waits = deadline(weir_reactor::readable(&reader), now() + Duration::from_millis(5)).await;
        assert!(waits.is_err());
        nix::unistd::write(&writer, b"x").unwrap();
        let events = soon(weir_reactor::readable(&reader)).await.unwrap();
        assert_ne!(events & libc::POLLIN as u32, 0);
    });
}
