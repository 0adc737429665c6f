//! Clients that want more than there is, or want it slowly; and a worker that does not answer.

use crate::cage::Cage;
use crate::process::{Weir, curl, free_port, until, weir};
use libtest_mimic::{Failed, Trial};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub(crate) fn trials() -> Vec<Trial> {
    let has_tool =
        Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !has_tool {
        println!("skipped: slow clients need slowhttptest (Debian package slowhttptest)");
    }
    let slow =
        |name: &str, act: fn() -> Result<(), Failed>| Trial::test(name, act).with_ignored_flag(!has_tool);
    vec![
        Trial::test("pressure::f7_without_descriptors_it_rests_and_serves_again", descriptors),
        Trial::test("pressure::f8_slow_readers_get_no_more_than_the_buffers", slow_readers),
        Trial::test("pressure::f13_a_worker_that_does_not_answer_is_told", stuck),
        Trial::test("pressure::d5_connections_without_a_word_are_closed", silent),
        Trial::test("pressure::more_connections_than_files_are_refused_at_the_start", promised),
        slow("pressure::d4_slow_headers_are_cut", slow_headers),
        slow("pressure::d4_slow_bodies_are_cut", slow_bodies),
        slow("pressure::d4_slow_reading_is_cut", slow_reading),
        slow("pressure::f25_idle_and_slow_clients_and_a_flood_at_once", everything),
    ]
}

/// A weir with these limits in front of an origin with bodies of 100 MB: at `/large` who does not read is soon cut off, at
/// `/patient` not within this test. At `/` it answers itself.
struct Rig {
    weir: Weir,
    port: u16,
    status: u16,
}

impl Rig {
    fn new(limits: &str, listener: &str) -> Self {
        Self::by(weir(), limits, listener)
    }

