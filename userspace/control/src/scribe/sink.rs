//! What the access log is written to, and how it fails.

use super::Target;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

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
    datagram: Vec<u8>,
}

enum Open {
    File(File),
    /// Standard output that is no file: others hold it as well.
    Shared(File),
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

/// What a target took of a sheet.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) error: Option<Error>,
}

impl Sink {
    pub(super) fn new(target: Target) -> Self {
        Self { target, open: None, tried: None, torn: false, datagram: Vec::new() }
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
                Open::File(options.append(true).create(true).mode(0o640).custom_flags(flags).open(path)?)
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

    /// Writes whole lines.
    pub(super) fn write(&mut self, text: &[u8]) -> Written {
        if self.open.is_none() {
            let rests = self.tried.is_some_and(|tried| tried.elapsed() < PAUSE);
            let opened = if rests { Err(ErrorKind::NotConnected.into()) } else { self.open() };
            if let Err(error) = opened {
                return Written { error: Some(error), ..Written::default() };
            }
        }
        match &mut self.open {
            Some(Open::File(file)) => append(|text| file.write(text), &mut self.torn, text),
            Some(Open::Shared(file)) => append(|text| put(file, text), &mut self.torn, text),
            Some(Open::Unix(_) | Open::Udp(_)) => self.send(text),
            None => Written::default(),
        }
    }

    /// Each line is a datagram. After a failure the socket is opened anew, as the log may have been restarted.
    fn send(&mut self, text: &[u8]) -> Written {
        let mut written = Written::default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match self.send_line(line) {
                Ok(bytes) => {
                    written.lines += 1;
                    written.bytes += bytes as u64;
                }
                Err(error) => {
                    (written.error, self.open) = (Some(error), None);
                    break;
                }
            }
        }
        written
    }

    fn send_line(&mut self, line: &[u8]) -> Result<usize> {
        let (process, datagram) = (std::process::id(), &mut self.datagram);
        datagram.clear();
        match &self.open {
            Some(Open::Unix(_)) => write!(datagram, "<{PRIORITY}>weir[{process}]: ")?,
            _ => write!(datagram, "<{PRIORITY}>1 - - weir {process} access - ")?,
        }
        datagram.extend_from_slice(line);
        match &self.open {
            Some(Open::Unix(socket)) => socket.send(datagram),
            Some(Open::Udp(socket)) => socket.send(datagram),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }
}

/// Writes what a pipe takes at once. It blocks, because it must be for others what it was, so it is asked first.
fn put(file: &mut File, text: &[u8]) -> Result<usize> {
    let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO)? == 0 {
        return Err(ErrorKind::WouldBlock.into());
    }
    file.write(text.get(..text.len().min(PIPE_BUF)).unwrap_or_default())
}

/// Appends to a file or a pipe. What is not taken is not tried again: the lines behind it are as important.
fn append(mut write: impl FnMut(&[u8]) -> Result<usize>, torn: &mut bool, text: &[u8]) -> Written {
    let (begun, mut taken, mut error) = (Instant::now(), 0, None);
    if *torn {
        // Ends the torn line, so that only it is unreadable.
        match write(b"\n") {
            Ok(1) => *torn = false,
            Ok(_) => return Written { error: Some(ErrorKind::WriteZero.into()), ..Written::default() },
            Err(failed) => return Written { error: Some(failed), ..Written::default() },
        }
    }
    while let Some(rest) = text.get(taken..).filter(|rest| !rest.is_empty()) {
        match write(rest) {
            Ok(0) => {
                error = Some(ErrorKind::WriteZero.into());
                break;
            }
            Ok(more) => taken += more,
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
    let taken = text.get(..taken).unwrap_or_default();
    *torn = taken.last().is_some_and(|last| *last != b'\n');
    let lines = taken.iter().filter(|byte| **byte == b'\n').count() as u64;
    Written { lines, bytes: taken.len() as u64, error }
}
