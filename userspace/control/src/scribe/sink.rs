//! What the access log is written to, and how it fails.

use super::Target;
use super::post::Post;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, IoSlice, Result, Write};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};
use weir_reactor::Spool;

/// How long a target that could not be opened is left alone, and how long a reader may let the writer wait.
const PAUSE: Duration = Duration::from_secs(1);
/// A pipe that can be written at all takes so much at once (pipe(7)).
const PIPE_BUF: usize = 4096;
/// How often a full pipe is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);
/// Priority of the lines in the system log: facility daemon, severity info (RFC 5424, section 6.2.1).
const PRIORITY: u8 = 3 * 8 + 6;
/// Where the system log of this host listens.
const DEV_LOG: &str = "/dev/log";

/// A target, open or not.
pub(super) struct Sink {
    target: Target,
    open: Option<Open>,
    tried: Option<Instant>,
    /// The target holds the beginning of a line whose end it did not take.
    torn: bool,
    /// What carries lines to the kernel. A machine that has no io_uring for this thread is written to by itself.
    spool: Option<Spool>,
    datagrams: Datagrams,
}

/// Lines of a system log that leave together.
#[derive(Debug, Default)]
struct Datagrams {
    text: Vec<u8>,
    ends: Vec<usize>,
}

enum Open {
    File(File),
    /// Standard output that is no file: others hold it as well.
    Shared(File),
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Post(Box<Post>),
}

/// What a target took of a sheet.
#[derive(Debug)]
pub(super) struct Written {
    /// `None` for all of them.
    pub(super) lines: Option<u64>,
    pub(super) bytes: u64,
    pub(super) error: Option<Error>,
}

impl Written {
    fn nothing(error: Error) -> Self {
        Self { lines: Some(0), bytes: 0, error: Some(error) }
    }
}

impl Sink {
    pub(super) fn new(target: Target) -> Self {
        let spool = Spool::new().ok();
        Self { target, open: None, tried: None, torn: false, spool, datagrams: Datagrams::default() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn open(&mut self) -> Result<()> {
        self.tried = Some(Instant::now());
        self.open = Some(match &self.target {
            Target::Stdout => {
                let file = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
                if file.metadata()?.is_file() { Open::File(file) } else { Open::Shared(file) }
            }
            Target::File(path) => {
                // A pipe without a reader must not hold the program up; for a file the flag means nothing.
                let flags = OFlag::O_NONBLOCK.bits();
                let mut options = OpenOptions::new();
                let file = options.append(true).create(true).mode(0o640).custom_flags(flags).open(path)?;
                if file.metadata()?.is_file() {
                    // Some kernels would have the ring give up where a disk makes a write wait.
                    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
                }
                Open::File(file)
            }
            Target::Syslog => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(DEV_LOG)?;
                Open::Unix(socket)
            }
            Target::SyslogAt(address) => {
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                Open::Udp(socket)
            }
            Target::Collector(collector) => Open::Post(Box::new(Post::new(collector)?)),
        });
        Ok(())
    }

    /// Opens the target anew; if that fails the old one stays.
    pub(super) fn reopen(&mut self) {
        match self.open() {
            Ok(()) => self.torn = false,
            Err(error) => {
                tracing::warn!(target = %self.target, %error, "the access log cannot be opened anew");
            }
        }
    }

    /// Writes sheets of whole lines, one behind the other.
    pub(super) fn write(&mut self, sheets: &[&[u8]]) -> Written {
        if self.open.is_none() {
            let rests = self.tried.is_some_and(|tried| tried.elapsed() < PAUSE);
            let opened = if rests { Err(ErrorKind::NotConnected.into()) } else { self.open() };
            if let Err(error) = opened {
                return Written::nothing(error);
            }
        }
        let spool = &mut self.spool;
        match &mut self.open {
            Some(Open::File(file)) => {
                append(|pieces| put_all(file, spool.as_mut(), pieces), &mut self.torn, sheets)
            }
            Some(Open::Shared(file)) => append(|pieces| put(file, pieces), &mut self.torn, sheets),
            Some(Open::Post(post)) => match post.send(sheets) {
                Ok(bytes) => Written { lines: None, bytes, error: None },
                Err(error) => Written::nothing(error),
            },
            Some(Open::Unix(_) | Open::Udp(_)) => self.send(sheets),
            None => Written::nothing(ErrorKind::NotConnected.into()),
        }
    }

    /// Each line is a datagram. After a failure the socket is opened anew, as the log may have been restarted.
    fn send(&mut self, sheets: &[&[u8]]) -> Written {
        let mut written = Written { lines: None, bytes: 0, error: None };
        let mut sent = 0;
        let lines = sheets.iter().flat_map(|text| text.split(|byte| *byte == b'\n'));
        let mut lines = lines.filter(|line| !line.is_empty()).peekable();
        while lines.peek().is_some() && written.error.is_none() {
            self.datagrams.fill(matches!(self.open, Some(Open::Unix(_))), &mut lines);
            let (taken, error) = self.send_filled();
            sent += taken as u64;
            written.bytes += self.datagrams.bytes(taken) as u64;
            written.error = error;
        }
        if written.error.is_some() {
            (self.open, written.lines) = (None, Some(sent));
        }
        written
    }

    /// Sends what was filled in; how many were taken, and why no more.
    fn send_filled(&mut self) -> (usize, Option<Error>) {
        let pieces = self.datagrams.pieces();
        let send = |piece: &[u8]| match &self.open {
            Some(Open::Unix(socket)) => socket.send(piece),
            Some(Open::Udp(socket)) => socket.send(piece),
            _ => Err(ErrorKind::NotConnected.into()),
        };
        match (&mut self.spool, &self.open) {
            (Some(spool), Some(Open::Unix(socket))) => spool.send_each(socket.as_fd(), &pieces),
            (Some(spool), Some(Open::Udp(socket))) => spool.send_each(socket.as_fd(), &pieces),
            _ => {
                let sent = pieces.iter().map(|piece| send(piece)).take_while(std::result::Result::is_ok);
                let taken = sent.count();
                // What stopped it stops it once more, and says why.
                (taken, pieces.get(taken).and_then(|piece| send(piece).err()))
            }
        }
    }
}

impl Datagrams {
    /// Takes as many lines as leave together, each behind its header.
    fn fill<'a>(&mut self, is_local: bool, lines: &mut impl Iterator<Item = &'a [u8]>) {
        let process = std::process::id();
        self.text.clear();
        self.ends.clear();
        for line in lines.take(Spool::PIECES_MAX) {
            let written = match is_local {
                true => write!(self.text, "<{PRIORITY}>weir[{process}]: "),
                false => write!(self.text, "<{PRIORITY}>1 - - weir {process} access - "),
            };
            debug_assert!(written.is_ok(), "memory takes all that is written");
            self.text.extend_from_slice(line);
            self.ends.push(self.text.len());
        }
    }

