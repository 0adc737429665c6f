//! How a request gets to its target: over a connection of its own, or as a stream of one that others use as well.
use crate::{
    fault::Fault,
    h2::trunk::{Call, Opening, Room},
    line::Line,
    stream::Stream,
    upstream::{Link, Offer, Pool},
};
use std::rc::Rc;
use weir_meter::Count;
use weir_plan::upstream::UpProtocol;
use weir_reactor::nest;

/// What carries one request.
pub(crate) enum Way {
    /// A connection of its own; HTTP/1.
    Link(Box<Link>),
    /// A stream; HTTP/2.
    Call(Call),
}

impl Pool {
    /// A connection of HTTP/1 to the target that is kept and free. The target may have closed it meanwhile.
    pub(crate) fn kept(&self, target: usize, line: &Line) -> Option<Way> {
        if self.shares(target) {
            return None;
        }
        let link = self.take(target, line)?;
        line.desk.block.add(Count::UpstreamReused, 1);
        Some(Way::Link(link))
    }

    /// Whether requests to the target share connections.
    fn shares(&self, target: usize) -> bool {
        match self.upstream.protocol {
            UpProtocol::Http1 => false,
            UpProtocol::H2 => true,
            UpProtocol::Auto => {
                self.upstream.tls.is_some() && self.shelf(target).is_some_and(|shelf| !shelf.chose_h1.get())
            }
        }
    }

    /// The target's HTTP/2 was found to know of no WebSocket. True if one can be had by HTTP/1, and was not asked for so yet.
    pub(crate) fn lacks_sockets(&self, target: usize) -> bool {
        let may_choose = self.upstream.protocol == UpProtocol::Auto;
        self.shelf(target).is_some_and(|shelf| may_choose && !shelf.lacks_sockets.replace(true))
    }

    /// Another way to the target, and whether its connection was there already. A WebSocket goes by HTTP/1 where HTTP/2
    /// carries none.
    pub(crate) async fn reach(
        &self,
        target: usize,
        line: &Line,
        websocket: bool,
    ) -> Result<(Way, bool), Fault> {
        let shelf = self.shelf(target).ok_or(Fault::NoTarget)?;
        if websocket && shelf.lacks_sockets.get() {
            let (stream, permit) = nest(self.open_stream(target, line, Offer::Http1)).await?;
            line.desk.block.add(Count::UpstreamOpened, 1);
            return Ok((Way::Link(Link::new(stream, permit)), false));
        }
        if self.shares(target) {
            // A connection that names a client is not shared by others.
            let trunks = match self.upstream.proxy_protocol {
                None => Rc::clone(&shelf.trunks.borrow()),
                Some(_) => Rc::default(),
            };
            let room = trunks.room(&self.upstream.keep_alive, &self.pending);
            let found = line.watch.limit(self.upstream.timeouts.connect, room).await;
            match found.map_err(|_| Fault::ConnectSlow)?? {
                Room::Call(call) => {
                    line.desk.block.add(Count::UpstreamStreams, 1);
                    line.desk.block.add(Count::UpstreamReused, 1);
                    return Ok((Way::Call(call), true));
                }
                Room::Open(opening) => return nest(self.open(target, line, Some(opening))).await,
            }
        }
        nest(self.open(target, line, None)).await
    }

    /// Opens a connection, and speaks on it what its handshake agreed on.
    async fn open(&self, target: usize, line: &Line, opening: Option<Opening>) -> Result<(Way, bool), Fault> {
        let (stream, permit) = self.open_stream(target, line, Offer::Any).await?;
        line.desk.block.add(Count::UpstreamOpened, 1);
        let speaks_h2 = match self.upstream.protocol {
            UpProtocol::Http1 => false,
            UpProtocol::H2 => true,
            UpProtocol::Auto => matches!(&stream, Stream::Tls(tls) if tls.is_h2()),
        };
        if let Some(shelf) = self.shelf(target) {
            shelf.chose_h1.set(!speaks_h2);
        }
        match opening {
            Some(opening) if speaks_h2 => {
                let beginning = opening.begin(stream, permit);
                let begun = line.watch.limit(self.upstream.timeouts.connect, beginning).await;
                let call = begun.map_err(|_| Fault::ConnectSlow)?.map_err(Fault::Connect)?;
                line.desk.block.add(Count::UpstreamStreams, 1);
                Ok((Way::Call(call), false))
            }
            _ => {
                let mut link = Link::new(stream, permit);
                link.named = self.upstream.proxy_protocol.map(|_| line.peer);
                Ok((Way::Link(link), false))
            }
        }
    }
}
