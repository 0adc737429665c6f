//! A TLS session that buffers nothing itself: what is received is decrypted where it lies, so that an idle one holds
//! little more than its keys.
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, CommonState, ServerConfig};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use weir_plan::tls::asked;
use weir_reactor::{Buf, take_sheet};

/// Ciphertext that nothing can be made of before more comes: the beginning of a record, or of a message of the handshake
/// in several. No message may be longer.
const BEGUN_MAX: usize = 0xffff;
/// What a record is longer than its content, at most.
const RECORD_MORE: usize = 64;
/// The longest content of a record.
const RECORD_MAX: usize = 1 << 14;

/// What has come from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Plaintext.
    Data,
    /// The farewell of the peer.
    End,
    /// The end without one, or a failure.
    Lost,
}

/// A session, on either side.
pub(crate) struct Session {
    side: Side,
    /// Received, without the rest that makes something of it.
    begun: Vec<u8>,
    open: Open,
    /// Whom the client asked for.
    server_name: Option<Box<str>>,
    /// Nothing can be encrypted or decrypted any more.
    is_broken: bool,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// What lies between the session and those who use it.
#[derive(Default)]
struct Open {
    /// Decrypted and not yet taken.
    plain: VecDeque<Buf>,
    /// Ciphertext on its way out.
    out: Vec<u8>,
    /// How the peer's direction ended.
    end: Option<News>,
}

/// What is done once nothing more can be decrypted.
#[derive(Clone, Copy)]
enum Errand<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    SayFarewell,
}

impl Session {
    /// The side of a server.
    pub(crate) fn server(config: Arc<ServerConfig>) -> io::Result<Session> {
        let session = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Session::new(Side::Server(session)))
    }

    /// The side of a client, whose hello is ready to be sent.
    pub(crate) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Session> {
        let session = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut session = Session::new(Side::Client(session));
        session.drive(&mut [], Errand::Nothing)?;
        Ok(session)
    }

    fn new(side: Side) -> Session {
        Session { side, begun: Vec::new(), open: Open::default(), server_name: None, is_broken: false }
    }

    /// What both sides have agreed on.
    pub(crate) fn terms(&self) -> &CommonState {
        match &self.side {
            Side::Server(session) => session,
            Side::Client(session) => session,
        }
    }

    /// Whom the client asked for.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// What waits to be taken.
    pub(crate) fn news(&self) -> Option<News> {
        if self.open.plain.is_empty() { self.open.end } else { Some(News::Data) }
    }

    /// Plaintext, none after the peer's farewell, or the failure; nothing if more has to be received first.
    pub(crate) fn take(&mut self) -> Option<io::Result<Option<Buf>>> {
        if let Some(plain) = self.open.plain.pop_front() {
            if self.open.plain.is_empty() {
                self.open.plain = VecDeque::new();
            }
            return Some(Ok(Some(plain)));
        }
        match self.open.end? {
            News::Lost => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            News::End | News::Data => Some(Ok(None)),
        }
    }

    /// Decrypts what was received. What comes behind a farewell is ignored (RFC 8446, section 6.1).
    pub(crate) fn feed(&mut self, mut news: Buf) -> io::Result<()> {
        if self.open.end.is_some() {
            return Ok(());
        }
        if self.begun.is_empty()
            && let Some(bytes) = news.unique()
        {
            let used = self.drive(bytes, Errand::Nothing)?;
            return self.keep(bytes.get(used..).unwrap_or_default().to_vec());
        }
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(&news);
        match self.drive(&mut bytes, Errand::Nothing)? {
            0 => self.keep(bytes),
            used => self.keep(bytes.get(used..).unwrap_or_default().to_vec()),
        }
    }

    /// Nothing more will be received.
    pub(crate) fn lose(&mut self) {
        self.open.end.get_or_insert(News::Lost);
    }

    /// Encrypts behind what is on its way out.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.run(Errand::Encrypt(data))
    }

    /// Says that nothing more will be written.
    pub(crate) fn say_farewell(&mut self) -> io::Result<()> {
        self.run(Errand::SayFarewell)
    }

    /// Ciphertext that has to be sent.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.open.out
    }

    fn keep(&mut self, begun: Vec<u8>) -> io::Result<()> {
        if begun.len() > BEGUN_MAX {
            self.give_up();
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of TLS is too long"));
        }
        // After a farewell it is of no use.
        self.begun = if self.open.end.is_none() { begun } else { Vec::new() };
        Ok(())
    }

    fn run(&mut self, errand: Errand<'_>) -> io::Result<()> {
        if self.is_broken {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut begun = std::mem::take(&mut self.begun);
        let used = self.drive(&mut begun, errand)?;
        begun.drain(..used);
        self.begun = begun;
        Ok(())
    }

    /// Decrypts until more is needed, then does the errand. Gives how many bytes are of no use any more.
    fn drive(&mut self, bytes: &mut [u8], errand: Errand<'_>) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let rest = bytes.get_mut(used..).unwrap_or_default();
            let (discard, goes_on) = match &mut self.side {
                Side::Server(session) => self.open.follow(session.process_tls_records(rest), errand),
                Side::Client(session) => self.open.follow(session.process_tls_records(rest), errand),
            };
            if self.server_name.is_none() {
                self.server_name = asked();
            }
            used += discard;
            match goes_on {
                Ok(true) => {}
                Ok(false) => return Ok(used),
                Err(error) => {
                    self.give_up();
                    return Err(error);
                }
            }
        }
    }

    /// Nothing is decrypted after a failure; the alert that tells of it may still be sent.
    fn give_up(&mut self) {
        self.lose();
        self.is_broken = true;
        while self.terms().wants_write() {
            let (_, told) = match &mut self.side {
                Side::Server(session) => {
                    self.open.follow(session.process_tls_records(&mut []), Errand::Nothing)
                }
                Side::Client(session) => {
                    self.open.follow(session.process_tls_records(&mut []), Errand::Nothing)
                }
            };
            if !matches!(told, Ok(true)) {
                return;
            }
        }
    }
}

