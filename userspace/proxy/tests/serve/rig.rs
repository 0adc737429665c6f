//! A worker on a thread of its own.
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use weir_meter::{Block, Count, Directory, Unshaken};
use weir_plan::Plan;
use weir_proxy::{Board, Crowd, Helm, Place, Socket, Team, Worker, open};
use weir_reactor::{Config, Reactor};

/// A running worker. Dropping it drains it.
pub struct Rig {
    pub address: SocketAddr,
    pub block: Arc<Block>,
    pub board: Arc<Board>,
    pub crowd: Arc<Crowd>,
    pub plans: Arc<ArcSwap<Plan>>,
    pub helm: Helm,
    thread: Option<JoinHandle<()>>,
}

/// Why the kernel does not let a worker run here.
pub fn missing() -> Option<String> {
    Reactor::new(config()).err().map(|error| error.to_string())
}

fn config() -> Config {
    Config { buffers_max: 256, files_min: 64, ..Config::default() }
}

impl Rig {
    /// Serves a plan, whose first listener must bind to port 0 of the loopback.
    pub fn new(plan: Plan) -> Rig {
        Rig::several(plan, &[0]).remove(0)
    }

    /// The same with a worker for each of these cores; their listener binds to a port of its own.
    pub fn several(plan: Plan, cpus: &[usize]) -> Vec<Rig> {
        let sets = open(&plan, cpus).unwrap();
        let board = Arc::new(Board::new(u32::try_from(cpus.len()).unwrap()));
        let (crowd, directory) = (Arc::<Crowd>::default(), Arc::new(Mutex::new(Directory::default())));
        let plans = Arc::new(ArcSwap::from_pointee(plan));
        let start = |(sockets, place): (Vec<Socket>, Place)| {
            let fd = sockets[0].fd.try_clone().unwrap();
            let address = std::net::TcpListener::from(fd).local_addr().unwrap();
            let block = Arc::new(Block::default());
            let worker = Worker {
                plans: Arc::clone(&plans),
                directory: Arc::clone(&directory),
                board: Arc::clone(&board),
                block: Arc::clone(&block),
                sockets,
                crowd: Arc::clone(&crowd),
                place,
            };
            let (send, receive) = mpsc::channel();
            let thread = std::thread::spawn(move || {
                worker.run(config(), |helm| send.send(helm).unwrap()).unwrap();
            });
            let (board, crowd, plans) = (Arc::clone(&board), Arc::clone(&crowd), Arc::clone(&plans));
            Rig { address, block, board, crowd, plans, helm: receive.recv().unwrap(), thread: Some(thread) }
        };
        sets.into_iter().zip(Team::places(cpus.len())).map(start).collect()
    }

    pub fn count(&self, count: Count) -> u64 {
        self.block.count(count)
    }

    /// Handshakes that came to nothing for this.
    pub fn unshaken(&self, why: Unshaken) -> u64 {
        self.block.failures(why)
    }

    /// Begins to drain and waits for the end.
    pub fn drain(&mut self) {
        assert!(self.helm.drain());
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.helm.drain();
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the worker must not panic");
        }
    }
}