    fn pieces(&self) -> Vec<&[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).filter_map(|(begin, end)| self.text.get(begin..*end)).collect()
    }

    /// Bytes of the first so many.
    fn bytes(&self, count: usize) -> usize {
        count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0)
    }
}

/// Writes what a file takes.
fn put_all(file: &mut File, spool: Option<&mut Spool>, pieces: &[&[u8]]) -> Result<usize> {
    match spool {
        Some(spool) => spool.append(file.as_fd(), pieces, PAUSE),
        None => file.write_vectored(&pieces.iter().map(|piece| IoSlice::new(piece)).collect::<Vec<_>>()),
    }
}

/// Writes what a pipe takes at once. It blocks, because it must be for others what it was, so it is asked first.
fn put(file: &mut File, pieces: &[&[u8]]) -> Result<usize> {
    let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO)? == 0 {
        return Err(ErrorKind::WouldBlock.into());
    }
    let text = pieces.first().copied().unwrap_or_default();
    file.write(text.get(..text.len().min(PIPE_BUF)).unwrap_or_default())
}

/// Appends to a file or a pipe. What is not taken is not tried again: the lines behind it are as important.
fn append(mut write: impl FnMut(&[&[u8]]) -> Result<usize>, torn: &mut bool, sheets: &[&[u8]]) -> Written {
    let (begun, mut taken, mut error) = (Instant::now(), 0, None);
    if *torn {
        // Ends the torn line, so that only it is unreadable.
        match write(&[b"\n"]) {
            Ok(1) => *torn = false,
            Ok(_) => return Written::nothing(ErrorKind::WriteZero.into()),
            Err(failed) => return Written::nothing(failed),
        }
    }
    let mut rest = sheets.to_vec();
    while !rest.is_empty() {
        match write(&rest) {
            Ok(0) => {
                error = Some(ErrorKind::WriteZero.into());
                break;
            }
            Ok(more) => {
                taken += more;
                advance(&mut rest, more);
            }
            Err(failed) if failed.kind() == ErrorKind::Interrupted => {}
            Err(failed) if failed.kind() == ErrorKind::WouldBlock && begun.elapsed() < PAUSE => {
                std::thread::park_timeout(LOOK);
            }
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
    }
    if error.is_none() {
        return Written { lines: None, bytes: taken as u64, error };
    }
    let (lines, is_torn) = lines_of(sheets, taken);
    *torn = is_torn;
    Written { lines: Some(lines), bytes: taken as u64, error }
}

/// Leaves out what was taken; empty pieces as well, since nothing can be taken of them.
fn advance(rest: &mut Vec<&[u8]>, mut taken: usize) {
    let whole = rest.iter().take_while(|piece| {
        let fits = piece.len() <= taken;
        taken -= if fits { piece.len() } else { 0 };
        fits
    });
    let whole = whole.count();
    rest.drain(..whole);
    if let Some(first) = rest.first_mut() {
        *first = first.get(taken..).unwrap_or_default();
    }
}

/// How many lines end within the first so many bytes, and whether the last one does not.
fn lines_of(sheets: &[&[u8]], bytes: usize) -> (u64, bool) {
    let mut rest = sheets.to_vec();
    advance(&mut rest, bytes);
    let (ends, left) = (|text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count() as u64, rest);
    let [all, missing] = [sheets, &left].map(|texts| texts.iter().map(|text| ends(text)).sum::<u64>());
    let before = sheets.iter().flat_map(|text| text.iter()).nth(bytes.wrapping_sub(1));
    (all - missing, before.is_some_and(|last| *last != b'\n'))
}
