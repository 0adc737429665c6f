//! Why an exchange failed, and the only place where that becomes a status and a reason.
use crate::watch::Elapsed;
use std::io;
use weir_message::Error as Malformed;
use weir_wire::Reason;

mod malformed;

/// When a client may try again that was turned away for want of something, in seconds.
const RETRY_AFTER_S: &str = "1";

/// What went wrong, by who is at fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The client's message breaks a rule.
    #[error("malformed request: {0}")]
    Request(Malformed),
    /// The client did not finish its head or body in time.
    #[error("the client is too slow")]
    ClientSlow,
    /// The client went away, or its connection failed.
    #[error("the client is gone")]
    ClientGone,
    /// The body is larger than the route allows.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// A policy wants the connection closed without an answer.
    #[error("denied: {0:?}")]
    Denied(Reason),
    /// No route matches.
    #[error("no route")]
    NoRoute,
    /// Routes match but for the method; these are the methods that they take.
    #[error("no route for the method")]
    Method(String),
    /// The host belongs to another certificate than the one this connection has shown.
    #[error("misdirected")]
    Misdirected,
    /// The request has come through here too often.
    #[error("the request runs in circles")]
    Loop,
    /// The buffers of this worker are used up.
    #[error("out of buffers")]
    Overloaded,
    /// No target of the upstream may be used now.
    #[error("no healthy target")]
    NoTarget,
    /// The upstream carries as much as its breaker allows.
    #[error("a limit of the upstream is reached")]
    UpstreamFull,
    /// The answer has a status after which another target is asked.
    #[error("answered {0}, which is tried again")]
    AnswerRefused(u16),
    /// No connection to the target.
    #[error("cannot connect to the upstream: {0}")]
    Connect(io::Error),
    /// The target did not accept the connection in time.
    #[error("the upstream does not accept the connection in time")]
    ConnectSlow,
    /// The connection ended before the answer was complete.
    #[error("the upstream closed the connection")]
    UpstreamGone,
    /// The target says that it has not acted on the request.
    #[error("the upstream refused the request unprocessed")]
    UpstreamRefused,
    /// The answer breaks a rule.
    #[error("malformed answer: {0}")]
    Answer(Malformed),
    /// The answer is not one to this request: an unasked 101, or too many interim answers.
    #[error("unexpected answer")]
    AnswerUnexpected,
    /// A WebSocket is asked for, and the target's HTTP/2 knows of none (RFC 8441, section 3).
    #[error("the upstream carries no WebSocket over HTTP/2")]
    NoTunnel,
    /// The answer did not begin or go on in time.
    #[error("the upstream is too slow")]
    UpstreamSlow,
    /// So many configurations came after the one that it began under that it had to end.
    #[error("overdue")]
    Overdue,
    /// Something here broke that should not.
    #[error("internal: {0}")]
    Internal(&'static str),
}

/// What went wrong on one connection, before it is known whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The peer's message breaks a rule.
    Malformed(Malformed),
    /// The connection ended or failed.
    Gone,
    /// Nothing came, or nothing could be sent, in time.
    Slow,
    /// The peer says that it has not acted on the message (RFC 9113, section 8.7).
    Refused,
}

impl From<Malformed> for Broken {
    fn from(error: Malformed) -> Broken {
        Broken::Malformed(error)
    }
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Broken {
        Broken::Gone
    }
}

impl From<Elapsed> for Broken {
    fn from(_: Elapsed) -> Broken {
        Broken::Slow
    }
}

impl Broken {
    /// It happened on the client's connection.
    pub(crate) fn of_client(self) -> Fault {
        match self {
            Broken::Malformed(error) => Fault::Request(error),
            Broken::Gone | Broken::Refused => Fault::ClientGone,
            Broken::Slow => Fault::ClientSlow,
        }
    }