    fn by(command: Command, limits: &str, listener: &str) -> Self {
        let (port, status, origin) = (free_port(), free_port(), endless());
        let text = format!(
            "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
telemetry: {{ metrics: \"127.0.0.1:{status}\" }}
limits: {{ {limits} }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\", protocols: [ h2, http/1.1 ], limits: {{ {listener} }} }} ]
routes:
  - {{ match: /large, upstream: origin, timeouts: {{ idle: 2s }} }}
  - {{ match: /patient, upstream: origin, timeouts: {{ idle: 10m }} }}
  - {{ match: /*, respond: {{ body: ok }} }}
upstreams: {{ origin: {{ targets: [ \"127.0.0.1:{origin}\" ], breaker: {{ connections: 10000, requests: 10000 }} }} }}
"
        );
        Self { weir: Weir::start_by(command, &text), port, status }
    }

    fn serves(&self) -> bool {
        curl(&[&format!("http://127.0.0.1:{}/", self.port)]).0 == 200
    }

    fn number(&self, name: &str) -> u64 {
        let (_, page) = curl(&[&format!("http://127.0.0.1:{}/metrics", self.status)]);
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    /// Processor time it has used.
    fn used(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.weir.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * ticks)
    }
}

/// Answers every request with 100 MB, as fast as they are taken.
fn endless() -> u16 {
    const LENGTH: usize = 100_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut serve = move || -> std::io::Result<()> {
                let _request = stream.read(&mut [0; 4096])?;
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n")?;
                let chunk = [0; 100_000];
                (0..LENGTH / chunk.len()).try_for_each(|_| stream.write_all(&chunk))
            };
            // That a reader goes away is what is tested.
            std::thread::Builder::new().stack_size(256 * 1024).spawn(move || drop(serve())).unwrap();
        }
    });
    port
}

/// The pass mark of F7: little processor time while there are no descriptors, and service as soon as there are.
fn descriptors() -> Result<(), Failed> {
    let rig = Rig::new("connections: 4000", "idle_timeout: 60s");
    let open = rig.weir.descriptors();
    let limit = format!("--nofile={}", open + 8);
    assert!(Command::new("prlimit").arg(format!("--pid={}", rig.weir.pid())).arg(limit).status()?.success());
    let held: Vec<TcpStream> =
        (0..64).filter_map(|_| TcpStream::connect(("127.0.0.1", rig.port)).ok()).collect();
    until("descriptors are short", || {
        let told = rig.weir.ask(&["status"]);
        assert!(told.status.success(), "the operator is heard: {told:?}");
        rig.weir.descriptors() >= open + 7
    });
    let (used, begun) = (rig.used(), Instant::now());
    // Accepting is tried again twenty times a second.
    until("it has rested for a while", || begun.elapsed().as_millis() > 1500);
    let (used, waited) = (rig.used() - used, begun.elapsed());
    assert!(used * 5 < waited, "{used:?} of {waited:?} were used while there was nothing to do");
    drop(held);
    until("it serves again", || rig.serves());
    Ok(())
}

/// F8: whatever clients ask for and do not read, memory stays below what is allowed, and what is new is refused early.
fn slow_readers() -> Result<(), Failed> {
    let cage = Cage::new(64 << 20);
    let limits = "workers: 1, buffer_memory: 8MiB, overload: 80%, connections: 4000";
    let command = cage.as_ref().map_or_else(weir, |cage| cage.around(&weir()));
    let rig = Rig::by(command, limits, "idle_timeout: 60s");
    assert!(rig.serves());
    let before = rig.weir.memory_kib();
    let readers: Vec<TcpStream> = (0..500)
        .map_while(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).ok()?;
            stream.write_all(b"GET /patient HTTP/1.1\r\nHost: a\r\n\r\n").ok()?;
            Some(stream)
        })
        .collect();
    until("new connections are refused", || !rig.serves() && rig.number("weir_connections_shed_total") > 0);
    let grown = rig.weir.memory_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more for 8 MiB of buffers and {} readers", readers.len());
    assert!(rig.number("weir_buffers_in_use") <= 256, "8 MiB are 256 buffers");
    drop(readers);
    until("it serves again", || rig.serves());
    match cage {
        None => println!("no control group for memory can be made here; what was bounded is what it holds"),
        Some(cage) => {
            assert!(cage.holds(rig.weir.pid()), "the program lives in it");
            assert_eq!(cage.kills(), 0, "nobody was ended for want of memory");
            // The group goes away once nobody is in it.
            drop(rig);
        }
    }
    Ok(())
}

/// F13: a worker hangs while the control thread does not.
fn stuck() -> Result<(), Failed> {
    let rig = Rig::new("workers: 2", "idle_timeout: 60s");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", rig.weir.pid()))?;
    let threads = tasks.flatten().filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("weir-"))
    });
    let thread = threads.last().ok_or("a worker")?;
    let thread = Pid::from_raw(thread.file_name().to_string_lossy().parse()?);
    until("all is well", || rig.number("weir_workers_stuck") == 0);
    ptrace::attach(thread)?;
    waitpid(thread, Some(WaitPidFlag::__WALL))?;
    let begun = Instant::now();
    until("it is counted", || rig.number("weir_workers_stuck") == 1);
    // The pass mark is 5 seconds; this machine may be busy with other tests.
    println!("noticed after {:?}", begun.elapsed());
    ptrace::detach(thread, None)?;
    until("it is well again", || rig.number("weir_workers_stuck") == 0);
    let log = std::fs::read_to_string(rig.weir.room.path().join("stderr"))?;
    assert!(log.contains("does not answer") && log.contains("answers again"), "{log}");
    Ok(())
}

fn silent() -> Result<(), Failed> {
    let rig = Rig::new("connections_per_ip: 600, connections: 4000", "idle_timeout: 5s");
    let connect = || TcpStream::connect(("127.0.0.1", rig.port)).unwrap();
    let held: Vec<TcpStream> = (0..1000).map(|_| connect()).collect();
    until("one client gets no more than its share", || rig.number("weir_connections_shed_total") >= 400);
    for mut stream in held {
        // Those that are closed with something unread are reset; all that counts is that they end.
        stream.set_read_timeout(Some(crate::process::PATIENCE))?;
        drop(stream.read(&mut [0; 1]).map(|got| assert_eq!(got, 0)));
    }
    until("all are closed", || {
        rig.number("weir_connections_accepted_total") == rig.number("weir_connections_closed_total")
    });
    assert!(rig.serves());
    Ok(())
}

fn promised() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    let text = format!(
        "version: 1\nshield: {{ mode: off }}\nadmin: {{ socket: \"{{dir}}/admin.sock\" }}\nlimits: {{ connections: 5000 }}\n\
         listeners: [ {{ bind: \"127.0.0.1:{}\" }} ]\nroutes: [ {{ match: /*, respond: {{}} }} ]\n",
        free_port()
    );
    let path = crate::process::write_config(room.path(), &text);
    let output = Command::new("prlimit")
        .args(["--nofile=4096:4096", env!("CARGO_BIN_EXE_weir"), "run", "--config"])
        .arg(path)
        .env("STATE_DIRECTORY", room.path())
        .output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{words}");
    for says in ["limits.connections: 5000", "10256", "4096", "LimitNOFILE=", "1920 connections"] {
        assert!(words.contains(says), "{says} is not in {words}");
    }
    Ok(())
}

/// Runs an attack of slowhttptest with 300 connections until the program has cut them all. Some of its kinds do not notice
/// themselves that they are cut.
fn attack(rig: &Rig, arguments: &[&str]) -> Result<(), Failed> {
    let url = format!("http://127.0.0.1:{}/large", rig.port);
    let mut running = Command::new("slowhttptest")
        .args(["-c", "300", "-r", "300", "-p", "1", "-l", "90", "-u", &url])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + Duration::from_secs(90);
    let held = || {
        let [accepted, closed] =
            ["accepted", "closed"].map(|what| rig.number(&format!("weir_connections_{what}_total")));
        (accepted, accepted - closed)
    };
    let mut worst = 0;
    loop {
        assert!(rig.serves(), "others are served meanwhile");
        let (accepted, open) = held();
        worst = worst.max(open);
        if accepted > 300 && open < 10 {
            break;
        }
        assert!(Instant::now() < deadline, "{open} of {accepted} are held");
    }
    println!("{worst} were held at once");
    running.kill()?;
    running.wait()?;
    Ok(())
}

fn slow_headers() -> Result<(), Failed> {
    let rig = Rig::new("connections: 4000", "header_timeout: 2s");
    attack(&rig, &["-H", "-i", "1"])
}

fn slow_bodies() -> Result<(), Failed> {
    let rig = Rig::new("connections: 4000", "body_rate_min: 1KiB/s");
    attack(&rig, &["-B", "-i", "1", "-s", "100000"])
}

fn slow_reading() -> Result<(), Failed> {
    let rig = Rig::new("connections: 4000", "header_timeout: 2s");
    attack(&rig, &["-X", "-w", "64", "-y", "128", "-n", "5", "-z", "8"])
}

/// Pings without end, by prior knowledge of HTTP/2; whoever is cut off comes again.
fn flood(port: u16, stop: &AtomicBool) {
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingping";
    let settings: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let pings = PING.repeat(100);
    while !stop.load(Relaxed) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        if stream.write_all(settings).is_ok() {
            while !stop.load(Relaxed) && stream.write_all(&pings).is_ok() {}
        }
    }
}

/// Requests one after the other on one connection; the time within which 99 of 100 were answered.
fn honest(port: u16) -> Duration {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(crate::process::PATIENCE)).unwrap();
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let begun = Instant::now();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let (mut answer, mut some) = (Vec::new(), [0; 1024]);
            while !answer.ends_with(b"\r\n\r\nok") {
                let got = stream.read(&mut some).unwrap();
                assert!(got > 0, "cut off after {}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&some[..got]);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() * 99 / 100]
}

/// F25, a tenth of its size unless `WEIR_FULL` is set: no honest request fails. How long they take is for a bench to say.
fn everything() -> Result<(), Failed> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    // A connection may need two descriptors of the program, and as many as fit are served.
    let fit = usize::try_from(hard.saturating_sub(256) / 2)?.saturating_sub(1000);
    let idle = if std::env::var_os("WEIR_FULL").is_some() { fit.min(10_000) } else { 1000 };
    let limits = "connections_per_ip: 20000";
    let rig = Rig::new(limits, "header_timeout: 2s, idle_timeout: 60s");
    let alone = honest(rig.port);
    let held: Vec<TcpStream> =
        (0..idle).map_while(|_| TcpStream::connect(("127.0.0.1", rig.port)).ok()).collect();
    assert_eq!(held.len(), idle);
    until("all are held", || rig.number("weir_connections_accepted_total") > idle as u64);
    let before = rig.weir.memory_kib();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = std::thread::spawn({
        let (port, stop) = (rig.port, Arc::clone(&stop));
        move || flood(port, &stop)
    });
    let url = format!("http://127.0.0.1:{}/", rig.port);
    let slow = ["-H", "-c", "500", "-r", "500", "-i", "1", "-p", "1", "-l", "90", "-u", &url];
    let mut slow = Command::new("slowhttptest").args(slow).stdout(Stdio::null()).spawn()?;
    let beset = honest(rig.port);
    println!("99 of 100 answered within {alone:?} alone, {beset:?} beside {idle} idle, 500 slow and a flood");
    until("the flood is noticed", || rig.number("weir_h2_floods_total{kind=\"ping\"}") > 0);
    until("slow clients are cut", || slow.try_wait().unwrap().is_some());
    stop.store(true, Relaxed);
    flooding.join().map_err(|_| "the flood")?;
    let grown = rig.weir.memory_kib().saturating_sub(before);
    // A worker's ring of buffers is 8 MiB at its deepest, and 500 slow heads are a few more.
    let workers = std::thread::available_parallelism()?.get();
    println!("{grown} KiB more, with {workers} workers");
    assert!(grown < 16 * 1024 * workers.max(2), "{grown} KiB more");
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
    Ok(())
}
