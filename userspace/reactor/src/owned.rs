//! What can be sent: bytes that own their memory, so that they can outlive the future that sends them.

use crate::buf::Buf;

/// Bytes that stay where they are.
///
/// # Safety
/// `bytes` must return the same memory, unchanged, from the first call until self is dropped, even if self is moved.
pub unsafe trait Owned: 'static {
    /// The bytes.
    fn bytes(&self) -> &[u8];
}

// SAFETY: the bytes lie on the heap and nobody else can reach them while a send owns the vector.
unsafe impl Owned for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

// SAFETY: as for a vector.
unsafe impl Owned for Box<[u8]> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

// SAFETY: static bytes neither move nor change.
unsafe impl Owned for &'static [u8] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

// SAFETY: the bytes lie in the pool, are out while this handle lives, and can be changed by no other handle.
unsafe impl Owned for Buf {
    fn bytes(&self) -> &[u8] {
        self
    }
}

// SAFETY: shared bytes are immutable and counted; moving the handle leaves them in place.
unsafe impl Owned for bytes::Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }
}

// SAFETY: as for the bytes inside.
unsafe impl Owned for std::rc::Rc<[u8]> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Several pieces that are sent as one.
///
/// # Safety
/// Each piece must keep the promise of [`Owned`], and `len` and the order must not change.
pub unsafe trait OwnedList: 'static {
    /// How many pieces there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A piece by its number.
    fn piece(&self, index: usize) -> &[u8];
}

// SAFETY: each piece is owned.
unsafe impl<A: Owned, B: Owned> OwnedList for (A, B) {
    fn len(&self) -> usize {
        2
    }
    fn piece(&self, index: usize) -> &[u8] {
        if index == 0 { self.0.bytes() } else { self.1.bytes() }
    }
}

// SAFETY: each piece is owned.
unsafe impl<A: Owned, B: Owned, C: Owned> OwnedList for (A, B, C) {
    fn len(&self) -> usize {
        3
    }
    fn piece(&self, index: usize) -> &[u8] {
        match index {
            0 => self.0.bytes(),
            1 => self.1.bytes(),
            _ => self.2.bytes(),
        }
    }
}

// SAFETY: each piece is owned, and the vector is not reachable while a send owns it.
unsafe impl<A: Owned> OwnedList for Vec<A> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }
    fn piece(&self, index: usize) -> &[u8] {
        self.get(index).map_or(&[], Owned::bytes)
    }
}
