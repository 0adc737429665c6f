//! Two workers on one port: connections stay on the core they arrive on, and an excess is passed on.

use crate::Case;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use weir_reactor::{Balance, Config, Handle, Listen, Listener, Reactor, Stream, open, sleep, spawn};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("connections_stay_on_their_core", connections_stay_on_their_core),
        ("an_excess_is_passed_on", an_excess_is_passed_on),
    ]
}

const WORKERS: usize = 2;

fn pin(cpu: usize) {
    let mut set = nix::sched::CpuSet::new();
    set.set(cpu).unwrap();
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set).unwrap();
}

/// Starts the workers; each sends its number for every connection it serves.
fn workers(balance: Option<Balance>) -> (SocketAddr, Receiver<usize>) {
    let mut address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut listeners = Vec::new();
    for cpu in 0..WORKERS as u32 {
        let fd = open(address, Listen { shared: true, cpu: Some(cpu), ..Listen::default() }).unwrap();
        address = socket2::SockRef::from(&fd).local_addr().unwrap().as_socket().unwrap();
        listeners.push(fd);
    }
    let handles = Arc::new(Mutex::new(vec![None; WORKERS]));
    let (served, serves) = channel();
    for (me, fd) in listeners.into_iter().enumerate() {
        let (handles, served, balance) = (Arc::clone(&handles), served.clone(), balance.clone());
        std::thread::spawn(move || {
            let reactor = Reactor::new(Config { cpu: Some(me), ..Config::default() }).unwrap();
            handles.lock().unwrap()[me] = Some(reactor.handle());
            reactor.run(work(me, fd, handles, served, balance));
        });
    }
    (address, serves)
}

async fn work(
    me: usize,
    fd: OwnedFd,
    handles: Arc<Mutex<Vec<Option<Handle>>>>,
    served: std::sync::mpsc::Sender<usize>,
    balance: Option<Balance>,
) {
    while handles.lock().unwrap().iter().any(Option::is_none) {
        sleep(Duration::from_millis(1)).await;
    }
    let listener = Listener::from_fd(fd).unwrap();
    loop {
        let stream = listener.accept().await.unwrap();
        let to = balance.as_ref().map_or(me, |b| b.pick(me));
        if to == me {
            serve(me, stream, served.clone(), balance.clone());
            continue;
        }
        let fd = stream.hand_over().unwrap();
        let handle = handles.lock().unwrap()[to].clone().unwrap();
        let (served, balance) = (served.clone(), balance.clone());
        let passed = handle.run(move || serve(to, Stream::from_fd(fd).unwrap(), served, balance));
        assert!(passed.is_ok(), "the inbox is full");
    }
}

fn serve(me: usize, stream: Stream, served: std::sync::mpsc::Sender<usize>, balance: Option<Balance>) {
    spawn(async move {
        let _end = weir_reactor::pump(&stream.recv, &stream.send).await;
    });
    if let Some(balance) = balance {
        balance.tell(me, weir_reactor::counters().tasks_live as u32);
    }
    // The trial may be over already.
    let _sent = served.send(me);
}

/// Connects from one core and counts who served.
fn connect(cpu: usize, n: usize, to: SocketAddr, serves: &Receiver<usize>) -> [usize; WORKERS] {
    let before = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    pin(cpu);
    let mut counts = [0; WORKERS];
    let mut open = Vec::new();
    for _ in 0..n {
        open.push(TcpStream::connect(to).unwrap());
        counts[serves.recv_timeout(Duration::from_secs(10)).unwrap()] += 1;
    }
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &before).unwrap();
    counts
}

fn enough_cores() -> bool {
    std::thread::available_parallelism().is_ok_and(|n| n.get() >= WORKERS)
}

fn connections_stay_on_their_core() {
    if !enough_cores() {
        return;
    }
    let (to, serves) = workers(None);
    for cpu in 0..WORKERS {
        let counts = connect(cpu, 100, to, &serves);
        println!("from cpu {cpu}: {counts:?}");
        assert!(counts[cpu] >= 95, "from cpu {cpu}: {counts:?}");
    }
}

fn an_excess_is_passed_on() {
    if !enough_cores() {
        return;
    }
    let (to, serves) = workers(Some(Balance::new(WORKERS)));
    let begin = Instant::now();
    let counts = connect(0, 200, to, &serves);
    println!("all from cpu 0, balanced: {counts:?} in {:?}", begin.elapsed());
    assert!(counts[0] > counts[1] && counts[1] >= 70, "{counts:?}");
}
