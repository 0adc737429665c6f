//! The server name of a TLS hello, read without ending TLS.
use rustls::server::Acceptor;
use std::time::Duration;
use weir_reactor::{Buf, Stream};

/// The alert of TLS that ends a connection whose server name is not known here (RFC 6066, section 3).
pub(crate) const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// How long a hello may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Receives a hello. Returns the server name it asks for, if any, and all bytes received, to be passed on as they
/// came; nothing if it is no hello, or larger than one buffer.
pub(crate) async fn peek(stream: &Stream, early: Option<Buf>) -> Option<(Option<Box<str>>, Buf)> {
    let mut gathered = Buf::take()?;
    let mut acceptor = Acceptor::default();
    let mut next = early;
    loop {
        let news = match next.take() {
            Some(news) => news,
            None => stream.recv().await.ok()??,
        };
        if gathered.append(&news) < news.len() {
            return None;
        }
        let mut rest = &news[..];
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest).ok()?;
        }
        if let Some(accepted) = acceptor.accept().ok()? {
            let name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
            return Some((name.map(Into::into), gathered));
        }
    }
}
