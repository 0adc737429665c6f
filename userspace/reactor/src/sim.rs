//! The simulator: a reactor over an invented kernel with an invented network and an invented clock. Everything above
//! the requests is the real code; one seed gives one run, however often it is repeated.

pub(crate) mod dice;
mod ends;
pub(crate) mod kernel;
mod net;

use crate::config::Config;
use crate::error::Error;
use crate::pool::Pool;
use crate::reactor::Reactor;
use kernel::Kernel;
use std::time::Duration;

/// What may go wrong, in cases per thousand, and how the network behaves.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Receives that bring less than there is.
    pub short_recvs: u32,
    /// Sends that the kernel cuts short.
    pub short_sends: u32,
    /// Segments on the way of which the connection is reset.
    pub resets: u32,
    /// Segments that take a hundred times as long, and all behind them too.
    pub stalls: u32,
    /// Connects that are refused.
    pub refusals: u32,
    /// Multishot operations that the kernel ends for no reason.
    pub endings: u32,
    /// Accepts that find no descriptor.
    pub exhausted: u32,
    /// Completions that arrive a turn late; the others arrive in any order.
    pub late: u32,
    /// The least and the most time that a segment takes.
    pub latency: (Duration, Duration),
    /// Bytes that may be on the way or unread in one direction before a sender waits.
    pub window: usize,
}

impl Weather {
    /// Nothing goes wrong, completions still come in any order.
    #[must_use]
    pub const fn fair() -> Weather {
        Weather {
            short_recvs: 0,
            short_sends: 0,
            resets: 0,
            stalls: 0,
            refusals: 0,
            endings: 0,
            exhausted: 0,
            late: 50,
            latency: (Duration::from_micros(20), Duration::from_micros(200)),
            window: 64 * 1024,
        }
    }

    /// Everything is cut, delayed and reordered, and no connection is lost.
    #[must_use]
    pub const fn rough() -> Weather {
        Weather {
            short_recvs: 300,
            short_sends: 100,
            stalls: 20,
            endings: 100,
            exhausted: 20,
            late: 200,
            latency: (Duration::from_micros(10), Duration::from_millis(3)),
            window: 20_000,
            ..Weather::fair()
        }
    }

    /// Connections are refused and reset as well.
    #[must_use]
    pub const fn storm() -> Weather {
        Weather { resets: 5, refusals: 50, ..Weather::rough() }
    }
}

/// A reactor in a simulated world. `Listener::bind` and `Stream::connect` meet on addresses that exist in it only.
///
/// # Errors
/// If a size in the config cannot be.
///
/// # Panics
/// Later, in `run`, when every task waits for something that can never happen.
pub fn reactor(seed: u64, weather: Weather, config: Config) -> Result<Reactor, Error> {
    let pool = Pool::new(config.buffers_max, config.buffer_bytes)
        .map_err(|source| Error::System { what: "cannot map the buffers", source })?;
    Reactor::with(config, pool, |pool| crate::driver::Driver::Sim(Box::new(Kernel::new(seed, weather, pool))))
}
