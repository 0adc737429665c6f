//! Connections to targets, opened with everything that comes before the first byte of a protocol.
use super::{Permit, Pool, Shelf};
use crate::{fault::Fault, line::Line, names, proxy_protocol, stream::Stream, tls::Tls};
use rustls::ClientConfig;
use std::io;
use std::sync::Arc;
use weir_plan::tls::Renewable;
use weir_plan::upstream::{Address, Target};

/// What a target is offered in the handshake of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// What the upstream may be spoken to in.
    Any,
    /// HTTP/1.1 alone.
    Http1,
}

impl Pool {
    /// Connects to the target, with everything that belongs before the first byte of a protocol.
    pub(crate) async fn open_stream(
        &self,
        target: usize,
        line: &Line,
        offer: Offer,
    ) -> Result<(Stream, Permit), Fault> {
        let place = self.upstream.targets.get(target).ok_or(Fault::NoTarget)?;
        let _pending = self.pending.take().ok_or(Fault::UpstreamFull)?;
        let permit = self.connections.take().or_else(|| {
            self.close_one_idle();
            self.connections.take()
        });
        let permit = permit.ok_or(Fault::UpstreamFull)?;
        let connecting = self.connect(target, place, line, offer);
        let connected = line.watch.limit(self.upstream.timeouts.connect, connecting).await;
        let stream = connected.map_err(|_| Fault::ConnectSlow)?.map_err(Fault::Connect)?;
        Ok((stream, permit))
    }

    /// A connection that is kept to one target must not keep another from being reached.
    fn close_one_idle(&self) {
        let idle_longest = |shelf: &&Shelf| shelf.idle.borrow().first().map(|link| link.idle_since);
        let kept = self.shelves.iter().filter(|shelf| idle_longest(shelf).is_some());
        if let Some(shelf) = kept.min_by_key(idle_longest) {
            drop(shelf.idle.borrow_mut().remove(0));
        }
    }

    async fn connect(&self, index: usize, target: &Target, line: &Line, offer: Offer) -> io::Result<Stream> {
        let stream = match &target.address {
            Address::Ip(address) => weir_reactor::Stream::connect(*address).await?,
            Address::Unix(path) => weir_reactor::Stream::connect_unix(path).await?,
            Address::Name(name, port) => names::connect(name, *port, line).await?,
        };
        if let Some(version) = self.upstream.proxy_protocol {
            let mut header = Vec::new();
            proxy_protocol::write(version, line.peer, line.local, &mut header);
            stream.send(header).await.0?;
        }
        let Some(tls) = self.upstream.tls.as_ref().map(Renewable::load) else {
            return Ok(Stream::Plain(stream));
        };
        let name = tls.names.get(index).ok_or(io::ErrorKind::InvalidInput)?.clone();
        let config = match offer {
            Offer::Any => Arc::clone(&tls.config),
            Offer::Http1 => {
                let mut config = ClientConfig::clone(&tls.config);
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Arc::new(config)
            }
        };
        let tls = Tls::connect(stream, config, name).await?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}
