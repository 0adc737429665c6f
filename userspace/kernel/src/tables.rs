//! The kernel's tables by their pins: rules and lists swapped whole, counters and port states read.
//!
//! Everything here works on pins alone, so that `weir shield status` needs no running weir. A record inside an array of
//! maps is pinned beside it: reading it back through the array would take CAP_SYS_ADMIN.

use std::cell::OnceCell;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use weir_wire::list::image::Image;
use weir_wire::list::{self, Front, Line, Lines};
use weir_wire::port::{PORT_RULES, PortState};
use weir_wire::{Address, Mark, Rules, counter::Counts, table};

use crate::Error;
use crate::bpf::Shape;
use crate::map::Map;
use crate::object;
use crate::pins::Pins;

const KIND_ARRAY: u32 = 2;

/// Where the record is pinned that stands in an array of maps.
pub(crate) fn now(outer: &str) -> String {
    format!("{outer}-now")
}

/// The tables that the program reads and writes.
#[derive(Debug)]
pub(crate) struct Tables {
    pins: PathBuf,
    rules: Map<u32, u32>,
    lists: Map<u32, u32>,
    lines: Map<u32, u32>,
    counts: Map<u32, Counts>,
    ports: Map<u32, PortState>,
}

impl Tables {
    pub(crate) fn open(pins: &Path) -> Result<Self, Error> {
        Ok(Self {
            pins: pins.to_owned(),
            rules: Map::open(pins, table::RULES)?,
            lists: Map::open(pins, table::LISTS)?,
            lines: Map::open(pins, table::LINES)?,
            counts: Map::open(pins, table::COUNTS)?,
            ports: Map::open(pins, table::PORT_STATES)?,
        })
    }

    /// The rules in force; none before the first plan.
    pub(crate) fn rules(&self) -> Result<Option<Box<Rules>>, Error> {
        match self.now::<Rules>(table::RULES)? {
            Some(map) => map.find_boxed(&0),
            None => Ok(None),
        }
    }

    /// Puts new rules in force between two packets.
    pub(crate) fn set_rules(&self, rules: &Rules) -> Result<(), Error> {
        let inner: Map<u32, Rules> = Map::create(array::<Rules>(1, table::RULES)?, table::RULES)?;
        inner.put(&0, rules)?;
        self.rules.put(&0, &descriptor(&inner))?;
        self.keep(&inner, table::RULES)
    }

    /// Puts new lists in force between two packets: the lines first, into the slot that the present front does not
    /// name; then the front that names it; then the old lines are let go. Setting a slot waits until every packet
    /// that read the old one is done, so no packet meets a front without its lines.
    pub(crate) fn set_lists(&self, image: &mut Image) -> Result<(), Error> {
        // One that cannot be read was pinned by another build, and is nothing that this program reads.
        let slot = 1 - self.front().ok().flatten().map_or(1, |front| front.deep.min(1));
        let length = u32::try_from(image.lines.len().max(1)).unwrap_or(u32::MAX);
        let lines: Map<u32, Line> = Map::create(array::<Line>(length, table::LINES)?, table::LINES)?;
        let keys: Vec<u32> = (0..length).collect();
        lines.put_many(&keys, &image.lines)?;
        self.lines.put(&slot, &descriptor(&lines))?;

        image.front.deep = slot;
        let front: Map<u32, Front> = Map::create(array::<Front>(1, table::LISTS)?, table::LISTS)?;
        front.put(&0, &image.front)?;
        self.lists.put(&0, &descriptor(&front))?;
        self.lines.remove(&(1 - slot))?;

        self.keep(&lines, table::LINES)?;
        self.keep(&front, table::LISTS)
    }

    /// What the lists in force say of an address, by the very code that the kernel runs.
    pub(crate) fn mark(&self, address: Address) -> Result<Mark, Error> {
        let (Some(front), Some(map)) = (self.front()?, self.now::<Line>(table::LINES)?) else {
            return Ok(Mark::None);
        };
        let length = usize::try_from(map.table().shape().entries_max).unwrap_or_default();
        let read = ReadLines { map, cells: (0..length).map(|_| OnceCell::new()).collect() };
        Ok(list::find(&front, &read, address))
    }

    fn front(&self) -> Result<Option<Box<Front>>, Error> {
        match self.now::<Front>(table::LISTS)? {
            Some(map) => map.find_boxed(&0),
            None => Ok(None),
        }
    }

    /// All counters, of every CPU.
    pub(crate) fn counts(&self) -> Result<Vec<Counts>, Error> {
        self.counts.per_cpu(&0)
    }

    /// The state of every port rule that is in use.
    pub(crate) fn port_states(&self) -> Result<Vec<PortState>, Error> {
        let rules = u32::try_from(PORT_RULES).unwrap_or(u32::MAX);
        (0..rules).map(|rule| Ok(self.ports.find(&rule)?.unwrap_or_default())).collect()
    }

    fn now<V: crate::map::Plain>(&self, outer: &str) -> Result<Option<Map<u32, V>>, Error> {
        let name = now(outer);
        if self.pins.join(&name).exists() { Map::open(&self.pins, &name).map(Some) } else { Ok(None) }
    }

    /// Pins a record that is now in force, in place of the one before.
    fn keep<V>(&self, inner: &Map<u32, V>, outer: &str) -> Result<(), Error>
    where
        V: crate::map::Plain,
    {
        Pins::at(&self.pins).keep(&now(outer), inner.table().as_fd())
    }
}

/// The lines of the lists in force, each read from the kernel when it is first looked at.
struct ReadLines {
    map: Map<u32, Line>,
    cells: Vec<OnceCell<Box<Line>>>,
}

impl Lines for ReadLines {
    fn line(&self, index: u32) -> Option<&Line> {
        let cell = self.cells.get(usize::try_from(index).ok()?)?;
        if cell.get().is_none() {
            let line = self.map.find(&index).ok().flatten()?;
            drop(cell.set(Box::new(line)));
        }
        cell.get().map(Box::as_ref)
    }
}

/// The shape of an array of `V` that may stand inside the map of maps `outer`.
fn array<V>(entries_max: u32, outer: &str) -> Result<Shape, Error> {
    let value = u32::try_from(size_of::<V>()).unwrap_or(u32::MAX);
    Ok(Shape { kind: KIND_ARRAY, key: 4, value, entries_max, flags: object::inner_flags(outer)? })
}

/// How an array of maps names a map that is put into it.
fn descriptor<K: crate::map::Plain, V: crate::map::Plain>(map: &Map<K, V>) -> u32 {
    map.table().as_fd().as_raw_fd().unsigned_abs()
}