    /// It happened on the upstream's connection.
    pub(crate) fn of_upstream(self) -> Fault {
        match self {
            Broken::Malformed(error) => Fault::Answer(error),
            Broken::Gone => Fault::UpstreamGone,
            Broken::Slow => Fault::UpstreamSlow,
            Broken::Refused => Fault::UpstreamRefused,
        }
    }
}

impl Fault {
    /// The status a client sees for this.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Fault::Request(error) => malformed::status(*error),
            Fault::ClientSlow => 408,
            Fault::ClientGone => 499,
            Fault::Denied(_) => 444,
            Fault::BodyTooLarge => 413,
            Fault::NoRoute => 404,
            Fault::Method(_) => 405,
            Fault::Misdirected => 421,
            Fault::Loop => 508,
            Fault::NoTarget
            | Fault::UpstreamFull
            | Fault::UpstreamRefused
            | Fault::Overloaded
            | Fault::Overdue => 503,
            Fault::AnswerRefused(status) => *status,
            Fault::Connect(_)
            | Fault::UpstreamGone
            | Fault::Answer(_)
            | Fault::AnswerUnexpected
            | Fault::NoTunnel => 502,
            Fault::ConnectSlow | Fault::UpstreamSlow => 504,
            Fault::Internal(_) => 500,
        }
    }

    /// What the client did wrong, if it was the client: counted, and perhaps a reason for a ban.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Fault::Request(error) => Some(malformed::reason(*error)),
            Fault::ClientSlow => Some(Reason::SlowClient),
            Fault::BodyTooLarge => Some(Reason::TooLarge),
            Fault::Denied(reason) => Some(*reason),
            _ => None,
        }
    }

    /// Whether the client's connection can be understood from here on.
    pub(crate) fn keeps_connection(&self) -> bool {
        !matches!(self, Fault::Request(_) | Fault::ClientSlow | Fault::ClientGone | Fault::BodyTooLarge)
    }

    /// Whether the fault lies with the upstream, so that its health is affected.
    pub(crate) fn blames_upstream(&self) -> bool {
        matches!(
            self,
            Fault::Connect(_)
                | Fault::ConnectSlow
                | Fault::UpstreamGone
                | Fault::Answer(_)
                | Fault::AnswerUnexpected
                | Fault::UpstreamSlow
        )
    }

    /// The fault in a word, for logs.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Fault::Request(_) => "bad_request",
            Fault::ClientSlow => "client_slow",
            Fault::ClientGone => "client_gone",
            Fault::BodyTooLarge => "body_too_large",
            Fault::Denied(_) => "denied",
            Fault::NoRoute => "no_route",
            Fault::NoTarget => "no_target",
            Fault::Connect(_) => "connect_failed",
            Fault::ConnectSlow => "connect_slow",
            Fault::UpstreamGone => "upstream_gone",
            Fault::Answer(_) => "bad_answer",
            Fault::AnswerUnexpected => "unexpected_answer",
            Fault::NoTunnel => "no_tunnel",
            Fault::UpstreamSlow => "upstream_slow",
            Fault::UpstreamFull => "upstream_full",
            Fault::UpstreamRefused => "upstream_refused",
            Fault::AnswerRefused(_) => "answer_refused",
            Fault::Method(_) => "method",
            Fault::Misdirected => "misdirected",
            Fault::Loop => "loop",
            Fault::Overloaded => "overloaded",
            Fault::Overdue => "overdue",
            Fault::Internal(_) => "internal",
        }
    }

    /// A field that belongs to the answer.
    pub(crate) fn field(&self) -> Option<(&'static str, &str)> {
        match self {
            Fault::Method(offered) => Some(("Allow", offered)),
            Fault::NoTarget
            | Fault::UpstreamFull
            | Fault::UpstreamRefused
            | Fault::Overloaded
            | Fault::Overdue => Some(("Retry-After", RETRY_AFTER_S)),
            _ => None,
        }
    }

    /// B47: a field that tells a breaker that is open from a target that has failed.
    pub(crate) fn marker(&self) -> Option<(&'static str, &'static str)> {
        matches!(self, Fault::UpstreamFull | Fault::Overloaded).then_some(("X-Weir-Overloaded", "true"))
    }

    /// One sentence that a client may read; nothing of the inside shows.
    pub(crate) fn detail(&self) -> &'static str {
        match self {
            Fault::Request(error) => malformed::detail(*error),
            Fault::ClientSlow => "The request was not completed in time.",
            Fault::BodyTooLarge => "The request body is larger than allowed.",
            Fault::NoRoute => "Nothing is served under this host and path.",
            Fault::Method(_) => "The method is not offered here.",
            Fault::Misdirected => "This host is not served on this connection.",
            Fault::Loop => "The request has passed here too often.",
            Fault::NoTarget
            | Fault::UpstreamFull
            | Fault::UpstreamRefused
            | Fault::Overloaded
            | Fault::Overdue => "No server is available for this request.",
            Fault::Connect(_) => "The upstream server could not be reached.",
            Fault::NoTunnel => "The upstream server does not carry WebSockets.",
            Fault::UpstreamGone | Fault::Answer(_) | Fault::AnswerRefused(_) | Fault::AnswerUnexpected => {
                "The upstream server gave no valid answer."
            }
            Fault::ConnectSlow | Fault::UpstreamSlow => "The upstream server did not answer in time.",
            Fault::ClientGone | Fault::Denied(_) | Fault::Internal(_) => "The request could not be served.",
        }
    }
}

