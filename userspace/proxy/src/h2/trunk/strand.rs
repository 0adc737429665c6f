//! One request over a shared connection: what has come for it and waits, and what it may send.
use crate::fault::Broken;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use weir_message::{Error, Framing, Head, Method, Response, h2::read_trailers, hop};
use weir_reactor::Buf;

/// The window of one stream: what a target may send ahead of its client.
pub(super) const WINDOW: u32 = 64 * 1024;
/// Heads that may wait to be taken. A target that sends more at once is not answering.
const HEADS_MAX: usize = 32;
/// Memory for data that is kept for the next request.
const KEEP_MAX: usize = 16 * 1024;

/// One stream. Its memory is used again for another one.
#[derive(Default)]
pub(super) struct Strand {
    pub(super) id: u32,
    /// Halves of the exchange that hold it.
    pub(super) holders: u8,
    method: Method,
    /// Heads that have come, and the memory of one that was taken.
    heads: VecDeque<Response>,
    spare: Response,
    /// The head after which only data and trailers come.
    pub(super) answered: bool,
    data: Vec<u8>,
    taken: usize,
    /// Bytes of the body that are still to come, if the head says how many.
    left: Option<u64>,
    pub(super) trailers: Response,
    /// Bytes that the target may still send, and those taken whose room it was not told about.
    window: u32,
    room: u32,
    /// The answer is complete.
    pub(super) ended: bool,
    pub(super) failed: Option<Broken>,
    reader: Option<Waker>,
    pub(super) sending: Sending,
}

/// The half that sends the request.
#[derive(Default)]
pub(super) struct Sending {
    /// Pieces of the body that wait, and how much of them was sent.
    pub(super) held: Vec<u8>,
    pub(super) sent: usize,
    /// Bytes that the target takes.
    pub(super) window: i64,
    pub(super) ended: bool,
    /// The target has answered and wants no more.
    pub(super) unwanted: bool,
    pub(super) waker: Option<Waker>,
}

impl Strand {
    /// Begins another stream in the memory of one that is over.
    pub(super) fn begin(&mut self, id: u32, method: Method, window: u32) {
        for memory in [&mut self.data, &mut self.sending.held] {
            memory.clear();
            memory.shrink_to(KEEP_MAX);
        }
        while let Some(head) = self.heads.pop_front() {
            self.spare = head;
        }
        self.trailers.clear();
        (self.id, self.holders, self.method) = (id, 1, method);
        (self.answered, self.ended, self.failed, self.left) = (false, false, None, None);
        (self.taken, self.window, self.room, self.reader) = (0, WINDOW, 0, None);
        let held = std::mem::take(&mut self.sending.held);
        self.sending = Sending { held, window: i64::from(window), ..Sending::default() };
    }

    /// Whether nothing can come any more.
    pub(super) fn is_over(&self) -> bool {
        self.ended || self.failed.is_some()
    }

    /// The stream has failed, unless its answer is complete.
    pub(super) fn fail(&mut self, broken: Broken) {
        if !self.ended {
            self.failed.get_or_insert(broken);
        }
        self.sending.unwanted = true;
        self.wake_reader();
        self.wake_sender();
    }

    pub(super) fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn wake_sender(&mut self) {
        self.sending.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Memory to read a head into.
    pub(super) fn head_memory(&mut self) -> Response {
        std::mem::take(&mut self.spare)
    }

    /// Takes in a head, whose fields are sound by themselves.
    pub(super) fn push_head(&mut self, mut head: Response, ends: bool) -> Result<(), Error> {
        if hop::forbidden_in_h2(&head.head) {
            return Err(Error::FieldName);
        }
        head.settle(self.method)?;
        if head.is_interim() {
            // RFC 9113, section 8.1: an interim answer does not end anything.
            if ends || self.heads.len() == HEADS_MAX {
                return Err(Error::StatusLine);
            }
        } else {
            self.answered = true;
            self.left = match head.framing {
                Framing::Empty => Some(0),
                Framing::Length(length) => Some(length),
                Framing::Chunked | Framing::UntilClose => None,
            };
        }
        if ends {
            self.end()?;
        }
        self.heads.push_back(head);
        self.wake_reader();
        Ok(())
    }

    /// Counts what came against the window. RFC 9113, section 6.9.1: false if it is more than there was room for.
    pub(super) fn fits(&mut self, length: u32) -> bool {
        let left = self.window.checked_sub(length);
        self.window = left.unwrap_or(0);
        left.is_some()
    }

    /// Takes in a piece of the body. `padding` came with it and takes room in the window.
    pub(super) fn push_data(&mut self, data: &[u8], padding: u32) -> Result<(), Error> {
        if !self.answered {
            return Err(Error::StatusLine);
        }
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(data.len() as u64).ok_or(Error::ContentLength)?;
        }
        self.room += padding;
        if self.taken >= KEEP_MAX {
            // A reader that never catches up must not make the memory grow.
            self.data.drain(..self.taken);
            self.taken = 0;
        }
        self.data.extend_from_slice(data);
        self.wake_reader();
        Ok(())
    }

