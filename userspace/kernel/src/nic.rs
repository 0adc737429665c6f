//! What a network card says of itself through ethtool: its driver, queues and offloads.
#![expect(unsafe_code, reason = "ioctl(2) has no safe form")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A card as its driver describes it. What the driver does not tell is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Card {
    pub(crate) driver: Option<String>,
    /// Pairs of queues, or receive queues.
    pub(crate) queues: Option<u32>,
    /// Large receive offload, which native XDP cannot have.
    pub(crate) merges_on_receive: Option<bool>,
    /// VLAN tags are taken off before XDP sees the frame.
    pub(crate) strips_vlan: Option<bool>,
}

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const GET_DRIVER: u32 = 0x03;
const GET_FLAGS: u32 = 0x25;
const GET_CHANNELS: u32 = 0x3c;
const FLAG_RXVLAN: u32 = 1 << 8;
const FLAG_LRO: u32 = 1 << 15;

/// The words of `ethtool_drvinfo`, the longest answer asked for.
const WORDS: usize = 64;

impl Card {
    /// Asks the driver of an interface in this network namespace.
    pub(crate) fn of(name: &str) -> io::Result<Self> {
        let socket = socket()?;
        let ask = |command: u32| ask(&socket, name, command).ok();
        let flags = ask(GET_FLAGS).map(|words| word(&words, 1));
        Ok(Self {
            driver: ask(GET_DRIVER).map(|words| driver(&words)),
            queues: ask(GET_CHANNELS)
                .map(|words| word(&words, 8).max(word(&words, 5)))
                .filter(|&count| count > 0),
            merges_on_receive: flags.map(|flags| flags & FLAG_LRO != 0),
            strips_vlan: flags.map(|flags| flags & FLAG_RXVLAN != 0),
        })
    }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) has no memory arguments.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `struct ifreq` as SIOCETHTOOL reads it.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    answer: *mut u32,
    rest: [u8; 16],
}

fn ask(socket: &OwnedFd, name: &str, command: u32) -> io::Result<[u32; WORDS]> {
    let mut words = [0; WORDS];
    if let Some(first) = words.first_mut() {
        *first = command;
    }
    let mut request = Request { name: [0; libc::IFNAMSIZ], answer: words.as_mut_ptr(), rest: [0; 16] };
    for (to, from) in request.name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: `request` and `words` outlive the call; every answer asked for here is shorter than `words`.
    match unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) } {
        0 => Ok(words),
        _ => Err(io::Error::last_os_error()),
    }
}

fn word(words: &[u32], at: usize) -> u32 {
    words.get(at).copied().unwrap_or_default()
}

/// The name stands in the 32 bytes after the command.
fn driver(words: &[u32; WORDS]) -> String {
    let bytes = words.iter().skip(1).take(8).flat_map(|word| word.to_ne_bytes());
    String::from_utf8_lossy(&bytes.take_while(|&byte| byte != 0).collect::<Vec<u8>>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_name_ends_at_its_zero() {
        let mut words = [0; WORDS];
        words[1] = u32::from_ne_bytes(*b"veth");
        assert_eq!(driver(&words), "veth");
        words[2] = u32::from_ne_bytes(*b"42\0x");
        assert_eq!(driver(&words), "veth42");
    }

    #[test]
    fn an_interface_that_is_not_there_tells_nothing() {
        assert_eq!(Card::of("weir-none").unwrap(), Card::default());
    }
}