/// The status that a client of gRPC sees for one of HTTP (B36).
pub(crate) fn grpc_status(status: u16) -> &'static [u8] {
    match status {
        499 => b"1",
        408 | 504 => b"4",
        403 => b"7",
        413 | 414 | 429 | 431 => b"8",
        404 | 405 | 501 => b"12",
        400 | 417 | 500 => b"13",
        502 | 503 => b"14",
        401 => b"16",
        _ => b"2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fault: &Fault, status: u16, reason: Option<Reason>) {
        assert_eq!((fault.status(), fault.reason()), (status, reason), "{fault}");
    }

    #[test]
    fn b32_b35_faults_have_their_status() {
        check(&Fault::Request(Malformed::BothFramings), 400, Some(Reason::BadFraming));
        check(&Fault::Request(Malformed::HostCount), 400, Some(Reason::BadFraming));
        check(&Fault::Request(Malformed::TargetTooLong), 414, Some(Reason::TooLarge));
        check(&Fault::Request(Malformed::TooManyFields), 431, Some(Reason::TooLarge));
        check(&Fault::Request(Malformed::Expectation), 417, Some(Reason::BadFraming));
        check(&Fault::ClientSlow, 408, Some(Reason::SlowClient));
        check(&Fault::BodyTooLarge, 413, Some(Reason::TooLarge));
        check(&Fault::NoRoute, 404, None);
        check(&Fault::Method("GET".to_owned()), 405, None);
        check(&Fault::Misdirected, 421, None);
        check(&Fault::Loop, 508, None);
        check(&Fault::Overloaded, 503, None);
        check(&Fault::Overdue, 503, None);
        check(&Fault::NoTarget, 503, None);
        check(&Fault::UpstreamRefused, 503, None);
        check(&Fault::Connect(io::ErrorKind::ConnectionRefused.into()), 502, None);
        check(&Fault::NoTunnel, 502, None);
        check(&Fault::UpstreamSlow, 504, None);
        check(&Fault::ClientGone, 499, None);
    }

    #[test]
    fn b36_statuses_of_grpc() {
        for (status, expect) in [(401, "16"), (403, "7"), (404, "12"), (429, "8"), (504, "4"), (502, "14")] {
            assert_eq!(grpc_status(status), expect.as_bytes(), "{status}");
        }
    }
}
