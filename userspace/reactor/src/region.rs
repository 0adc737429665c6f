//! A piece of anonymous memory: page-aligned, zeroed, not backed until it is touched.

use std::io;
use std::ops::Range;
use std::ptr::NonNull;

/// The smallest page of the machines that this runs on; larger ones make the system refuse some parts.
const PAGE: usize = 4096;

/// A private anonymous mapping, unmapped on drop.
pub(crate) struct Region {
    base: NonNull<u8>,
    bytes: usize,
}

impl Region {
    pub(crate) fn new(bytes: usize) -> io::Result<Region> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping touches no memory that anyone else owns.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Region { base, bytes })
    }

    /// The address of the byte at `offset`, which is held within the mapping.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset < self.bytes);
        // SAFETY: the offset is clamped to the mapping, which lives as long as self.
        unsafe { self.base.as_ptr().add(offset.min(self.bytes)) }
    }
}

impl Region {
    /// Gives the whole pages of a part back to the system; they are zeroed when they are touched again. Nobody uses them.
    pub(crate) fn forget(&self, part: Range<usize>) {
        let first = part.start.next_multiple_of(PAGE);
        let end = part.end.min(self.bytes) / PAGE * PAGE;
        if first < end {
            // SAFETY: the pages lie within the mapping; the caller says that nobody uses what is in them. Where the system
            // refuses they stay as they are.
            let _refused = unsafe { libc::madvise(self.at(first).cast(), end - first, libc::MADV_DONTNEED) };
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: base and bytes are what mmap returned, and self is the only owner.
        let unmapped = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(unmapped, 0);
    }
}
