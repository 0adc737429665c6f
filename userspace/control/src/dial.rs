//! A connection of the control thread to somebody else: TCP or a unix socket, with or without TLS.
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// What bytes go over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// A host, by name or address, and a port.
    Host(&'a str, u16),
    /// An address and port.
    Address(SocketAddr),
    /// A unix socket.
    Unix(&'a Path),
}

/// An open connection, and whether HTTP/2 was agreed on in its TLS handshake.
pub(crate) struct Dialled {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) is_h2: bool,
}

/// Opens a connection. `preface` goes first, in the clear.
pub(crate) async fn dial(
    place: Place<'_>,
    preface: &[u8],
    tls: Option<(&Arc<ClientConfig>, ServerName<'static>)>,
) -> io::Result<Dialled> {
    let mut stream: Box<dyn Stream> = match place {
        Place::Host(host, port) => Box::new(TcpStream::connect((host, port)).await?),
        Place::Address(address) => Box::new(TcpStream::connect(address).await?),
        Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
    };
    stream.write_all(preface).await?;
    let Some((config, name)) = tls else { return Ok(Dialled { stream, is_h2: false }) };
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Dialled { stream: Box::new(stream), is_h2 })
}
