//! Futures in memory that is kept for the next one of their size: what runs seldom and needs much room does not weigh on
//! what waits long, and costs no allocation once it has run as often at the same time before.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Pieces of one size that are kept beyond those in use.
const SPARE_MAX: usize = 256;
/// Pieces of one size that are kept in any case.
const KEEP_MIN: usize = 4;

/// Free pieces of one size.
struct Shelf {
    layout: Layout,
    free: Vec<NonNull<u8>>,
    /// How many were never needed since the last trimming.
    idle: usize,
}

/// All free pieces of a thread. There are as many sizes as there are kinds of futures that are nested.
#[derive(Default)]
struct Store(Vec<Shelf>);

thread_local! {
    static STORE: RefCell<Store> = RefCell::default();
}

impl Store {
    fn take(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let shelf = self.0.iter_mut().find(|shelf| shelf.layout == layout)?;
        let piece = shelf.free.pop();
        shelf.idle = shelf.idle.min(shelf.free.len());
        piece
    }

    /// Keeps a piece, or gives it back if there is no room for it.
    fn put(&mut self, layout: Layout, piece: NonNull<u8>) -> Result<(), NonNull<u8>> {
        let known = self.0.iter().position(|shelf| shelf.layout == layout);
        let at = known.unwrap_or_else(|| {
            self.0.push(Shelf { layout, free: Vec::new(), idle: 0 });
            self.0.len() - 1
        });
        match self.0.get_mut(at) {
            Some(shelf) if shelf.free.len() < SPARE_MAX => shelf.free.push(piece),
            _ => return Err(piece),
        }
        Ok(())
    }
}

impl Shelf {
    /// Frees the pieces that were put back first.
    fn free_first(&mut self, pieces: usize) {
        for piece in self.free.drain(..pieces) {
            // SAFETY: every piece on the shelf was allocated with its layout and is used by nobody.
            unsafe { dealloc(piece.as_ptr(), self.layout) }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|shelf| shelf.free_first(shelf.free.len()));
    }
}

/// Frees the pieces that were not needed since this was last called, but for a few of each size.
pub(crate) fn trim() {
    STORE.with_borrow_mut(|store| {
        for shelf in &mut store.0 {
            shelf.free_first(shelf.idle.saturating_sub(KEEP_MIN));
            shelf.idle = shelf.free.len();
        }
    });
}

/// Memory for one value; it returns to the store when this is dropped, also in the middle of a panic.
struct Piece {
    layout: Layout,
    at: NonNull<u8>,
}

impl Piece {
    /// Memory of this layout, whose size is not zero.
    fn new(layout: Layout) -> Piece {
        let kept = STORE.try_with(|store| store.borrow_mut().take(layout)).ok().flatten();
        let at = kept.unwrap_or_else(|| {
            // SAFETY: the caller promises that the size is not zero.
            let fresh = unsafe { alloc(layout) };
            NonNull::new(fresh).unwrap_or_else(|| handle_alloc_error(layout))
        });
        Piece { layout, at }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let kept = STORE.try_with(|store| store.borrow_mut().put(self.layout, self.at));
        if !matches!(kept, Ok(Ok(()))) {
            // SAFETY: the piece was allocated with this layout and nobody keeps it.
            unsafe { dealloc(self.at.as_ptr(), self.layout) };
        }
    }
}

/// A future in memory of its own. See [`nest`].
#[must_use = "futures do nothing unless polled"]
pub struct Nest<F> {
    future: NonNull<F>,
    /// Where the future lies; dropped after it.
    _piece: Piece,
}

/// Puts a future into memory that was used before, or into new memory if there is none.
#[inline]
pub fn nest<F: Future>(future: F) -> Nest<F> {
    const { assert!(size_of::<F>() > 0, "a future without a state needs no memory") };
    let piece = Piece::new(Layout::new::<F>());
    let place = piece.at.cast::<F>();
    // SAFETY: the piece has the size and alignment of the future, and nothing lives in it.
    unsafe { place.write(future) };
    Nest { future: place, _piece: piece }
}

impl<F: Future> Future for Nest<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future was written by `nest`, lives until self is dropped, and is reached through self only. It
        // never moves: its memory is its own, wherever self goes.
        unsafe { Pin::new_unchecked(self.future.as_mut()) }.poll(cx)
    }
}

impl<F> Unpin for Nest<F> {}

impl<F> Drop for Nest<F> {
    fn drop(&mut self) {
        // SAFETY: as above; afterwards nobody reaches the future, and then its memory is given back.
        unsafe { self.future.drop_in_place() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::task::Waker;

    fn poll<F: Future>(nested: &mut Nest<F>) -> Poll<F::Output> {
        Pin::new(nested).poll(&mut Context::from_waker(Waker::noop()))
    }

    async fn hold(value: Rc<u32>, stop: bool) -> u32 {
        if stop {
            std::future::pending::<()>().await;
        }
        *value
    }

    #[test]
    fn memory_is_used_again_and_what_lived_in_it_is_dropped() {
        let value = Rc::new(7);
        let mut first = nest(hold(Rc::clone(&value), false));
        let place = first.future;
        assert_eq!(poll(&mut first), Poll::Ready(7));
        drop(first);
        let mut second = nest(hold(Rc::clone(&value), true));
        assert_eq!(second.future, place, "the memory of the first");
        assert!(poll(&mut second).is_pending());
        let third = nest(hold(Rc::clone(&value), true));
        assert_ne!(third.future, place);
        drop((second, third));
        assert_eq!(Rc::strong_count(&value), 1, "also what was not finished, or never polled");
    }
}
