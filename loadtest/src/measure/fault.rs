//! Why an answer does not count.

use std::borrow::Cow;
use std::io;

/// Why an answer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The server refused the connection.
    Refused,
    /// No connection, for another reason.
    Connect,
    /// No connection: this host has no free port for it.
    Ports,
    /// No connection: this process has no descriptor for it.
    Descriptors,
    /// No TLS session, or not the one asked for.
    Handshake,
    /// The connection ended too early.
    Closed,
    /// Not HTTP, or not as it must be.
    Protocol,
    /// Another status than expected.
    Status(u16),
    /// A header that is missing, or has another value than expected.
    Header,
    /// A body of other bytes than expected.
    Body,
    /// No answer in time.
    Timeout,
    /// The generator itself had too many requests waiting.
    Overrun,
}

impl Fault {
    /// Why there is no connection.
    pub(crate) fn of_connect(error: &io::Error) -> Self {
        use nix::errno::Errno;
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ECONNREFUSED) => Self::Refused,
            Some(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE) => Self::Ports,
            Some(Errno::EMFILE | Errno::ENFILE) => Self::Descriptors,
            _ => Self::Connect,
        }
    }

    /// Nothing was asked: the next attempt would fail as quickly.
    pub(crate) fn is_before_asking(self) -> bool {
        matches!(self, Self::Refused | Self::Connect | Self::Ports | Self::Descriptors | Self::Handshake)
    }

    /// As programs read it.
    pub(crate) fn word(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Refused => "refused",
            Self::Connect => "connect",
            Self::Ports => "ports",
            Self::Descriptors => "descriptors",
            Self::Handshake => "handshake",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Status(status) => return Cow::Owned(format!("status {status}")),
            Self::Header => "header",
            Self::Body => "body",
            Self::Timeout => "timeout",
            Self::Overrun => "overrun",
        })
    }

    /// As people read it, and what to do about it where that is known.
    pub(crate) fn describe(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Refused => "connections refused: nothing listens there",
            Self::Connect => "connections that could not be made",
            Self::Ports => {
                "connections without a free port on this host: keep connections, add `client.sources`, or widen net.ipv4.ip_local_port_range"
            }
            Self::Descriptors => {
                "connections without a descriptor in this process: raise `ulimit -Hn`, or open fewer"
            }
            Self::Handshake => "TLS handshakes that failed or were not as asked for",
            Self::Closed => "connections that ended before the answer did",
            Self::Protocol => "answers that are not HTTP",
            Self::Status(status) => return Cow::Owned(format!("answers with status {status}")),
            Self::Header => "answers whose headers are others than expected",
            Self::Body => "answers whose bytes are others than expected",
            Self::Timeout => "requests without an answer in time",
            Self::Overrun => "requests that the generator had no room for: ask for a lower rate",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_told_apart() {
        use nix::errno::Errno;
        for (error, fault) in [
            (Errno::ECONNREFUSED, Fault::Refused),
            (Errno::EADDRNOTAVAIL, Fault::Ports),
            (Errno::EMFILE, Fault::Descriptors),
            (Errno::ENETUNREACH, Fault::Connect),
        ] {
            assert_eq!(Fault::of_connect(&io::Error::from_raw_os_error(error as i32)), fault);
        }
    }
}
