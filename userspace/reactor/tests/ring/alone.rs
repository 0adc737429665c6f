//! Trials that need a process of their own: limits of the process, seccomp, memory and descriptors counted.

use crate::Case;
use crate::basics::{echo, listen, reactor, recv_exact};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};
use weir_reactor::{Config, Error, Listener, Reactor, Stream, counters, sleep, spawn};

/// How a process is told which of these trials it is to run.
const CHILD: &str = "WEIR_REACTOR_CHILD";

type Alone = (&'static str, fn(), fn());

/// Name, the trial (which starts a child), and what the child does.
const ALL: [Alone; 5] = [
    (
        "a_hundred_thousand_connections_leave_nothing",
        || child(0),
        a_hundred_thousand_connections_leave_nothing,
    ),
    ("an_idle_connection_costs_at_most_512_bytes", || child(1), an_idle_connection_costs_at_most_512_bytes),
    ("without_descriptors_accepting_rests_and_recovers", || child(2), without_descriptors_accepting_rests),
    ("seccomp_is_refused_in_words", || child(3), seccomp_is_refused_in_words),
    ("no_locked_memory_is_no_obstacle", || child(4), no_locked_memory_is_no_obstacle),
];

pub(crate) fn cases() -> Vec<Case> {
    ALL.iter().map(|(name, parent, _)| (*name, *parent)).collect()
}

/// In a child, runs its trial and ends.
pub(crate) fn run_child() {
    if let Ok(index) = std::env::var(CHILD) {
        ALL[index.parse::<usize>().unwrap()].2();
        std::process::exit(0);
    }
}

fn child(index: usize) {
    let output =
        Command::new(std::env::current_exe().unwrap()).env(CHILD, index.to_string()).output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn serve(listener: Listener) {
    spawn(async move {
        while let Ok(stream) = listener.accept().await {
            spawn(echo(stream));
        }
    });
}

fn a_hundred_thousand_connections_leave_nothing() {
    const CONNECTIONS: usize = 100_000;
    const AT_ONCE: usize = 50;
    let reactor = reactor();
    let (before, begin) = (open_files(), Instant::now());
    reactor.run(async {
        let listener = listen();
        let to = listener.local().unwrap();
        serve(listener);
        for _ in 0..AT_ONCE {
            spawn(async move {
                for i in 0..CONNECTIONS / AT_ONCE {
                    let stream = Stream::connect(to).await.unwrap();
                    stream.send(b"ping".to_vec()).await.0.unwrap();
                    // Some leave without their answer; all leave by a reset, so that no port stays taken.
                    if i % 3 > 0 {
                        assert_eq!(recv_exact(&stream, 4).await, b"ping");
                    }
                    stream.reset_on_close().unwrap();
                }
            });
        }
        while counters().tasks_live > 1 {
            sleep(Duration::from_millis(5)).await;
            assert!(begin.elapsed() < Duration::from_secs(240), "too slow");
        }
    });
    let counters = reactor.counters();
    println!("{CONNECTIONS} connections in {:?}", begin.elapsed());
    assert_eq!(counters.accepts, CONNECTIONS as u64);
    assert_eq!((counters.buffers_live, counters.operations_live, counters.panics), (0, 1, 0));
    assert_eq!((counters.timers_live, counters.completions_stale), (0, 0));
    drop(reactor);
    // The ring and the bell are gone, and nothing else was there before.
    assert_eq!(open_files(), before - 2);
}

fn an_idle_connection_costs_at_most_512_bytes() {
    const CONNECTIONS: usize = 10_000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Both ends are in this process; without the right to raise the limit there are a few connections less.
    let want = 2 * CONNECTIONS as u64 + 500;
    let raised = setrlimit(Resource::RLIMIT_NOFILE, want, want.max(hard)).is_ok();
    let connections = if raised { CONNECTIONS } else { (hard as usize - 500) / 2 };
    if !raised {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    }
    let files = open_files();
    let reactor = reactor();
    let clients = reactor.run(async {
        let listener = listen();
        let to = listener.local().unwrap();
        serve(listener);
        let mut clients: Vec<OwnedFd> = Vec::with_capacity(connections + 100);
        let mut before = 0;
        for i in 0..connections + 100 {
            if i == 100 {
                before = resident();
            }
            let client = TcpStream::connect(to).unwrap();
            std::io::Write::write_all(&mut &client, b"ping").unwrap();
            clients.push(client.into());
            // Accepted, served once, and idle.
            while counters().sends <= i as u64 {
                sleep(Duration::ZERO).await;
                weir_reactor::yield_now().await;
            }
        }
        let each = (resident() - before) / connections;
        println!("{each} bytes of user memory for each of {connections} idle connections");
        assert!(each <= 512, "{each} bytes");
        assert_eq!(counters().buffers_live, 0);
        clients
    });
    // The end of a reactor ends what is in flight, however much it is.
    drop(reactor);
    assert_eq!(open_files(), files + clients.len());
}

fn without_descriptors_accepting_rests() {
    let reactor = reactor();
    reactor.run(async {
        let listener = listen();
        let to = listener.local().unwrap();
        let waiting: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(to).unwrap()).collect();
        setrlimit(Resource::RLIMIT_NOFILE, 200, 200).unwrap();
        let mut taken = Vec::new();
        while let Ok(fd) = nix::unistd::dup(&waiting[0]) {
            taken.push(fd);
        }
        serve(listener);
        let (before, begin) = (cpu(), Instant::now());
        sleep(Duration::from_millis(500)).await;
        let busy = (cpu() - before).as_secs_f64() / begin.elapsed().as_secs_f64();
        println!("{:.1} % of a core while out of descriptors", busy * 100.0);
        assert!(busy < 0.2, "{busy}");
        assert!(counters().accept_pauses > 2 && counters().accepts == 0);
        drop(taken);
        let begin = Instant::now();
        while counters().accepts < 20 {
            sleep(Duration::from_millis(1)).await;
            assert!(begin.elapsed() < Duration::from_secs(1), "no recovery: {:?}", counters());
        }
    });
}

/// CPU time of this process.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time =
        |t: nix::sys::time::TimeVal| Duration::from_micros((t.tv_sec() * 1_000_000 + t.tv_usec()) as u64);
    time(usage.user_time()) + time(usage.system_time())
}

fn seccomp_is_refused_in_words() {
    refuse_io_uring_setup(libc::EPERM);
    let error = Reactor::new(Config::default()).err().unwrap();
    assert!(matches!(error, Error::Denied(_)) && error.exit_code() == 77, "{error}");
    assert!(error.to_string().contains("seccomp") && error.remedy().contains("io_uring_setup"), "{error}");
}

/// Installs a seccomp filter as containers do.
fn refuse_io_uring_setup(errno: i32) {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let setup = libc::SYS_io_uring_setup as u32;
    let mut filter = [
        statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: setup,
        },
        statement((libc::BPF_RET | libc::BPF_K) as u16, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement((libc::BPF_RET | libc::BPF_K) as u16, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the filter outlives the call, and the kernel copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

fn no_locked_memory_is_no_obstacle() {
    setrlimit(Resource::RLIMIT_MEMLOCK, 0, 0).unwrap();
    reactor().run(async {
        let listener = listen();
        let near = Rc::new(Stream::connect(listener.local().unwrap()).await.unwrap());
        serve(listener);
        near.send(b"ping".to_vec()).await.0.unwrap();
        assert_eq!(recv_exact(&near, 4).await, b"ping");
    });
}
