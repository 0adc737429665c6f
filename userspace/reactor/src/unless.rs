//! A future that something else may end. It is polled where it lies and lies there once, which `async` code that takes a
//! future, pins it and awaits it does not achieve: there it has two places.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs a future until it is ready or `stop` is, which is asked each time the future has to wait. The future's output, or
/// what `stop` says.
pub fn unless<F: Future, S: FnMut(&mut Context<'_>) -> Poll<E>, E>(stop: S, future: F) -> Unless<F, S> {
    Unless { future, stop }
}

/// See [`unless`].
#[must_use = "futures do nothing unless polled"]
pub struct Unless<F, S> {
    future: F,
    stop: S,
}

impl<F: Future, S: FnMut(&mut Context<'_>) -> Poll<E>, E> Future for Unless<F, S> {
    type Output = Result<F::Output, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the inner future is pinned with self: it is neither moved out nor reachable otherwise. The closure is
        // never pinned.
        let (future, stop) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.stop)
        };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        stop(cx).map(Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::Waker;

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_future_goes_before_what_would_end_it() {
        let mut asked = 0;
        let stop = |_: &mut Context<'_>| {
            asked += 1;
            Poll::Ready('e')
        };
        assert_eq!(poll(unless(stop, ready(1))), Poll::Ready(Ok(1)));
        assert_eq!(asked, 0, "nobody waited");
        assert_eq!(poll(unless(|_| Poll::Ready('e'), pending::<u8>())), Poll::Ready(Err('e')));
        assert_eq!(poll(unless(|_| Poll::<char>::Pending, pending::<u8>())), Poll::Pending);
    }

    #[test]
    fn the_future_takes_no_more_room_than_it_has() {
        let future = async {
            let large = [1_u8; 1000];
            std::future::ready(()).await;
            large.len()
        };
        let bare = size_of_val(&future);
        assert!(size_of_val(&unless(|_| Poll::<()>::Pending, future)) <= bare + 8);
    }
}
