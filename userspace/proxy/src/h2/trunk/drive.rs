//! The task of a connection: it receives, sends what has gathered, and asks a silent target whether it lives.
use super::mux::{Mux, OUT_MAX};
use crate::{fault::Broken, h2::body::SHORTAGE, stream::Stream, upstream::Permit};
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use weir_message::h2::{Code, Frame, Frames, Kind};
use weir_reactor::{Buf, Sleep, now, sleep};

/// How long the answer to a ping may take.
const PONG_WAIT: Duration = Duration::from_secs(5);
/// How long a target may take to receive a farewell.
const FAREWELL: Duration = Duration::from_secs(2);
/// Memory for frames that is kept.
const KEEP_MAX: usize = 64 * 1024;

/// Keeps a connection going until it ends, or until its target does not answer.
pub(super) async fn drive(mux: Rc<Mux>, stream: Stream, _permit: Permit) {
    let (mut receiving, mut sending) = (pin!(receive(&mux, &stream)), pin!(send(&mux, &stream)));
    let (mut asking, mut farewell) = (Asking::default(), None);
    let mut is_receiving = true;
    poll_fn(|cx| {
        mux.driver.set(Some(cx.waker().clone()));
        if is_receiving && let Poll::Ready(code) = receiving.as_mut().poll(cx) {
            is_receiving = false;
            let Some(code) = code else { return Poll::Ready(()) };
            mux.state.borrow_mut().farewell(code);
            mux.end();
        }
        if asking.poll_lost(&mux, cx).is_ready() {
            return Poll::Ready(());
        }
        if mux.state.borrow().finishing {
            let until = farewell.get_or_insert_with(|| sleep(FAREWELL));
            if Pin::new(until).poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        sending.as_mut().poll(cx)
    })
    .await;
    mux.end();
}

/// Receives frames until the target ends the connection, or until it has to be ended for a reason.
async fn receive(mux: &Mux, stream: &Stream) -> Option<Code> {
    let mut frames = Frames::default();
    loop {
        // A target that does not read is not listened to: each frame may want an answer.
        poll_fn(|_| mux.poll_space()).await;
        let buf = match stream.recv().await {
            Ok(Some(buf)) => buf,
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                sleep(SHORTAGE).await;
                continue;
            }
            Ok(None) | Err(_) => return None,
        };
        mux.heard.set(now());
        if let Err(code) = take(mux, &mut frames, &buf) {
            return Some(code);
        }
    }
}

fn take(mux: &Mux, frames: &mut Frames, buf: &Buf) -> Result<(), Code> {
    let mut news: &[u8] = buf;
    while let Some((frame, payload)) = frames.next(&mut news)? {
        mux.receive(frame, payload)?;
    }
    Ok(())
}

/// Sends what gathers until the connection is to end.
async fn send(mux: &Mux, stream: &Stream) {
    let mut spare = Vec::new();
    loop {
        if poll_fn(|cx| mux.poll_out(&mut spare, cx)).await.is_break() {
            // Whether the target listens is its own affair.
            drop(stream.shutdown().await);
            return;
        }
        let (sent, back) = stream.send(spare).await;
        if sent.is_err() {
            return;
        }
        spare = back;
        spare.clear();
        spare.shrink_to(KEEP_MAX);
    }
}

impl Mux {
    /// Waits until answers to more frames would find room.
    fn poll_space(&self) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.out.len() <= 2 * OUT_MAX {
            return Poll::Ready(());
        }
        state.crowded = true;
        Poll::Pending
    }

    /// Takes all frames that wait; a break when there are none and none will come.
    fn poll_out(&self, into: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<ControlFlow<()>> {
        let mut state = self.state.borrow_mut();
        if state.out.is_empty() {
            return if state.finishing { Poll::Ready(ControlFlow::Break(())) } else { Poll::Pending };
        }
        std::mem::swap(&mut state.out, into);
        if std::mem::take(&mut state.crowded) {
            state.wake_senders();
            cx.waker().wake_by_ref();
        }
        Poll::Ready(ControlFlow::Continue(()))
    }

    /// Tells everyone on it that the connection is no more.
    fn end(&self) {
        let mut state = self.state.borrow_mut();
        (state.leaving, state.ended) = (true, true);
        state.strands.for_each(|strand| strand.fail(Broken::Gone));
        state.greeting.take().into_iter().for_each(Waker::wake);
    }
}

/// The question whether a target lives.
#[derive(Default)]
struct Asking {
    /// Until when the answer must be here.
    until: Option<Sleep>,
}

impl Asking {
    /// Ready when the answer has not come in time.
    fn poll_lost(&mut self, mux: &Mux, cx: &mut Context<'_>) -> Poll<()> {
        if mux.ask.replace(false) && self.until.is_none() {
            Frame::write(Kind::Ping, 0, 0, b"are you?", &mut mux.state.borrow_mut().out);
            mux.unanswered.set(true);
            self.until = Some(sleep(PONG_WAIT));
        }
        if !mux.unanswered.get() {
            self.until = None;
        }
        match &mut self.until {
            Some(until) => Pin::new(until).poll(cx),
            None => Poll::Pending,
        }
    }
}
