//! A map by its descriptor: element and batch calls whose buffers are checked against the map's own sizes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::{
    MAP_CREATE, MAP_DELETE_ELEM, MAP_LOOKUP_BATCH, MAP_LOOKUP_ELEM, MAP_UPDATE_BATCH, MAP_UPDATE_ELEM,
    address, address_mut, ask, call, number, open, owned,
};

/// What makes two maps interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// `enum bpf_map_type`.
    pub(crate) kind: u32,
    /// Bytes of a key.
    pub(crate) key: u32,
    /// Bytes of a value, of one CPU.
    pub(crate) value: u32,
    /// How many elements it holds at most.
    pub(crate) entries_max: u32,
    /// `BPF_F_…`.
    pub(crate) flags: u32,
}

/// The beginning of `struct bpf_map_info`.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct MapFacts {
    kind: u32,
    id: u32,
    key: u32,
    value: u32,
    entries_max: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    vmlinux: u32,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Create {
    kind: u32,
    key: u32,
    value: u32,
    entries_max: u32,
    flags: u32,
    inner: u32,
    numa: u32,
    name: [u8; 16],
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Element {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Batches {
    from: u64,
    to: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// A map and its sizes.
#[derive(Debug)]
pub(crate) struct Table {
    fd: OwnedFd,
    shape: Shape,
    /// Bytes of one value as the system call moves it: for a map per CPU, one rounded slot for each possible CPU.
    stride: usize,
}

/// Where a walk over a map has come to.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    cursor: Option<u64>,
    done: bool,
}

impl AsFd for Table {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Table {
    /// Opens the map pinned under a path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::from_fd(open(path)?)
    }

    /// Makes a new map; the name is shown by the kernel and cut to 15 bytes.
    pub(crate) fn create(shape: Shape, name: &str) -> io::Result<Self> {
        let mut attr = Create::new_zeroed();
        (attr.kind, attr.key, attr.value) = (shape.kind, shape.key, shape.value);
        (attr.entries_max, attr.flags) = (shape.entries_max, shape.flags);
        for (to, from) in attr.name.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        Self::from_fd(owned(call(MAP_CREATE, &mut attr)?))
    }

    fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let facts: MapFacts = ask(fd.as_fd())?;
        let shape = Shape {
            kind: facts.kind,
            key: facts.key,
            value: facts.value,
            entries_max: facts.entries_max,
            flags: facts.flags,
        };
        let one = usize::try_from(shape.value).map_err(io::Error::other)?;
        let stride = if is_per_cpu(shape.kind) { one.next_multiple_of(8) * possible_cpus()? } else { one };
        Ok(Self { fd, shape, stride })
    }

    /// The sizes.
    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of one value as the system call moves it.
    pub(crate) const fn stride(&self) -> usize {
        self.stride
    }

    fn checked(&self, key: &[u8], value: usize) -> io::Result<()> {
        let wanted = usize::try_from(self.shape.key).map_err(io::Error::other)?;
        if key.len() == wanted && value == self.stride {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }

    /// Reads one element into `value`; false when there is none.
    pub(crate) fn find(&self, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
        self.checked(key, value.len())?;
        let (key, value) = (address(key), address_mut(value));
        found(call(MAP_LOOKUP_ELEM, &mut Element { map: number(self.as_fd()), pad: 0, key, value, flags: 0 }))
    }

    /// Writes one element.
    pub(crate) fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.checked(key, value.len())?;
        let (key, value) = (address(key), address(value));
        let mut attr = Element { map: number(self.as_fd()), pad: 0, key, value, flags: 0 };
        call(MAP_UPDATE_ELEM, &mut attr).map(drop)
    }

    /// Removes one element; false when there was none.
    pub(crate) fn remove(&self, key: &[u8]) -> io::Result<bool> {
        self.checked(key, self.stride)?;
        let mut attr = Element { map: number(self.as_fd()), pad: 0, key: address(key), value: 0, flags: 0 };
        found(call(MAP_DELETE_ELEM, &mut attr))
    }

    /// Writes many elements, keys and values laid end to end, and returns how many the kernel took.
    pub(crate) fn put_many(&self, keys: &[u8], values: &[u8]) -> io::Result<u32> {
        let count = self.count(keys, values.len())?;
        let mut attr = Batches::new_zeroed();
        (attr.keys, attr.values, attr.count) = (address(keys), address(values), count);
        attr.map = number(self.as_fd());
        call(MAP_UPDATE_BATCH, &mut attr)?;
        Ok(attr.count)
    }

    /// Reads the next elements of a walk and returns how many; 0 at the end. Hash maps only: their cursor is
    /// four bytes wide.
    pub(crate) fn read_many(&self, walk: &mut Walk, keys: &mut [u8], values: &mut [u8]) -> io::Result<usize> {
        if walk.done {
            return Ok(0);
        }
        let count = self.count(keys, values.len())?;
        let mut from = walk.cursor.unwrap_or_default().to_ne_bytes();
        let mut to = [0_u8; 8];
        let mut attr = Batches::new_zeroed();
        attr.from = if walk.cursor.is_some() { address_mut(&mut from) } else { 0 };
        (attr.to, attr.keys, attr.values) = (address_mut(&mut to), address_mut(keys), address_mut(values));
        (attr.count, attr.map) = (count, number(self.as_fd()));
        walk.done = !found(call(MAP_LOOKUP_BATCH, &mut attr))?;
        walk.cursor = Some(u64::from_ne_bytes(to));
        usize::try_from(attr.count).map_err(io::Error::other)
    }

    fn count(&self, keys: &[u8], values: usize) -> io::Result<u32> {
        let size = usize::try_from(self.shape.key).map_err(io::Error::other)?;
        let count = keys.len().checked_div(size).unwrap_or_default();
        if count * size != keys.len() || count * self.stride != values {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        u32::try_from(count).map_err(io::Error::other)
    }
}

fn found(got: io::Result<i32>) -> io::Result<bool> {
    match got {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH and PERCPU_CGROUP_STORAGE.
const fn is_per_cpu(kind: u32) -> bool {
    matches!(kind, 5 | 6 | 10 | 21)
}

/// How many slots the kernel moves for a map per CPU: the CPUs that may ever be plugged in.
pub(crate) fn possible_cpus() -> io::Result<usize> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    cpus_in(&text).ok_or_else(|| io::Error::other(format!("possible CPUs read {text:?}")))
}

fn cpus_in(text: &str) -> Option<usize> {
    let mut count = 0;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        count += last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ranges_are_counted() {
        let check = |text: &str, count: Option<usize>| assert_eq!(cpus_in(text), count, "{text:?}");
        check("0\n", Some(1));
        check("0-3\n", Some(4));
        check("0-1,4,6-7", Some(5));
        check("", None);
        check("3-1", None);
    }
}