    /// The answer is complete. RFC 9113, section 8.1.1: its length must be what it said.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(Error::ContentLength);
        }
        self.ended = true;
        self.wake_reader();
        Ok(())
    }

    /// Exchanges `response` for the next head.
    pub(super) fn poll_head(
        &mut self,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if let Some(head) = self.heads.pop_front() {
            self.spare = std::mem::replace(response, head);
            return Poll::Ready(Ok(()));
        }
        self.poll_news(cx).map(|waited| waited.and(Err(Broken::Gone)))
    }

    /// Whether there is data, or the end. What came before a failure comes first.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Broken>> {
        if self.has_data() {
            return Poll::Ready(Ok(true));
        }
        self.poll_news(cx).map_ok(|()| false)
    }

    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self.failed {
            Some(broken) => Poll::Ready(Err(broken)),
            None if self.ended => Poll::Ready(Ok(())),
            None => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn has_data(&self) -> bool {
        self.taken < self.data.len()
    }

    /// Moves data over; how much room the target is to be told about, if it is enough to speak of.
    pub(super) fn take(&mut self, buf: &mut Buf) -> Option<u32> {
        let taken = buf.append(self.data.get(self.taken..).unwrap_or_default());
        self.taken += taken;
        if !self.has_data() {
            self.data.clear();
            self.taken = 0;
        }
        self.room += u32::try_from(taken).unwrap_or(0);
        if self.is_over() || self.room < WINDOW / 2 {
            return None;
        }
        self.window += self.room;
        Some(std::mem::take(&mut self.room))
    }

    /// The trailers that may be passed on.
    pub(super) fn read_trailers(&self, grpc: bool, into: &mut Head) -> Result<(), Broken> {
        Ok(read_trailers(&self.trailers.head, grpc, into)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream whose answer has begun, with a body of that length.
    fn answered(length: &str) -> Strand {
        let (mut strand, mut head) = (Strand::default(), Response::default());
        strand.begin(1, Method::Get, 9);
        head.begin(200);
        head.version = weir_message::Version::Http2;
        head.head.append("content-length", length.as_bytes()).unwrap();
        strand.push_head(head, false).unwrap();
        strand
    }

    #[test]
    fn a_body_has_the_length_that_its_head_says() {
        let mut strand = answered("5");
        assert_eq!(strand.push_data(b"hel", 0), Ok(()));
        assert_eq!(strand.end(), Err(Error::ContentLength));
        assert_eq!(strand.push_data(b"lo", 0), Ok(()));
        assert_eq!(strand.end(), Ok(()));
        assert_eq!(answered("5").push_data(b"hello!", 0), Err(Error::ContentLength));
        assert_eq!(Strand::default().push_data(b"x", 0), Err(Error::StatusLine));
    }

    #[test]
    fn a_reader_that_never_catches_up_does_not_make_the_memory_grow() {
        let mut strand = answered("1048576");
        strand.push_data(&[0; 1024], 0).unwrap();
        for _ in 0..500 {
            strand.push_data(&[0; 1024], 0).unwrap();
            strand.taken += 1024;
            assert!(strand.has_data() && strand.data.len() <= KEEP_MAX + 4096);
        }
    }

    #[test]
    fn nothing_fits_beyond_the_window() {
        let mut strand = answered("5");
        assert!(strand.fits(WINDOW - 1) && strand.fits(1) && !strand.fits(1));
    }

    #[test]
    fn what_came_before_a_failure_is_taken_first() {
        let mut strand = answered("5");
        strand.push_data(b"hel", 0).unwrap();
        strand.fail(Broken::Refused);
        let cx = &mut Context::from_waker(Waker::noop());
        let mut response = Response::default();
        assert_eq!(strand.poll_head(&mut response, cx), Poll::Ready(Ok(())));
        assert_eq!(response.status, 200);
        assert_eq!(strand.poll_data(cx), Poll::Ready(Ok(true)));
        strand.data.clear();
        assert_eq!(strand.poll_data(cx), Poll::Ready(Err(Broken::Refused)));
        assert_eq!(strand.poll_head(&mut response, cx), Poll::Ready(Err(Broken::Refused)));
    }

    #[test]
    fn a_complete_answer_outlives_a_reset() {
        let mut strand = answered("0");
        strand.end().unwrap();
        strand.fail(Broken::Gone);
        assert!(strand.ended && strand.failed.is_none() && strand.sending.unwanted);
        strand.begin(3, Method::Get, 9);
        assert!(!strand.is_over() && !strand.answered && !strand.sending.unwanted && !strand.has_data());
    }
}
