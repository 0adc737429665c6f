//! What the kernel says about an interface: number, MTU, state, and the XDP program that owns it.
#![expect(unsafe_code, reason = "socket calls that the standard library does not have")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An interface as the kernel describes it now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) mtu: u32,
    pub(crate) is_up: bool,
    /// The XDP program in each way of attaching; 0 where there is none.
    pub(crate) native: u32,
    pub(crate) generic: u32,
}

impl Interface {
    /// The program that owns the interface, in whichever way.
    pub(crate) const fn program(&self) -> Option<u32> {
        match (self.native, self.generic) {
            (0, 0) => None,
            (0, id) | (id, _) => Some(id),
        }
    }

    /// Asks the kernel; none when there is no such interface in this network namespace.
    pub(crate) fn find(name: &str) -> io::Result<Option<Self>> {
        let Some(index) = index_of(name)? else { return Ok(None) };
        match ask(index) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn index_of(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name).map_err(io::Error::other)?;
    // SAFETY: `name` is a live string that ends in a zero byte.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => Ok(None),
            error => Err(error),
        },
        index => Ok(Some(index)),
    }
}

const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const IFLA_MTU: u16 = 4;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const ATTACHED_SKB: u8 = 2;

/// Bytes of `nlmsghdr` and of `ifinfomsg`.
const HEADER: usize = 16;

fn ask(index: u32) -> io::Result<Interface> {
    // SAFETY: socket(2) has no memory arguments.
    let socket =
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and known to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let request = request(index);
    // SAFETY: `request` lives through the call and its length is given.
    if unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = vec![0_u8; 64 * 1024];
    // SAFETY: the kernel writes at most the length given into `answer`, which is borrowed here alone.
    let got = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    let length = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    parse(answer.get(..length).unwrap_or_default())
}

fn request(index: u32) -> [u8; 2 * HEADER] {
    let mut message = [0; 2 * HEADER];
    let (length, kind, flags) = (32_u32, RTM_GETLINK, 1_u16);
    let fields = length.to_ne_bytes().into_iter().chain(kind.to_ne_bytes()).chain(flags.to_ne_bytes());
    for (to, from) in message.iter_mut().zip(fields) {
        *to = from;
    }
    for (to, from) in message.iter_mut().skip(HEADER + 4).zip(index.to_ne_bytes()) {
        *to = from;
    }
    message
}

/// Reads the answer to RTM_GETLINK.
fn parse(message: &[u8]) -> io::Result<Interface> {
    let short = || io::Error::other("the kernel's answer about the interface is too short");
    if u16_at(message, 4) == Some(NLMSG_ERROR) {
        let code = u32_at(message, HEADER).ok_or_else(short)?.cast_signed();
        return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
    }
    let index = u32_at(message, HEADER + 4).ok_or_else(short)?;
    let flags = u32_at(message, HEADER + 8).ok_or_else(short)?;
    let mut found = Interface { index, is_up: flags & 1 != 0, ..Interface::default() };
    for (kind, value) in attributes(message.get(2 * HEADER..).unwrap_or_default()) {
        match kind {
            IFLA_MTU => found.mtu = u32_at(value, 0).unwrap_or_default(),
            IFLA_XDP => found.learn_programs(value),
            _ => {}
        }
    }
    Ok(found)
}

impl Interface {
    fn learn_programs(&mut self, nested: &[u8]) {
        let mut attached = 0;
        let mut only = 0;
        for (kind, value) in attributes(nested) {
            let id = u32_at(value, 0).unwrap_or_default();
            match kind {
                IFLA_XDP_ATTACHED => attached = value.first().copied().unwrap_or_default(),
                IFLA_XDP_PROG_ID => only = id,
                IFLA_XDP_DRV_PROG_ID => self.native = id,
                IFLA_XDP_SKB_PROG_ID => self.generic = id,
                _ => {}
            }
        }
        if self.native == 0 && self.generic == 0 {
            *(if attached == ATTACHED_SKB { &mut self.generic } else { &mut self.native }) = only;
        }
    }
}

/// Netlink attributes: length with header, kind with two flag bits on top, value, padding to four bytes.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|word| u16::from_ne_bytes(*word))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn answer(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut message = request(7).to_vec();
        message[HEADER + 8] = 1;
        message.extend(attributes.concat());
        message
    }

    #[test]
    fn programs_are_found_by_the_way_they_are_attached() {
        let check = |attached: u8, ids: &[(u16, u32)], native: u32, generic: u32| {
            let mut nested = attribute(IFLA_XDP_ATTACHED, &[attached]);
            for &(kind, id) in ids {
                nested.extend(attribute(kind, &id.to_ne_bytes()));
            }
            let found =
                parse(&answer(&[attribute(IFLA_MTU, &1500_u32.to_ne_bytes()), attribute(IFLA_XDP, &nested)]))
                    .unwrap();
            assert_eq!((found.index, found.mtu, found.is_up), (7, 1500, true));
            assert_eq!((found.native, found.generic), (native, generic));
        };
        check(0, &[], 0, 0);
        check(1, &[(IFLA_XDP_PROG_ID, 5)], 5, 0);
        check(2, &[(IFLA_XDP_PROG_ID, 5)], 0, 5);
        check(4, &[(IFLA_XDP_DRV_PROG_ID, 5), (IFLA_XDP_SKB_PROG_ID, 6)], 5, 6);
    }

    #[test]
    fn a_broken_answer_is_an_error_and_not_a_panic() {
        let whole = answer(&[attribute(IFLA_XDP, &attribute(IFLA_XDP_PROG_ID, &[1, 0, 0, 0]))]);
        for length in 0..whole.len() {
            let read = parse(&whole[..length]);
            assert_eq!(read.is_err(), length < HEADER + 12, "{length}");
        }
    }

    #[test]
    fn loopback_is_there_and_nonsense_is_not() {
        assert_eq!(Interface::find("lo").unwrap().map(|found| found.index), Some(1));
        assert_eq!(Interface::find("weir-none").unwrap(), None);
    }
}