impl Open {
    /// Does what the session asks for. Gives how many bytes it does not need any more, and whether it is to be asked again.
    fn follow<Data>(
        &mut self,
        UnbufferedStatus { discard, state, .. }: UnbufferedStatus<'_, '_, Data>,
        errand: Errand<'_>,
    ) -> (usize, io::Result<bool>) {
        let mut discard = discard;
        let done = match state {
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut stored = Ok(true);
                while let Some(Ok(record)) = traffic.next_record() {
                    discard += record.discard;
                    stored = stored.and_then(|_| self.store(record.payload));
                }
                stored
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(&mut self.out, 0, |room| data.encode(room).map_err(|error| room_for(&error)))
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(true)
            }
            Ok(ConnectionState::PeerClosed) => {
                self.end = Some(News::End);
                Ok(true)
            }
            Ok(ConnectionState::WriteTraffic(traffic)) => self.do_errand(traffic, errand),
            Ok(_) if matches!(errand, Errand::Encrypt(_)) => Err(io::ErrorKind::NotConnected.into()),
            Ok(_) => Ok(false),
        };
        (discard, done)
    }

    fn do_errand<Data>(
        &mut self,
        mut traffic: WriteTraffic<'_, Data>,
        errand: Errand<'_>,
    ) -> io::Result<bool> {
        let (data, guess) = match errand {
            Errand::Nothing => return Ok(false),
            Errand::Encrypt(data) => (Some(data), data.len() + (data.len() / RECORD_MAX + 1) * RECORD_MORE),
            Errand::SayFarewell => (None, RECORD_MORE),
        };
        append(&mut self.out, guess, |room| {
            let written = match data {
                Some(data) => traffic.encrypt(data, room),
                None => traffic.queue_close_notify(room),
            };
            written.map_err(|error| match error {
                EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                    Some(required_size)
                }
                EncryptError::EncryptExhausted => None,
            })
        })?;
        Ok(false)
    }

    /// Plaintext goes into buffers of the pool, behind what is there already.
    fn store(&mut self, mut plain: &[u8]) -> io::Result<bool> {
        while !plain.is_empty() {
            let taken = self.plain.back_mut().map_or(0, |last| last.append(plain));
            plain = plain.get(taken..).unwrap_or_default();
            if !plain.is_empty() {
                self.plain.push_back(Buf::take().ok_or(io::ErrorKind::OutOfMemory)?);
            }
        }
        Ok(true)
    }
}

fn room_for(error: &EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

/// Lets `write` add to what is there already. It gets the room that it says it needs, if the first was too small.
fn append(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> io::Result<bool> {
    if out.capacity() == 0 {
        *out = take_sheet();
    }
    let (before, mut room) = (out.len(), guess);
    loop {
        out.resize(before + room, 0);
        match write(out.get_mut(before..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(before + written);
                return Ok(true);
            }
            Err(Some(needed)) if needed > room => room = needed,
            Err(_) => {
                out.truncate(before);
                return Err(io::Error::other("the keys of the session are used up"));
            }
        }
    }
}
