//! One accepted connection: who it is from, whether it is encrypted, and what is spoken on it.
use crate::{
    client::is_trusted,
    desk::Desk,
    gate::Gate,
    h1, h2,
    handshake::shake,
    hello,
    line::{Line, Open},
    log::{self, Tally},
    offence,
    proxy_protocol::{self, Header},
    snapshot::Snapshot,
    stream::Stream,
    tunnel,
    watch::Watch,
};
use std::cell::{Cell, OnceCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use weir_message::Scheme;
use weir_meter::Count;
use weir_plan::listener::{Listener, ProxyProtocol, Service};
use weir_plan::tls::Renewable;
use weir_policy::{Client, Flow, mapped};
use weir_reactor::{Buf, nest, now};
use weir_wire::Reason;

/// A connection that is ready to be spoken HTTP on.
pub(crate) struct Opened {
    pub(crate) line: Rc<Line>,
    pub(crate) snapshot: Rc<Snapshot>,
    pub(crate) stream: Stream,
    /// What was received already.
    pub(crate) early: Option<Buf>,
}

/// Serves a connection to its end. What it needs only for a while lies in memory of its own, so that an idle connection
/// is small.
pub(crate) async fn run(desk: Rc<Desk>, gate: Rc<Gate>, stream: weir_reactor::Stream) {
    match nest(open(desk, gate, stream)).await {
        None => {}
        Some((false, opened)) => again(opened).await,
        Some((true, Opened { line, snapshot, stream, early })) => {
            nest(h2::run(line, stream, snapshot, early)).await;
        }
    }
}

/// Serves HTTP/1 on a connection that is open. One that is idle for long goes to the lot, from where it comes back here.
pub(crate) async fn again(opened: Opened) {
    if let Some((line, stream, until)) = h1::server::run(opened).await {
        line.desk.lot.park(&line, stream, until);
    }
}

/// Everything before the first request. Nothing comes back from a connection that is refused, or that is a tunnel and has
/// ended; else whether HTTP/2 is spoken.
async fn open(desk: Rc<Desk>, gate: Rc<Gate>, stream: weir_reactor::Stream) -> Option<(bool, Opened)> {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let (local, socket) = stream.ends().unwrap_or((nowhere, nowhere));
    let snapshot = gate.snapshot(&desk);
    let open = Rc::new(Open::new(&desk));
    let mut line = Line {
        desk,
        gate,
        socket,
        peer: socket,
        local,
        scheme: Scheme::Http,
        secured: None,
        server_name: None,
        bearer: None,
        watch: Watch::new(),
        requests: Cell::new(0),
        stay: OnceCell::new(),
        open,
    };
    let listener = snapshot.listener(&line.gate.bind).cloned()?;
    let mut early = None;
    if let Some(rule) = &listener.proxy_protocol {
        match named_by_proxy(&mut line, rule, &stream).await {
            Some(rest) => early = rest,
            None => {
                line.desk.block.refuse(Reason::BadFraming as u8);
                return None;
            }
        }
    }
    if !admit(&line, &snapshot, &listener) {
        line.desk.block.add(Count::Shed, 1);
        return None;
    }
    match &listener.service {
        Service::Tunnel(_) => {
            if let Some(reason) = refusal(&line, &snapshot, &listener) {
                offence::report(&line, reason);
                return None;
            }
            carry(&mut line, snapshot, listener, (stream, early)).await;
            None
        }
        Service::Http(_) | Service::Redirect(..) => agree(line, snapshot, &listener, stream, early).await,
    }
}

/// Counts the connection among those of its client, unless that has too many. Proxies that are trusted carry many
/// clients, and are not counted.
fn admit(line: &Line, snapshot: &Snapshot, listener: &Listener) -> bool {
    let client = line.peer.ip();
    if is_trusted(client.to_canonical(), &listener.trusted_proxies) {
        return true;
    }
    let has_entered = line.desk.crowd.enter(client, snapshot.plan.limits.connections_per_ip_max);
    if has_entered {
        line.open.entered(client);
    }
    has_entered
}

/// Why the bytes of a connection may not be carried. There is nobody to reply to, so a reply is a refusal as well. Requests are
/// judged one by one, and answered.
fn refusal(line: &Line, snapshot: &Snapshot, listener: &Listener) -> Option<Reason> {
    let chain = snapshot.plan.chains.of_listener(listener.id)?;
    let client = Client { socket: mapped(line.socket.ip()), address: mapped(line.peer.ip()) };
    match chain.connect(&client, line.desk.now()) {
        Flow::Next | Flow::Ask(_) => None,
        Flow::Reply(reply) => Some(reply.reason.unwrap_or(Reason::Denied)),
        Flow::Close(reason) => Some(reason),
    }
}

/// Reads the PROXY header that the listener demands. Returns what came behind it, or nothing if the connection
/// must end.
async fn named_by_proxy(
    line: &mut Line,
    rule: &ProxyProtocol,
    stream: &weir_reactor::Stream,
) -> Option<Option<Buf>> {
    if !rule.from.is_empty() && !is_trusted(line.socket.ip().to_canonical(), &rule.from) {
        return None;
    }
    let reading = async {
        let mut gathered: Vec<u8> = Vec::new();
        loop {
            let mut news = stream.recv().await.ok()??;
            let before = gathered.len();
            gathered.extend_from_slice(&news);
            if let Some((header, used)) = proxy_protocol::parse(&gathered).ok()? {
                news.advance(used.saturating_sub(before));
                return Some((header, Some(news).filter(|news| !news.is_empty())));
            }
        }
    };
    let (header, rest) = line.watch.limit(rule.header_timeout, reading).await.ok()??;
    if let Header::Proxied { source, destination } = header {
        (line.peer, line.local) = (source, destination);
    }
    Some(rest)
}

/// Agrees with the client on HTTP/1 or HTTP/2, with TLS where the listener says so.
async fn agree(
    mut line: Line,
    snapshot: Rc<Snapshot>,
    listener: &Listener,
    stream: weir_reactor::Stream,
    early: Option<Buf>,
) -> Option<(bool, Opened)> {
    let Some(tls) = listener.tls.as_ref().map(Renewable::load) else {
        let (http2, early) = agree_plain(&line, listener, &stream, early).await?;
        let (line, stream) = (Rc::new(line), Stream::Plain(stream));
        return Some((http2, Opened { line, snapshot, stream, early }));
    };
    let session = shake(&mut line, &tls, stream, early).await?;
    let (http2, line, stream) = (session.is_h2(), Rc::new(line), Stream::Tls(Box::new(session)));
    Some((http2, Opened { line, snapshot, stream, early: None }))
}

/// Without TLS, HTTP/2 is spoken by clients that know it is, and they say so with their first bytes.
async fn agree_plain(
    line: &Line,
    listener: &Listener,
    stream: &weir_reactor::Stream,
    early: Option<Buf>,
) -> Option<(bool, Option<Buf>)> {
    let http2 = match &listener.service {
        Service::Http(protocols) | Service::Redirect(protocols, _) => protocols.http2,
        Service::Tunnel(_) => false,
    };
    if !http2 {
        return Some((false, early));
    }
    let (begins, bytes) =
        line.watch.limit(listener.limits.idle_timeout, peek(stream, early)).await.ok()??;
    Some((begins, Some(bytes)))
}

/// Receives until it is certain whether the client speaks HTTP/2.
async fn peek(stream: &weir_reactor::Stream, early: Option<Buf>) -> Option<(bool, Buf)> {
    let mut bytes = match early {
        Some(early) => early,
        None => stream.recv().await.ok()??,
    };
    loop {
        if let Poll::Ready(begins) = h2::is_preface(&bytes) {
            return Some((begins, bytes));
        }
        let mut longer = Buf::take()?;
        longer.append(&bytes);
        longer.append(&stream.recv().await.ok()??);
        bytes = longer;
    }
}

/// Bytes to an upstream, chosen by the server name of a TLS hello that is passed on unread. The plan is left behind before they
/// flow: a tunnel that lasts for days keeps no earlier configuration in memory.
async fn carry(
    line: &mut Line,
    snapshot: Rc<Snapshot>,
    listener: Arc<Listener>,
    (stream, mut early): (weir_reactor::Stream, Option<Buf>),
) {
    let Service::Tunnel(rule) = &listener.service else { return };
    let mut name = None;
    if rule.needs_name() {
        let peeked = line.watch.limit(hello::TIMEOUT, hello::peek(&stream, early.take())).await;
        let Ok(Some((found, bytes))) = peeked else { return };
        (name, early) = (found, Some(bytes));
    }
    let tls = listener.tls.as_ref().map(Renewable::load);
    let upstream = if tls.is_none() { rule.find(name.as_deref()) } else { rule.upstream.as_ref() };
    let pool = upstream.and_then(|upstream| snapshot.pool(upstream.id)).cloned();
    let (Some(pool), own_name, idle) = (pool, Arc::clone(&listener.name), rule.idle_timeout) else { return };
    drop((snapshot, listener));
    let down = match tls {
        None => Stream::Plain(stream),
        Some(tls) => match shake(line, &tls, stream, early.take()).await {
            Some(session) => Stream::Tls(Box::new(session)),
            None => return,
        },
    };
    let (tally, begun) = (Tally::default(), now());
    if let Some((up, _permits)) = tunnel::open(line, &pool, &tally).await {
        let stay = line.desk.stay(None, &pool.upstream.name);
        let carried = tunnel::run((&down, early), (&up, None), (&line.watch, idle), &tally);
        // However it has ended, it is over.
        let _ended = stay.hold(&line.desk, carried).await;
    }
    if line.snapshot().plan.access_log.is_some() {
        log::write_tunnel(line, (&own_name, name.as_deref()), &tally, begun);
    }
}
