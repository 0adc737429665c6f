//! Tunnels in bulk: bytes that go from socket to socket inside the kernel, and back to buffers when they thin out.

use crate::Case;
use crate::basics::{pair, reactor, recv_exact};
use std::rc::Rc;
use std::time::Duration;
use weir_reactor::{Config, Pump, Reactor, Stream, counters, deadline, now, pump, sleep, spawn};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("bulk_is_spliced_and_arrives_in_order", bulk_is_spliced_and_arrives_in_order),
        ("a_thin_flow_goes_back_to_buffers", a_thin_flow_goes_back_to_buffers),
        ("without_pipes_bulk_goes_through_buffers", without_pipes_bulk_goes_through_buffers),
        ("a_broken_bulk_gives_its_pipe_up", a_broken_bulk_gives_its_pipe_up),
    ]
}

const MIB: usize = 1 << 20;

/// A client, a server, and one direction of a tunnel between them that runs until its end.
async fn tunnel() -> (Stream, Stream) {
    let (client, down) = pair().await;
    let (up, server) = pair().await;
    spawn(async move {
        let _end = pump(&down.recv, &up.send).await;
    });
    (client, server)
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i / 7 + i / 4099) as u8).collect()
}

/// Receives everything, with a pause now and then that fills every buffer on the way.
async fn recv_slowly(stream: &Stream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(buf) = stream.recv().await.unwrap() {
        all.extend_from_slice(&buf);
        if all.len() % (4 * MIB) < buf.len() {
            sleep(Duration::from_millis(5)).await;
        }
    }
    all
}

fn bulk_is_spliced_and_arrives_in_order() {
    reactor().run(async {
        let (client, server) = tunnel().await;
        let sent = pattern(32 * MIB);
        let copy = sent.clone();
        spawn(async move {
            client.send(copy).await.0.unwrap();
            client.shutdown().await.unwrap();
        });
        let received = recv_slowly(&server).await;
        assert!(received == sent, "{} of {} bytes, or in another order", received.len(), sent.len());
        let counters = counters();
        assert!(counters.splice_bytes > 24 * MIB as u64, "{counters:?}");
    });
}

fn a_thin_flow_goes_back_to_buffers() {
    reactor().run(async {
        let (client, server) = tunnel().await;
        let sent = pattern(4 * MIB);
        let client = Rc::new(client);
        let sender = Rc::clone(&client);
        let copy = sent.clone();
        spawn(async move { sender.send(copy).await.0.unwrap() });
        assert!(recv_exact(&server, sent.len()).await == sent);
        let spliced = counters().splices;
        assert!(spliced > 0);
        for i in 0..100u8 {
            client.send(vec![i; 10]).await.0.unwrap();
            assert_eq!(recv_exact(&server, 10).await, [i; 10]);
        }
        let thin = counters().splices - spliced;
        assert!((1..50).contains(&thin), "{thin} of 100 small messages were spliced");
    });
}

fn without_pipes_bulk_goes_through_buffers() {
    let config = Config { pipes_max: 0, ..Config::default() };
    Reactor::new(config).unwrap().run(async {
        let (client, server) = tunnel().await;
        let sent = pattern(4 * MIB);
        let copy = sent.clone();
        spawn(async move { client.send(copy).await.0.unwrap() });
        assert!(recv_exact(&server, sent.len()).await == sent);
        assert_eq!((counters().splices, counters().pipes_refused > 0), (0, true));
    });
}

/// The receiver stops reading, so that the pipe is full when the tunnel is dropped; the next one gets a fresh pipe.
fn a_broken_bulk_gives_its_pipe_up() {
    let config = Config { pipes_max: 1, ..Config::default() };
    Reactor::new(config).unwrap().run(async {
        for _ in 0..3 {
            let spliced = counters().splices;
            let (client, down) = pair().await;
            let (up, _server) = pair().await;
            spawn(async move {
                let _gone = client.send(vec![0; 64 * MIB]).await;
            });
            let mut pump = Pump::default();
            let stuck = async { while let Ok(1..) = pump.step(&down.recv, &up.send).await {} };
            assert!(deadline(stuck, now() + Duration::from_millis(300)).await.is_err(), "nobody reads");
            drop(pump);
            let counters = counters();
            assert!(counters.splices > spliced, "the pipe did not come back: {counters:?}");
        }
    });
}
