//! The handshake of TLS with a client: how many may be on their way at once, and what is told of one that fails.
use crate::{desk::Desk, hello, line::Line, offence, outlet::Mishap, tls::Tls};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use weir_message::Scheme;
use weir_meter::{Count, Level, Unshaken};
use weir_plan::tls::DownTls;
use weir_reactor::{Buf, Stream};
use weir_wire::Reason;

/// Failures that a worker tells of in a second; the next one says how many were passed over.
const TOLD_MAX: u32 = 10;

/// The handshakes of one worker.
#[derive(Default)]
pub(crate) struct Handshakes {
    /// On their way now.
    open: Cell<u32>,
    /// The second of the last failure, and how many were told of in it.
    told: Cell<(u64, u32)>,
    /// Failures since the last that was told of.
    untold: Cell<u32>,
}

/// A handshake that is on its way.
struct Place(Rc<Desk>);

impl Place {
    /// None if the worker's share of them is taken.
    fn take(desk: &Rc<Desk>) -> Option<Place> {
        let share = desk.snapshot().plan.limits.handshakes_max.div_ceil(desk.place.workers());
        let open = desk.handshakes.open.get();
        (open < share).then(|| {
            set_open(desk, open + 1);
            Place(Rc::clone(desk))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        set_open(&self.0, self.0.handshakes.open.get().saturating_sub(1));
    }
}

fn set_open(desk: &Desk, open: u32) {
    desk.handshakes.open.set(open);
    desk.block.set(Level::Shaking, open.into());
}

/// Shakes hands, and notes what was agreed on. Nothing comes back from a handshake that failed.
pub(crate) async fn shake(line: &mut Line, tls: &DownTls, stream: Stream, early: Option<Buf>) -> Option<Tls> {
    let Some(_place) = Place::take(&line.desk) else {
        fail(line, Unshaken::Crowded, None, &"limits.handshakes are on their way already");
        return None;
    };
    let (mut name, mut begun) = (None, None);
    let shaking = async {
        let early =
            if tls.certificates.is_strict() { named(tls, &stream, early, &mut name).await? } else { early };
        begun.insert(Tls::server(stream, Arc::clone(&tls.config))?).handshake(early).await
    };
    let shaken = line.watch.limit(tls.handshake_timeout, shaking).await;
    let name = begun.as_ref().and_then(Tls::server_name).or(name);
    match (shaken, begun) {
        (Ok(Ok(())), Some(session)) => {
            note(line, tls, &session);
            return Some(session);
        }
        (Ok(Err(error)), _) => fail(line, unshaken(&error), name, &error),
        _ => fail(line, Unshaken::Slow, name, &"it took longer than tls.handshake_timeout"),
    }
    None
}

/// Notes what was agreed on.
fn note(line: &mut Line, tls: &DownTls, session: &Tls) {
    line.desk.block.add(Count::TlsDone, 1);
    line.scheme = Scheme::Https;
    (line.server_name, line.secured) = (session.server_name(), session.secured());
    let told = tls.clients.as_ref().map(|clients| clients.told).unwrap_or_default();
    line.bearer = session.bearer(told).map(Rc::new);
    if let Some(secured) = &line.secured {
        line.desk.block.secured(secured.version, secured.resumed);
    }
}

/// Counts a failure, and tells of it.
fn fail(line: &Line, why: Unshaken, name: Option<Box<str>>, said: &dyn std::fmt::Display) {
    line.desk.block.unshaken(why);
    // Who only connects and goes again, or does not want what we have, has done nothing wrong; nor has who comes too late.
    if !matches!(why, Unshaken::Gone | Unshaken::Unwanted | Unshaken::Crowded) {
        offence::report(line, Reason::HandshakeAbuse);
    }
    let (desk, untold) = (&line.desk, line.desk.handshakes.untold.get());
    let mishap = || Mishap { peer: line.peer, server_name: name, why, said: said.to_string(), untold };
    let is_told = desk.handshakes.may_tell(desk.now().wall_s()) && desk.helm.outlet().mishap(mishap());
    desk.handshakes.untold.set(if is_told { 0 } else { untold.saturating_add(1) });
}

impl Handshakes {
    fn may_tell(&self, second: u64) -> bool {
        let (of, told) = self.told.get();
        let told = if of == second { told } else { 0 };
        self.told.set((second, told.saturating_add(1)));
        told < TOLD_MAX
    }
}

/// Why a handshake came to nothing.
fn unshaken(error: &io::Error) -> Unshaken {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(_)) => Unshaken::Unwanted,
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Unshaken::Certificate
        }
        Some(_) => Unshaken::Protocol,
        None if error.kind() == io::ErrorKind::NotFound => Unshaken::Name,
        None if error.kind() == io::ErrorKind::InvalidData => Unshaken::Protocol,
        None => Unshaken::Gone,
    }
}

/// Reads the hello ahead where only known names are served. Gives what was received; a client that asks for no known name
/// is told so.
async fn named(
    tls: &DownTls,
    stream: &Stream,
    early: Option<Buf>,
    name: &mut Option<Box<str>>,
) -> io::Result<Option<Buf>> {
    let Some((asked, bytes)) = hello::peek(stream, early).await else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no hello of TLS"));
    };
    *name = asked;
    if tls.refuses(name.as_deref()) {
        stream.send(hello::UNRECOGNIZED_NAME.to_vec()).await.0?;
        return Err(io::Error::new(io::ErrorKind::NotFound, "no certificate covers this name"));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_failures_are_told_of_in_a_second() {
        let handshakes = Handshakes::default();
        let told = |second| (0..100).filter(|_| handshakes.may_tell(second)).count();
        assert_eq!([told(7), told(7), told(8)], [10, 0, 10]);
    }
}
