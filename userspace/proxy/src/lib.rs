//! From listener to upstream and back: TLS, HTTP/1, HTTP/2, exchange, pump, tunnel, upstream pools.
//!
//! [`Worker`] is the whole interface: open the sockets of a plan with [`open`], give each worker its set, and let it run
//! on its own thread until it is told to drain.
#![forbid(unsafe_code)]

mod accept;
mod client;
mod clock;
mod connection;
mod crowd;
mod desk;
mod digits;
mod exchange;
mod fault;
mod forward;
mod frames;
mod gate;
mod grpc;
mod h1;
mod h2;
mod half;
mod handshake;
mod hello;
mod late;
mod line;
mod log;
mod lot;
mod names;
mod offence;
mod outlet;
mod pipe;
mod problem;
mod proxy_protocol;
mod proxy_status;
mod request_id;
mod snapshot;
mod socket;
mod spans;
mod stay;
mod stream;
mod target;
mod team;
mod tls;
mod trace;
mod tunnel;
mod upstream;
mod watch;
mod way;
mod websocket;
mod worker;

pub use crowd::{Barred, Crowd};
pub use offence::Sentence;
pub use outlet::{Mishap, Question};
pub use socket::{Error, Socket, open, open_after, open_beside};
pub use team::{Place, Team};
pub use upstream::{Board, State, TargetView, Unheeded, UpstreamView};
pub use worker::{Helm, Worker};
