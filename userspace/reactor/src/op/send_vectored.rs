//! Vectored send: several owned pieces as one, complete or failed.

use crate::op::once::Once;
use crate::owned::OwnedList;
use crate::request::Request;
use crate::slot::Hold;
use crate::socket::Socket;
use crate::staging::PIECES;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Sends all bytes of all pieces in order and gives the pieces back. Dropped early, an unknown part may have been sent.
#[must_use = "futures do nothing unless polled"]
pub struct SendingVectored<'a, L: OwnedList> {
    socket: &'a Rc<Socket>,
    data: Option<L>,
    sent: usize,
    once: Once,
}

impl<'a, L: OwnedList> SendingVectored<'a, L> {
    pub(crate) fn new(socket: &'a Rc<Socket>, data: L) -> Self {
        SendingVectored { socket, data: Some(data), sent: 0, once: Once::new(Rc::clone(&socket.hub)) }
    }
}

// The pieces' bytes stay in place when the future moves: that is what OwnedList promises.
impl<L: OwnedList> Unpin for SendingVectored<'_, L> {}

/// The pieces without their first `sent` bytes and without empty ones.
fn rest<L: OwnedList>(list: &L, sent: usize) -> impl Iterator<Item = &[u8]> {
    let mut skip = sent;
    (0..list.len()).filter_map(move |i| {
        let piece = list.piece(i);
        let here = skip.min(piece.len());
        skip -= here;
        piece.get(here..).filter(|p| !p.is_empty())
    })
}

impl<L: OwnedList> Future for SendingVectored<'_, L> {
    type Output = (io::Result<()>, L);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(data) = &this.data else { return Poll::Pending };
        let clear = if this.once.in_flight() { Ok(()) } else { ready!(this.socket.poll_posted(cx)) };
        let result = loop {
            if clear.is_err() {
                break clear;
            }
            let (socket, sent) = (this.socket, this.sent);
            let asked: usize = rest(data, sent).take(PIECES).map(<[u8]>::len).sum();
            if asked == 0 {
                break Ok(());
            }
            let progress = this.once.poll(cx, |hub| {
                let message = hub.staging.borrow_mut().message(rest(data, sent).take(PIECES));
                (Request::SendVectored { fd: socket.fd, message }, Hold::Socket(Rc::clone(socket)))
            });
            match ready!(progress) {
                Ok(n) => this.sent += socket.sent(n, asked),
                Err(e) => break Err(e),
            }
        };
        match this.data.take() {
            Some(data) => Poll::Ready((result, data)),
            None => Poll::Pending,
        }
    }
}

impl<L: OwnedList> Drop for SendingVectored<'_, L> {
    fn drop(&mut self) {
        if self.once.in_flight()
            && let Some(data) = self.data.take()
        {
            self.once.abandon(Some(Box::new(data)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_begins_inside_a_piece() {
        let list = vec![b"abc".to_vec(), Vec::new(), b"defg".to_vec()];
        let check = |sent, expect: &[&[u8]]| assert_eq!(rest(&list, sent).collect::<Vec<_>>(), expect);
        check(0, &[b"abc", b"defg"]);
        check(2, &[b"c", b"defg"]);
        check(3, &[b"defg"]);
        check(6, &[b"g"]);
        check(7, &[]);
    }
}
