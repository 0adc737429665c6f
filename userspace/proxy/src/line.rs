//! One client connection, as everything above its bytes sees it.
use crate::{desk::Desk, gate::Gate, snapshot::Snapshot, stay::Stay, watch::Watch};
use std::cell::{Cell, OnceCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;
use weir_message::Scheme;
use weir_meter::TlsVersion;
use weir_plan::tls::Bearer;

/// What is known about a connection before its first request.
pub(crate) struct Line {
    /// The worker it belongs to.
    pub(crate) desk: Rc<Desk>,
    /// Where it came in; its listener is found by this in each plan.
    pub(crate) gate: Rc<Gate>,
    /// The other end of the socket: the only address that is ever banned.
    pub(crate) socket: SocketAddr,
    /// The client, as the PROXY protocol names it.
    pub(crate) peer: SocketAddr,
    /// Where it connected to.
    pub(crate) local: SocketAddr,
    /// Whether it is encrypted.
    pub(crate) scheme: Scheme,
    /// What the handshake agreed on.
    pub(crate) secured: Option<Secured>,
    /// The server name of the handshake.
    pub(crate) server_name: Option<Box<str>>,
    /// Who the client is by the certificate it has shown.
    pub(crate) bearer: Option<Rc<Bearer>>,
    /// Its time limits.
    pub(crate) watch: Watch,
    /// Requests on it so far.
    pub(crate) requests: Cell<u32>,
    /// How long it may stay, once it is a tunnel.
    pub(crate) stay: OnceCell<Rc<Stay>>,
    pub(crate) open: Rc<Open>,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Secured {
    pub(crate) version: TlsVersion,
    pub(crate) cipher: &'static str,
    /// A session from before went on.
    pub(crate) resumed: bool,
}

impl Line {
    /// The plan by which the next exchange is served.
    pub(crate) fn snapshot(&self) -> Rc<Snapshot> {
        self.gate.snapshot(&self.desk)
    }

    /// No further request is wanted: the worker drains, or the listener is gone.
    pub(crate) fn is_draining(&self) -> bool {
        self.desk.is_draining() || self.gate.is_shut()
    }

    /// When this connection is cut, once it has been asked to end.
    pub(crate) fn until(&self) -> Option<Instant> {
        let stay = self.stay.get().and_then(|stay| stay.until());
        self.desk.drained_by.get().into_iter().chain(self.gate.until()).chain(stay).min()
    }

    /// The same connection for one of its streams, with time limits of its own.
    pub(crate) fn branch(&self) -> Line {
        Line {
            desk: Rc::clone(&self.desk),
            gate: Rc::clone(&self.gate),
            socket: self.socket,
            peer: self.peer,
            local: self.local,
            scheme: self.scheme,
            secured: self.secured,
            server_name: self.server_name.clone(),
            bearer: self.bearer.clone(),
            watch: Watch::new(),
            requests: Cell::new(0),
            stay: OnceCell::new(),
            open: Rc::clone(&self.open),
        }
    }
}

/// Counts a connection as open until the last of its parts is gone.
pub(crate) struct Open {
    desk: Rc<Desk>,
    /// It is counted among those of this client.
    guest: Cell<Option<IpAddr>>,
    /// It goes on, and something else counts it.
    is_parked: Cell<bool>,
}

impl Open {
    /// A connection that counts itself among those of nobody yet.
    pub(crate) fn new(desk: &Rc<Desk>) -> Open {
        Open { desk: Rc::clone(desk), guest: Cell::new(None), is_parked: Cell::new(false) }
    }

    /// It was counted among those of this client.
    pub(crate) fn entered(&self, client: IpAddr) {
        self.guest.set(Some(client));
    }

    /// Leaves the counting to the caller, and says whether it is counted among those of its client.
    pub(crate) fn park(&self) -> bool {
        self.is_parked.set(true);
        self.guest.get().is_some()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.is_parked.get() {
            return;
        }
        if let Some(client) = self.guest.get() {
            self.desk.crowd.leave(client);
        }
        self.desk.closed();
    }
}
