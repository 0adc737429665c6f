//! A piece of a pool buffer: received bytes, or an empty one to write into. It goes back to the pool on drop.

use crate::here;
use crate::pool::{Bid, Pool};
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// Bytes in a pool buffer. Cloning shares the buffer; the last clone returns it.
pub struct Buf {
    pool: Rc<Pool>,
    start: u32,
    end: u32,
    bid: Bid,
}

impl Buf {
    /// The received bytes of a buffer whose one share the caller hands over.
    pub(crate) fn received(pool: Rc<Pool>, bid: Bid) -> Buf {
        let end = pool.bytes(bid).min(pool.buffer_bytes());
        Buf { pool, start: 0, end, bid }
    }

    /// An empty buffer of the current reactor to write into; none when the pool is exhausted.
    #[must_use]
    pub fn take() -> Option<Buf> {
        let pool = here::with(|hub| Rc::clone(&hub.pool));
        let bid = pool.take()?;
        Some(Buf { pool, start: 0, end: 0, bid })
    }

    /// Drops the first `n` bytes, at most all.
    pub fn advance(&mut self, n: usize) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// Keeps the first `n` bytes.
    pub fn truncate(&mut self, n: usize) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.end = self.start.saturating_add(n).min(self.end);
    }

    /// Takes the first `n` bytes, at most all, off into a buffer of their own that shares the memory.
    #[must_use]
    pub fn split_to(&mut self, n: usize) -> Buf {
        let mut front = self.clone();
        front.truncate(n);
        self.advance(n);
        front
    }

    /// The bytes, to be changed in place; only while no clone shares them.
    pub fn unique(&mut self) -> Option<&mut [u8]> {
        if !self.pool.is_unshared(self.bid) {
            return None;
        }
        let bytes = (self.end - self.start) as usize;
        // SAFETY: start..end lies within the buffer, which is out of the kernel's ring while self lives, and no other
        // handle shares it while self is borrowed mutably.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.pool.at(self.bid).add(self.start as usize), bytes)
        })
    }

    /// Appends as much of `bytes` as fits and returns how much that was; nothing while a clone shares the buffer.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let room = self.room();
        let old = self.end;
        let n = bytes.len().min(room);
        self.end += u32::try_from(n).unwrap_or(0);
        let skip = (old - self.start) as usize;
        if let (Some(all), Some(bytes)) = (self.unique(), bytes.get(..n))
            && let Some(tail) = all.get_mut(skip..)
        {
            tail.copy_from_slice(bytes);
            return n;
        }
        self.end = old;
        0
    }

    /// How many bytes can be appended.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.pool.buffer_bytes() - self.end) as usize
    }
}

impl Deref for Buf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let bytes = (self.end - self.start) as usize;
        // SAFETY: start..end lies within the buffer; the memory is initialized (a zeroed mapping) and out of the
        // kernel's ring while self lives; it changes only through `unique`, which excludes shares.
        unsafe { std::slice::from_raw_parts(self.pool.at(self.bid).add(self.start as usize), bytes) }
    }
}

impl Clone for Buf {
    fn clone(&self) -> Buf {
        self.pool.share(self.bid);
        Buf { pool: Rc::clone(&self.pool), start: self.start, end: self.end, bid: self.bid }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        self.pool.give(self.bid);
    }
}

impl AsRef<[u8]> for Buf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buf({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buf(pool: &Rc<Pool>) -> Buf {
        let bid = pool.take().unwrap();
        Buf { pool: Rc::clone(pool), start: 0, end: 0, bid }
    }

    #[test]
    fn appending_and_splitting() {
        let pool = Rc::new(Pool::new(2, 8).unwrap());
        let mut all = buf(&pool);
        assert_eq!(all.append(b"hello world"), 8);
        assert_eq!(&*all, b"hello wo");
        assert_eq!(all.append(b"x"), 0);
        let front = all.split_to(5);
        assert_eq!((&*front, &*all), (&b"hello"[..], &b" wo"[..]));
        assert!(all.unique().is_none(), "the front shares it");
        drop(front);
        all.unique().unwrap()[0] = b'_';
        assert_eq!(&*all, b"_wo");
        all.advance(100);
        assert!(all.is_empty());
        drop(all);
        assert_eq!(pool.live(), (0, 1));
    }

    #[test]
    fn truncation_makes_room_again() {
        let pool = Rc::new(Pool::new(1, 8).unwrap());
        let mut b = buf(&pool);
        b.append(b"12345678");
        b.truncate(2);
        assert_eq!(b.room(), 6);
        assert_eq!(b.append(b"ab"), 2);
        assert_eq!(&*b, b"12ab");
    }
}
