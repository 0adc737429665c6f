//! One connection over HTTP/2, on which several requests are under way at once.

use super::endpoint::Endpoint;
use super::mix::{HOST, Mix, Prepared};
use crate::client::answer::Content;
use crate::measure::Fault;
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

/// Windows so large that flow control does not show.
const WINDOW: u32 = 8 << 20;

/// One stream of a connection; clones share the connection.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Bytes>,
    scheme: &'static str,
}

impl Client {
    /// Opens a connection; it is driven by a task of its own.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, Fault> {
        let io = endpoint.open_as(None).await?.into_duplex()?;
        match &endpoint.trust {
            None => Self::begin(io, "http").await,
            Some(trust) => Self::begin(trust.around(io).await?, "https").await,
        }
    }

    async fn begin(
        io: impl AsyncRead + AsyncWrite + Unpin + 'static,
        scheme: &'static str,
    ) -> Result<Self, Fault> {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).enable_push(false);
        let (sender, connection) = builder.handshake::<_, Bytes>(io).await.map_err(|_| Fault::Protocol)?;
        tokio_uring::spawn(async move {
            connection.await.ok(); // the streams are told, and count
        });
        Ok(Self { sender, scheme })
    }

    /// Sends a request and judges the answer.
    pub(crate) async fn exchange(
        &mut self,
        mix: &Mix,
        request: &Prepared,
        token: usize,
    ) -> Result<(u16, u64), Fault> {
        let head = head(request, &format!("{}://{}", self.scheme, mix.host), mix.token(token))?;
        let mut sender = self.sender.clone().ready().await.map_err(|_| Fault::Closed)?;
        let body = request.content();
        let (response, mut send) = sender.send_request(head, body.is_empty()).map_err(|_| Fault::Closed)?;
        if !body.is_empty() {
            send.send_data(body, true).map_err(|_| Fault::Closed)?;
        }
        let (head, mut body) = response.await.map_err(|_| Fault::Closed)?.into_parts();
        let mut content = Content::default();
        while let Some(part) = body.data().await {
            let part = part.map_err(|_| Fault::Closed)?;
            body.flow_control().release_capacity(part.len()).map_err(|_| Fault::Protocol)?;
            content.take(&request.expected, &part);
        }
        let status = head.status.as_u16();
        let has = |name: &str, value: &str| head.headers.get_all(name).iter().any(|found| found == value);
        content.judge(&request.expected, status, has).map(|()| (status, content.seen))
    }

    /// Opens a stream and resets it before anything can come back.
    pub(crate) async fn open_and_reset(&mut self) -> Result<(), Fault> {
        let uri = format!("http://{HOST}/");
        let head = Request::builder().uri(uri).body(()).map_err(|_| Fault::Protocol)?;
        let mut sender = self.sender.clone().ready().await.map_err(|_| Fault::Closed)?;
        let (_, mut stream) = sender.send_request(head, false).map_err(|_| Fault::Closed)?;
        stream.send_reset(h2::Reason::CANCEL);
        Ok(())
    }
}

fn head(request: &Prepared, origin: &str, token: Option<&str>) -> Result<Request<()>, Fault> {
    let uri = format!("{origin}{}", request.request.path.value);
    let mut builder = Request::builder().method(request.request.method.0.as_str()).uri(uri);
    for (name, value) in request.request.headers.iter() {
        builder = builder.header(name.value.to_ascii_lowercase(), value.value.0.as_str());
    }
    if let Some(token) = token {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    builder.body(()).map_err(|_| Fault::Protocol)
}
