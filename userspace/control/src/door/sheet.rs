//! The memory of long answers, used again. A scraper comes every few seconds for more than a megabyte; to give that back and ask for
//! it anew has the kernel interrupt every processor on which a worker runs, and fill each page of it with zeros.

use std::cell::Cell;

/// More is not kept, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Memory for an answer, empty: that of an earlier one, if there was one.
pub fn spare() -> Vec<u8> {
    SPARE.take()
}

/// An answer that is sent. Its memory is kept for the next.
pub(super) struct Sheet(pub(super) Vec<u8>);

impl AsRef<[u8]> for Sheet {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        let kept = SPARE.take();
        let mut own = std::mem::take(&mut self.0);
        own.clear();
        let is_better = own.capacity() > kept.capacity() && own.capacity() <= KEPT_BYTES_MAX;
        SPARE.set(if is_better { own } else { kept });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn the_memory_of_one_answer_is_that_of_the_next() {
        let with = |bytes: usize| Bytes::from_owner(Sheet(vec![7; bytes]));
        drop((with(100_000), with(10)));
        let one = spare();
        assert!(one.is_empty() && one.capacity() >= 100_000, "the larger of both is kept");
        assert_eq!(spare().capacity(), 0, "it is given out once");
        let place = one.as_ptr();
        drop(Bytes::from_owner(Sheet(one)));
        let two = spare();
        assert_eq!(two.as_ptr(), place);
        drop(with(KEPT_BYTES_MAX + 1));
        assert_eq!(spare().capacity(), 0, "what is too large goes back to the system");
    }
}
