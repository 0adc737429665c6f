//! Answers that come bit by bit: each bit is with the client before the origin says the next, and what takes its time may.
use crate::Test;
use crate::client::Client;
use crate::plans::Draft;
use crate::rig::Rig;
use crate::tls::{certificate, connect};
use bytes::Bytes;
use rustls::ClientConfig;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use weir_plan::listener::{Protocols, Service};

pub const TESTS: &[Test] = &[
    ("events_reach_a_client_one_by_one", plain),
    ("events_reach_a_client_of_tls_one_by_one", secure),
    ("events_reach_a_client_of_h2_one_by_one", over_h2),
    ("events_without_a_length_reach_a_client_one_by_one", until_close),
];

const EVENTS: usize = 5;

fn event(at: usize) -> String {
    format!("data: {at}\n\n")
}

/// An origin of server-sent events, which says the next once the client has told that it has got the last.
fn origin(chunked: bool) -> (SocketAddr, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (tell, told): (Sender<()>, Receiver<()>) = channel();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1000]).unwrap();
        let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{coding}\r\n").unwrap();
        for at in 0..EVENTS {
            let event = event(at);
            if chunked {
                write!(stream, "{:x}\r\n{event}\r\n", event.len()).unwrap();
            } else {
                stream.write_all(event.as_bytes()).unwrap();
            }
            told.recv().unwrap();
        }
        if chunked {
            stream.write_all(b"0\r\n\r\n").unwrap();
        }
    });
    (address, tell)
}

/// Reads until each event is there, and asks for the next.
fn take(mut read: impl FnMut(&mut [u8]) -> usize, tell: &Sender<()>) {
    let (mut all, mut chunk) = (Vec::new(), [0; 1000]);
    for at in 0..EVENTS {
        while !String::from_utf8_lossy(&all).contains(&event(at)) {
            let count = read(&mut chunk);
            assert_ne!(count, 0, "ended before event {at}");
            all.extend_from_slice(&chunk[..count]);
        }
        tell.send(()).unwrap();
    }
    while !all.ends_with(b"0\r\n\r\n") {
        let count = read(&mut chunk);
        assert_ne!(count, 0, "ended without its end");
        all.extend_from_slice(&chunk[..count]);
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\n\r\n";

fn in_plain(chunked: bool) {
    let (address, tell) = origin(chunked);
    let rig = Rig::new(Draft::to(address).finish());
    let mut client = Client::new(rig.address);
    client.send(REQUEST);
    take(|chunk| client.stream.read(chunk).unwrap(), &tell);
}

fn plain() {
    in_plain(true);
}

fn until_close() {
    in_plain(false);
}

fn secure() {
    let (address, tell) = origin(true);
    let (config, roots) = certificate("a.example");
    let mut draft = Draft::to(address);
    draft.tls(config);
    let rig = Rig::new(draft.finish());
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut session = connect(rig.address, "a.example", client);
    session.write_all(REQUEST).unwrap();
    take(|chunk| session.read(chunk).unwrap(), &tell);
}

fn over_h2() {
    let (address, tell) = origin(true);
    let mut draft = Draft::to(address);
    draft.listener.service = Service::Http(Protocols { http1: true, http2: true });
    let rig = Rig::new(draft.finish());
    crate::http2::block_on(async {
        let requests = crate::http2::connect(rig.address).await;
        let get = http::Request::get("http://a.example/").body(()).unwrap();
        let mut ready = requests.ready().await.unwrap();
        let mut answer = ready.send_request(get, true).unwrap().0.await.unwrap();
        for at in 0..EVENTS {
            let data: Bytes = answer.body_mut().data().await.unwrap().unwrap();
            assert_eq!(data, event(at));
            tell.send(()).unwrap();
        }
        while let Some(rest) = answer.body_mut().data().await {
            assert!(rest.unwrap().is_empty());
        }
    });
}
