//! Moving bytes from one stream to another, for tunnels. Received buffers are sent as they are: user space copies
//! nothing, and one buffer at most is on its way, so a slow receiver holds the sender back. A direction that keeps
//! filling buffers goes over to `splice(2)`, which copies nothing in the kernel either, and back when it thins out.

use crate::counters::add;
use crate::op::once::Once;
use crate::pipe::{PIPE_BYTES, Pipe};
use crate::request::Request;
use crate::slot::Hold;
use crate::socket::Socket;
use crate::stream::{RecvHalf, SendHalf};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;

/// Full buffers in a row after which a direction is taken for bulk.
const FULL_MIN: u32 = 8;
/// Rounds in a row that moved little, after which it is not.
const THIN_MAX: u32 = 16;

/// One direction of a tunnel.
#[derive(Default)]
pub struct Pump {
    pipe: Option<Pipe>,
    /// Full buffers in a row, or thin rounds in a row once there is a pipe.
    streak: u32,
    /// The last round filled the pipe: more is there without asking.
    brimming: bool,
}

/// Moves everything until `from` ends, then ends `to`. Returns the number of bytes.
///
/// # Errors
/// What receiving, sending or ending says.
pub async fn pump(from: &RecvHalf, to: &SendHalf) -> io::Result<u64> {
    let (mut pump, mut moved) = (Pump::default(), 0);
    loop {
        match pump.step(from, to).await? {
            0 => break,
            bytes => moved += bytes as u64,
        }
    }
    to.shutdown().await?;
    Ok(moved)
}

impl Pump {
    /// Waits for what comes next, and until what came before is sent; it is then on its way. The number of bytes, 0 at the end
    /// of `from`. To be waited for to its end: what was received is lost otherwise.
    ///
    /// # Errors
    /// What receiving or sending says.
    pub async fn step(&mut self, from: &RecvHalf, to: &SendHalf) -> io::Result<usize> {
        if self.pipe.is_some()
            && let Some(bytes) = self.pass(from, to, u64::MAX).await?
        {
            return Ok(bytes);
        }
        let socket = to.socket();
        // What came before leaves while the next is waited for, so that its end wakes nobody.
        let Some(data) = from.recv().await? else { return Ok(0) };
        poll_fn(|cx| socket.poll_posted(cx)).await?;
        let bytes = data.len();
        self.received(bytes, from.socket(), socket);
        socket.post(Vec::new(), Some(data))?;
        Ok(bytes)
    }

    fn received(&mut self, bytes: usize, from: &Rc<Socket>, to: &Rc<Socket>) {
        let hub = &from.hub;
        self.streak = if bytes >= hub.pool.buffer_bytes() as usize { self.streak + 1 } else { 0 };
        if self.pipe.is_none() && self.streak == FULL_MIN {
            self.open(from, to);
        }
    }

    fn open(&mut self, from: &Rc<Socket>, to: &Rc<Socket>) {
        self.streak = 0;
        let ready = from.never_wait().and_then(|()| to.never_wait());
        self.pipe = ready.ok().and_then(|()| Pipe::take(&from.hub));
    }

    /// Whether it has a pipe.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Whether bytes were received that the receiver has not taken: if a step fails or lasts, `to` is the cause.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.pipe.as_ref().is_some_and(|pipe| pipe.filled > 0)
    }

    /// Moves at most `max` bytes inside the kernel, for those who know that so much will come. Nothing if they have to go
    /// through buffers: because some were received already, or because there is no pipe. 0 at the end of `from`.
    ///
    /// # Errors
    /// What receiving or sending says.
    pub async fn pass(&mut self, from: &RecvHalf, to: &SendHalf, max: u64) -> io::Result<Option<usize>> {
        let (from, to) = (from.socket(), to.socket());
        poll_fn(|cx| to.poll_posted(cx)).await?;
        if !self.is_loaded() && !poll_fn(|cx| from.poll_rest(cx)).await {
            return Ok(None);
        }
        if self.pipe.is_none() {
            self.open(from, to);
        }
        if self.pipe.is_none() {
            return Ok(None);
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX).min(PIPE_BYTES);
        self.splice(from, to, max).await.map(Some)
    }

    /// Fills an empty pipe, and gives on as much as the receiver takes.
    async fn splice(&mut self, from: &Rc<Socket>, to: &Rc<Socket>, max: usize) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        while pipe.filled == 0 {
            if !std::mem::take(&mut self.brimming) {
                ready(from, libc::POLLIN).await?;
            }
            let Some(bytes) = pipe.fill(from, max)? else { continue };
            if bytes == 0 {
                return Ok(0);
            }
            self.brimming = bytes >= PIPE_BYTES / 2;
            self.streak = if bytes < from.hub.pool.buffer_bytes() as usize { self.streak + 1 } else { 0 };
        }
        let bytes = loop {
            match pipe.drain(to)? {
                Some(bytes) => break bytes,
                None => ready(to, libc::POLLOUT).await?,
            }
        };
        add(&to.hub.tally.splices, 1);
        add(&to.hub.tally.splice_bytes, bytes as u64);
        if pipe.filled == 0 && self.streak >= THIN_MAX {
            self.streak = 0;
            self.pipe = None;
        }
        Ok(bytes)
    }
}

/// Waits until a socket is ready, or has failed.
async fn ready(socket: &Rc<Socket>, events: libc::c_short) -> io::Result<()> {
    let mut once = Once::new(Rc::clone(&socket.hub));
    let request = Request::Poll { fd: socket.fd, events: u32::from(events.cast_unsigned()) };
    poll_fn(|cx| once.poll(cx, |_| (request, Hold::Socket(Rc::clone(socket))))).await.map(|_events| ())
}
