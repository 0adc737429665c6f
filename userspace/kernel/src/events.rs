//! Sampled drops, read from the kernel's ring. No runtime is needed: the descriptor can be polled by any.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use aya::maps::{Map, MapData, RingBuf};
use serde::Serialize;
use weir_wire::{Reason, table};
use zerocopy::FromBytes;

use crate::clock;
use crate::{Complaint, Error};

/// The ring of one shield. It has one reader: what one takes, another does not see.
pub struct Events {
    ring: RingBuf<MapData>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Events").field("fd", &self.as_raw_fd()).finish()
    }
}

/// A packet that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// How long ago, in nanoseconds.
    pub ago_ns: u64,
    /// Who sent it; unspecified if the frame was too broken to tell.
    pub source: IpAddr,
    /// From which port, or 0.
    pub source_port: u16,
    /// To whom.
    pub destination: IpAddr,
    /// To which port, or 0.
    pub destination_port: u16,
    /// The IP protocol.
    pub protocol: u8,
    /// TCP flags, or 0.
    pub tcp_flags: u8,
    /// Bytes in the frame.
    pub length: u32,
    /// The number of the interface it came in by.
    pub interface: u32,
    /// Why it was refused.
    pub reason: &'static str,
    /// The stage that refused it.
    pub stage: &'static str,
    /// Whether the stage only observed, and the packet passed.
    pub observed: bool,
}

impl Events {
    /// Opens the ring pinned in this directory.
    ///
    /// # Errors
    /// There is no shield with these pins.
    pub fn open(pin_directory: &Path) -> Result<Self, Error> {
        let path = pin_directory.join(table::EVENTS);
        let wrong = |error: &dyn std::error::Error| {
            Error::Unavailable(Complaint::new(
                format!("open the ring of events {}", path.display()),
                error.to_string(),
                "the shield is not attached: start weir, or name its pin directory",
            ))
        };
        let data = MapData::from_pin(&path).map_err(|error| wrong(&error))?;
        let ring = Map::from_map_data(data).and_then(RingBuf::try_from).map_err(|error| wrong(&error))?;
        Ok(Self { ring })
    }

    /// The next event, if one is there. Never waits.
    pub fn take(&mut self) -> Option<Event> {
        loop {
            let item = self.ring.next()?;
            // A record of another size or with an unknown reason was written by another version; it is skipped.
            let read =
                weir_wire::Event::read_from_prefix(&item).ok().and_then(|(event, _)| Event::read(&event));
            if read.is_some() {
                return read;
            }
        }
    }
}

impl AsRawFd for Events {
    /// Readable when there are events.
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl Event {
    fn read(event: &weir_wire::Event) -> Option<Self> {
        let reason = Reason::find(event.reason)?;
        Some(Self {
            ago_ns: clock::monotonic_ns().saturating_sub(event.at_ns),
            source: event.source.into(),
            source_port: event.source_port,
            destination: event.destination.into(),
            destination_port: event.destination_port,
            protocol: event.protocol,
            tcp_flags: event.tcp_flags,
            length: event.length,
            interface: event.interface,
            reason: reason.as_str(),
            stage: reason.stage().as_str(),
            observed: event.observed != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_words_and_an_unknown_one_nothing() {
        let source: IpAddr = [192, 0, 2, 1].into();
        let record = weir_wire::Event {
            source: source.into(),
            reason: Reason::Banned as u8,
            observed: 1,
            ..Default::default()
        };
        let event = Event::read(&record).unwrap();
        assert_eq!(
            (event.source, event.reason, event.stage, event.observed),
            (source, "banned", "ban", true)
        );
        assert_eq!(Event::read(&weir_wire::Event { reason: 250, ..record }), None);
    }
}
