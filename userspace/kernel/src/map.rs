//! A table of the kernel with typed keys and values, opened by its pin.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::Error;
use crate::bpf::{Shape, Table, Walk};

/// What may lie in a table: plain bytes without padding.
pub(crate) trait Plain: FromBytes + IntoBytes + Immutable {}
impl<T: FromBytes + IntoBytes + Immutable> Plain for T {}

/// A map from `K` to `V`. A map per CPU is read with [`Map::per_cpu`] only.
#[derive(Debug)]
pub(crate) struct Map<K, V> {
    table: Table,
    path: PathBuf,
    kind: PhantomData<fn(K) -> V>,
}

/// Elements moved by one call when a map is read whole.
const BATCH: usize = 4096;

impl<K: Plain, V: Plain> Map<K, V> {
    /// Opens the map of this name in a pin directory.
    pub(crate) fn open(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(name);
        let table = Table::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::unavailable(
                format!("open the table {}", path.display()),
                "it does not exist",
                "the shield is not attached: start weir, or name its pin directory",
            ),
            _ => Error::os(format!("open the table {}", path.display()), &error),
        })?;
        let shape = table.shape();
        if (bytes(shape.key), bytes(shape.value)) != (size_of::<K>(), size_of::<V>()) {
            return Err(Error::unavailable(
                format!("open the table {}", path.display()),
                format!("it was made by another version of weir: {shape:?}"),
                "restart weir, which replaces it, or run `weir shield detach`",
            ));
        }
        Ok(Self { table, path, kind: PhantomData })
    }

    /// Makes a map of its own, without a pin.
    pub(crate) fn create(shape: Shape, name: &str) -> Result<Self, Error> {
        let table = Table::create(shape, name).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOMEM) => Error::unavailable(
                format!("make the table {name} for {} elements", shape.entries_max),
                "the kernel has no memory for it",
                "make the lists shorter, or give the machine more memory",
            ),
            _ => Error::os(format!("make the table {name}"), &error),
        })?;
        Ok(Self { table, path: PathBuf::from(name), kind: PhantomData })
    }

    pub(crate) const fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn find(&self, key: &K) -> Result<Option<V>, Error> {
        let mut value = V::new_zeroed();
        let found = self.table.find(key.as_bytes(), value.as_mut_bytes());
        Ok(self.said("read", found)?.then_some(value))
    }

    /// As [`Self::find`], for values too large for the stack.
    pub(crate) fn find_boxed(&self, key: &K) -> Result<Option<Box<V>>, Error> {
        let mut value = V::new_box_zeroed().map_err(|_| self.wrong("read", &out_of_memory()))?;
        let found = self.table.find(key.as_bytes(), value.as_mut_bytes());
        Ok(self.said("read", found)?.then_some(value))
    }

    pub(crate) fn put(&self, key: &K, value: &V) -> Result<(), Error> {
        self.said("write to", self.table.put(key.as_bytes(), value.as_bytes()))
    }

    /// Whether there was such an element.
    pub(crate) fn remove(&self, key: &K) -> Result<bool, Error> {
        self.said("remove from", self.table.remove(key.as_bytes()))
    }

    /// Writes many elements with few calls.
    pub(crate) fn put_many(&self, keys: &[K], values: &[V]) -> Result<(), Error> {
        for (keys, values) in keys.chunks(1 << 16).zip(values.chunks(1 << 16)) {
            self.said("write to", self.table.put_many(keys.as_bytes(), values.as_bytes()))?;
        }
        Ok(())
    }

    /// Everything in a hash map, as it stands while it is being read.
    pub(crate) fn read_all(&self) -> Result<Vec<(K, V)>, Error>
    where
        K: Copy,
        V: Copy,
    {
        let mut all = Vec::new();
        let mut walk = Walk::default();
        let mut keys = [K::new_zeroed()].repeat(BATCH);
        let mut values = [V::new_zeroed()].repeat(BATCH);
        loop {
            let read = self.table.read_many(&mut walk, keys.as_mut_bytes(), values.as_mut_bytes());
            match self.said("read", read)? {
                0 => return Ok(all),
                count => all.extend(keys.iter().copied().zip(values.iter().copied()).take(count)),
            }
        }
    }

    /// The value of every possible CPU.
    pub(crate) fn per_cpu(&self, key: &K) -> Result<Vec<V>, Error> {
        let mut values = vec![0; self.table.stride()];
        let found = self.table.find(key.as_bytes(), &mut values);
        self.said("read", found)?;
        let slots = values.chunks_exact(size_of::<V>().next_multiple_of(8).max(8));
        Ok(slots.filter_map(|slot| V::read_from_prefix(slot).ok()).map(|(value, _)| value).collect())
    }

    fn said<T>(&self, doing: &str, result: io::Result<T>) -> Result<T, Error> {
        result.map_err(|error| self.wrong(doing, &error))
    }

    fn wrong(&self, doing: &str, error: &io::Error) -> Error {
        Error::os(format!("{doing} the table {}", self.path.display()), error)
    }
}

fn bytes(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn out_of_memory() -> io::Error {
    io::Error::from(io::ErrorKind::OutOfMemory)
}
