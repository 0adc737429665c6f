//! HTTP/1 with a client: one exchange after the other on one connection.
use super::{Inflow, Outflow};
use crate::{
    connection::Opened,
    desk::Scratch,
    exchange::{self, Ends, Setting},
    fault::{Broken, Fault},
    half::{Answering, Asking, Sink, Source},
    line::Line,
    lot,
    snapshot::Snapshot,
    stream::Stream,
};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use weir_message::{
    Framing, Head, Method, Response,
    h1::{Delivery, write_response},
};
use weir_plan::listener::Listener;
use weir_reactor::{Buf, nest, now};

/// How long a client may go on sending after an answer that ends its connection, so that it can read the answer.
const LINGER: Duration = Duration::from_secs(2);
/// How long a request is waited for once no more are wanted: a client that is asking just now would find its connection gone,
/// and could not know whether it was heard.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// Bytes that are read away meanwhile.
const LINGER_BYTES_MAX: usize = 256 * 1024;

impl Source for Inflow {
    async fn chunk(&mut self) -> Result<Option<Buf>, Broken> {
        Inflow::chunk(self).await
    }

    fn is_ready(&self) -> bool {
        Inflow::is_ready(self)
    }

    fn is_done(&self) -> bool {
        Inflow::is_done(self)
    }

    async fn trailers(&mut self, head: &mut Head) -> Result<(), Broken> {
        Ok(Inflow::trailers(self, head)?)
    }

    fn inflow(&mut self) -> Option<&mut Inflow> {
        Some(self)
    }

    fn take_rest(&mut self) -> Option<Buf> {
        Inflow::take_rest(self)
    }
}

impl Answering for Inflow {
    async fn head(&mut self, method: Method, response: &mut Response) -> Result<(), Broken> {
        self.response(method, response).await
    }
}

impl Asking for Outflow {
    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        Outflow::chunk(self, data, more).await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        Outflow::flush(self).await
    }

    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        Outflow::end(self, trailers).await
    }
}

/// The sending half towards a client.
struct Answer {
    outflow: Outflow,
    stream: Rc<Stream>,
    begun: bool,
    /// A client that ends its side has given up on its answer.
    end_counts: bool,
}

impl Sink for Answer {
    async fn interim(&mut self, response: &Response) -> Result<(), Broken> {
        let delivery = Delivery { framing: Framing::Empty, persistent: true, ..Delivery::default() };
        self.outflow.head(Framing::Empty, |out| write_response(response, delivery, out));
        self.outflow.flush().await
    }

