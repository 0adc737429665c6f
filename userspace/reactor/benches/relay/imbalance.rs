//! Few heavy connections on two workers: what becomes of the light ones beside them, with and without steering and with
//! the excess passed on.
//!
//! All connections come from the first core, the heavy ones first. A heavy message costs its worker half a millisecond of
//! computing, as a long handshake or a large body would, and the four heavy connections ask without a pause; the light ones
//! ask a thousand times a second in all. What is told is the workers' share of the work, and the light ones' time.

use crate::{drive, table};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use weir_reactor::{
    Balance, Config, Handle, Listen, Listener, Reactor, Stream, counters, cpu_time, now, open, sleep, spawn,
};

const WORKERS: usize = 2;
const HEAVY: usize = 4;
const LIGHT: usize = 32;
const COST: Duration = Duration::from_micros(500);
const MESSAGE: [u8; 100] = [b'l'; 100];

/// How connections find their worker, each with what the one before has.
pub(crate) const WAYS: [&str; 3] = ["spread", "steered", "passed-on"];

/// Serves with two workers until it is killed.
pub(crate) fn serve(way: &str) -> ! {
    let mut address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut listeners = Vec::new();
    for cpu in 0..WORKERS as u32 {
        let cpu = (way != WAYS[0]).then_some(cpu);
        let fd = open(address, Listen { shared: true, cpu, ..Listen::default() }).unwrap();
        address = socket2::SockRef::from(&fd).local_addr().unwrap().as_socket().unwrap();
        listeners.push(fd);
    }
    println!("{address}");
    let balance = (way == WAYS[2]).then(|| Balance::new(WORKERS));
    let handles = Arc::new(Mutex::new(vec![None; WORKERS]));
    let threads: Vec<_> = listeners
        .into_iter()
        .enumerate()
        .map(|(me, fd)| {
            let team = Team { me, balance: balance.clone(), handles: Arc::clone(&handles) };
            std::thread::spawn(move || {
                let reactor = Reactor::new(Config { cpu: Some(me), ..Config::default() }).unwrap();
                team.handles.lock().unwrap()[me] = Some(reactor.handle());
                reactor.run(team.work(fd));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    std::process::exit(1);
}

#[derive(Clone)]
struct Team {
    me: usize,
    balance: Option<Balance>,
    handles: Arc<Mutex<Vec<Option<Handle>>>>,
}

impl Team {
    async fn work(self, fd: OwnedFd) {
        spawn(self.clone().tell_busy());
        let listener = Listener::from_fd(fd).unwrap();
        loop {
            let stream = listener.accept().await.unwrap();
            let to = self.balance.as_ref().map_or(self.me, |balance| balance.pick(self.me));
            let Some(other) = self.handles.lock().unwrap()[to].clone().filter(|_| to != self.me) else {
                self.serve(stream);
                continue;
            };
            self.balance.iter().for_each(|balance| balance.expect(to));
            let (fd, team) = (stream.hand_over().unwrap(), Team { me: to, ..self.clone() });
            assert!(other.run(move || team.serve(Stream::from_fd(fd).unwrap())).is_ok());
        }
    }

    fn serve(&self, stream: Stream) {
        spawn(async move {
            while let Ok(Some(buf)) = stream.recv().await {
                let until = Instant::now() + COST;
                while buf.first() == Some(&b'h') && Instant::now() < until {
                    std::hint::spin_loop();
                }
                if stream.send(buf).await.0.is_err() {
                    return;
                }
            }
        });
        self.balance.iter().for_each(|balance| balance.tell(self.me, counters().tasks_live as u32));
    }

    /// As often as the proxy says so.
    async fn tell_busy(self) {
        let Some(balance) = self.balance else { return };
        let (mut used, mut at) = (cpu_time(), now());
        loop {
            sleep(Duration::from_millis(250)).await;
            let share = (cpu_time() - used).as_micros() * 1000 / (now() - at).as_micros().max(1);
            balance.tell_busy(self.me, share as u32);
            (used, at) = (cpu_time(), now());
        }
    }
}

/// What one way came to in one window.
pub(crate) struct Outcome {
    /// Heavy messages a second.
    heavy: f64,
    /// The larger worker's share of the processor time of both.
    larger: f64,
    /// Microseconds within which 99 of 100 light messages came back.
    p99_us: f64,
}

/// Measures every way in turn, `rounds` times over, prints the medians and gives the row.
pub(crate) fn run(rounds: usize, window: Duration) -> String {
    println!("\n{HEAVY} heavy and {LIGHT} light connections on {WORKERS} workers, all from one core");
    println!("{:<22} {:>14} {:>16} {:>14}", "", "heavy / s", "larger share", "light p99 µs");
    let mut outcomes: [Vec<Outcome>; 3] = Default::default();
    for _ in 0..rounds {
        for (way, outcomes) in WAYS.iter().zip(&mut outcomes) {
            outcomes.push(measure(way, window));
        }
    }
    let median = |of: &[Outcome], what: fn(&Outcome) -> f64| table::median(of.iter().map(what).collect());
    for (way, of) in WAYS.iter().zip(&outcomes) {
        let [heavy, larger, p99] =
            [median(of, |o| o.heavy), median(of, |o| o.larger), median(of, |o| o.p99_us)];
        println!("{way:<22} {heavy:>14.0} {larger:>16.2} {p99:>14.0}");
    }
    let ratios = |other: &[Outcome]| -> Vec<f64> {
        outcomes[2].iter().zip(other).map(|(own, other)| own.p99_us / other.p99_us).collect()
    };
    let ratio = table::median(ratios(&outcomes[1]));
    let spread = table::median(ratios(&outcomes[1]).iter().map(|one| (one - ratio).abs()).collect());
    format!(
        r#"  {{"id": "R5", "what": "p99 of {LIGHT} light connections beside {HEAVY} heavy, two workers, the excess passed on", "unit": "us", "ours": {:.0}, "peer": {:.0}, "peer_name": "steered only", "ratio": {ratio:.4}, "spread": {spread:.4}, "floor": null, "goal": null, "met": null, "note": "heavy work {:.2} of that without passing on"}}"#,
        median(&outcomes[2], |o| o.p99_us),
        median(&outcomes[1], |o| o.p99_us),
        median(&outcomes[2], |o| o.heavy) / median(&outcomes[1], |o| o.heavy),
    )
}

fn measure(way: &str, window: Duration) -> Outcome {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.args(["serve", way]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();
    let before = drive::unpinned();
    drive::pin(0);
    let heavy: Vec<TcpStream> = (0..HEAVY).map(|_| connect(address)).collect();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    drive::restore(&before);
    let threads: Vec<_> = heavy.into_iter().map(|stream| press(stream, &stop, &done)).collect();
    // The workers say four times a second how busy they are.
    std::thread::park_timeout(Duration::from_millis(600));
    drive::pin(0);
    let mut light: Vec<TcpStream> = (0..LIGHT).map(|_| connect(address)).collect();
    drive::restore(&before);
    let (used, count, begun) = (used(&child), done.load(Relaxed), Instant::now());
    let mut times = Vec::new();
    while begun.elapsed() < window {
        for stream in &mut light {
            times.push(ask(stream, b'l').as_secs_f64() * 1e6);
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
    let heavy = (done.load(Relaxed) - count) as f64 / begun.elapsed().as_secs_f64();
    let spent: Vec<f64> = self::used(&child).iter().zip(&used).map(|(now, then)| now - then).collect();
    stop.store(true, Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    times.sort_by(f64::total_cmp);
    let larger = spent.iter().copied().fold(0.0, f64::max) / spent.iter().sum::<f64>();
    Outcome { heavy, larger, p99_us: times[times.len() * 99 / 100] }
}

/// Every connection of the load is served once before it counts, so that its worker has it.
fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    ask(&mut stream, b'l');
    stream
}

fn ask(stream: &mut TcpStream, kind: u8) -> Duration {
    let begun = Instant::now();
    let mut message = MESSAGE;
    message[0] = kind;
    stream.write_all(&message).unwrap();
    stream.read_exact(&mut message).unwrap();
    begun.elapsed()
}

/// Asks without a pause.
fn press(
    mut stream: TcpStream,
    stop: &Arc<AtomicBool>,
    done: &Arc<AtomicU64>,
) -> std::thread::JoinHandle<()> {
    let (stop, done) = (Arc::clone(stop), Arc::clone(done));
    std::thread::spawn(move || {
        while !stop.load(Relaxed) {
            ask(&mut stream, b'h');
            done.fetch_add(1, Relaxed);
        }
    })
}

/// Processor time of each thread so far, in nanoseconds.
fn used(child: &Child) -> Vec<f64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let mut paths: Vec<_> = tasks.map(|task| task.unwrap().path()).collect();
    paths.sort();
    let text = |path: &std::path::PathBuf| std::fs::read_to_string(path.join("schedstat")).unwrap();
    paths.iter().map(|path| text(path).split(' ').next().unwrap().parse().unwrap()).collect()
}