    fn head(&mut self, response: &Response, delivery: Delivery) {
        self.begun = true;
        self.outflow.head(delivery.framing, |out| write_response(response, delivery, out));
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn take_back(&mut self) -> bool {
        let taken = self.begun && self.outflow.take_back();
        self.begun &= !taken;
        taken
    }

    fn write(&mut self, data: &[u8]) {
        self.outflow.write(data);
    }

    async fn chunk(&mut self, data: Buf, more: bool) -> Result<(), Broken> {
        self.outflow.chunk(data, more).await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.outflow.flush().await
    }

    fn outflow(&mut self) -> Option<&mut Outflow> {
        Some(&mut self.outflow)
    }

    async fn end(&mut self, trailers: Option<&Head>) -> Result<(), Broken> {
        self.outflow.end(trailers).await
    }

    fn stream(&self) -> Option<Rc<Stream>> {
        Some(Rc::clone(&self.stream))
    }

    /// Whoever receives a request learns by that whether its sender is gone.
    fn poll_gone(&mut self, cx: &mut Context<'_>, unread: bool) -> Poll<()> {
        if unread { Poll::Pending } else { self.stream.poll_gone(cx, self.end_counts) }
    }
}

/// How the wait for a request ends.
enum Waited {
    /// Something has come.
    News,
    /// Nothing will, or nothing more is wanted.
    Over,
    /// It takes long; the moment until which it may.
    Long(Instant),
}

/// Serves a connection until either side is done with it, or it has been idle for so long that it is given back, with the
/// moment until which it may be. Between requests it holds no buffer, and of the machinery of an exchange nothing.
pub(crate) async fn run(
    Opened { line, snapshot, stream, early }: Opened,
) -> Option<(Rc<Line>, Stream, Instant)> {
    let stream = Rc::new(stream);
    let listener = snapshot.listener(&line.gate.bind)?;
    let mut inflow = Inflow::new(Rc::clone(&stream), snapshot.rules(listener).limits);
    let mut idle = listener.limits.idle_timeout;
    // Whoever waits for a request needs no plan, and there may be another one by then.
    drop(snapshot);
    inflow.begin_with(early);
    let mut answer =
        Answer { outflow: Outflow::new(Rc::clone(&stream)), stream, begun: false, end_counts: false };
    loop {
        match wait(&line, &inflow, idle).await {
            Waited::News => {}
            Waited::Long(until) => {
                drop(inflow);
                let Answer { outflow, stream, .. } = answer;
                drop(outflow);
                return Rc::into_inner(stream).map(|stream| (line, stream, until));
            }
            Waited::Over => {
                settle(&line, &mut answer, idle).await;
                return None;
            }
        }
        let snapshot = line.snapshot();
        let listener = snapshot.listener(&line.gate.bind)?;
        idle = listener.limits.idle_timeout;
        let mut next = nest(one(&line, &snapshot, listener, &mut inflow, &mut answer)).await;
        drop(snapshot);
        if let Some((ends, Some(scratch))) = &mut next {
            *ends = nest(exchange::go_on(&line, std::mem::take(scratch), (&mut inflow, &mut answer))).await;
        }
        match next.map(|(ends, _)| ends) {
            Some(Ends::Keep) => continue,
            Some(Ends::Abort) => answer.stream.reset(),
            Some(ends) => {
                settle(&line, &mut answer, idle).await;
                if ends == Ends::Cut && !answer.outflow.declares_its_end() {
                    answer.stream.reset();
                } else {
                    nest(linger(&line, &answer.stream, &mut inflow)).await;
                }
            }
            None => settle(&line, &mut answer, idle).await,
        }
        return None;
    }
}

/// Gives an answer that is still on its way the time it may take: a client may keep its window shut.
async fn settle(line: &Line, answer: &mut Answer, idle: Duration) {
    if answer.stream.has_posted() {
        line.watch.bound(None);
        // Whatever the outcome, the connection is over.
        let _gone = line.watch.limit(idle, answer.outflow.settle()).await;
    }
}

/// Waits until something comes.
async fn wait(line: &Line, inflow: &Inflow, idle: Duration) -> Waited {
    line.watch.bound(None);
    let (begun, mut until, mut late, mut long) = (now(), None, None, None);
    let mut parks = idle > lot::PARK_AFTER * 4;
    poll_fn(|cx| {
        if inflow.poll_ready(cx).is_ready() {
            return Poll::Ready(Waited::News);
        }
        if line.is_draining() {
            return line.watch.poll_limit(&mut late, LAST_WAIT, cx).map(|()| Waited::Over);
        }
        if parks {
            ready!(line.watch.poll_limit(&mut long, lot::PARK_AFTER, cx));
            if !inflow.stream().has_posted() {
                return Poll::Ready(Waited::Long(begun + idle));
            }
            // The client takes its time with the last answer; such a connection is not idle yet.
            parks = false;
        }
        line.watch.poll_limit(&mut until, idle, cx).map(|()| Waited::Over)
    })
    .await
}

/// One exchange, from the first byte of its head on; nothing if none came. One that has switched protocols goes on with what
/// it has in memory.
async fn one(
    line: &Line,
    snapshot: &Snapshot,
    listener: &Listener,
    inflow: &mut Inflow,
    answer: &mut Answer,
) -> Option<(Ends, Option<Box<Scratch>>)> {
    if !matches!(inflow.begin().await, Ok(true)) {
        return None;
    }
    let mut scratch = line.desk.borrow_scratch();
    (answer.begun, answer.end_counts) = (false, listener.aborts_on_half_close);
    line.requests.set(line.requests.get().saturating_add(1));
    let rules = snapshot.rules(listener);
    let head =
        line.watch.limit(listener.limits.header_timeout, inflow.request(&rules, &mut scratch.request)).await;
    let head = head.unwrap_or(Err(Broken::Slow)).map_err(Broken::of_client);
    if head.is_err() {
        // Nothing of a head that was refused may be acted on, and nothing that follows it can be understood.
        scratch.request.clear();
    }
    let ends = match head {
        Err(Fault::ClientGone) => Ends::Close,
        head => {
            exchange::run(Setting { line, snapshot, listener }, &mut scratch, (inflow, answer), head).await
        }
    };
    if ends == Ends::Switch {
        return Some((ends, Some(scratch)));
    }
    line.desk.return_scratch(scratch);
    Some((ends, None))
}

/// Says goodbye and reads away what the client still sends: closing on unread bytes would reset the connection and
/// take the answer back that the client has not read yet.
async fn linger(line: &Line, stream: &Stream, inflow: &mut Inflow) {
    let farewell = async {
        drop(inflow.take_rest());
        stream.shutdown().await?;
        let mut left = LINGER_BYTES_MAX;
        while let Some(data) = stream.recv().await? {
            left = left.saturating_sub(data.len());
            if left == 0 {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    line.watch.bound(None);
    // Whatever the outcome, the connection is over.
    drop(line.watch.limit(LINGER, farewell).await);
}
