//! Pieces written by a thread that waits: in order, all of them, and with the kernel's word where it takes no more.

use crate::Case;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use weir_reactor::Spool;

const LONG: Duration = Duration::from_secs(20);

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("spool::pieces_are_appended_in_order", appends),
        ("spool::a_reader_that_stands_still_is_given_up", waits),
        ("spool::each_piece_is_a_datagram", sends_each),
    ]
}

fn appends() {
    let mut spool = Spool::new().unwrap();
    let mut file = tempfile().unwrap();
    file.write_all(b"before ").unwrap();
    for _ in 0..200 {
        assert_eq!(spool.append(file.as_fd(), &[b"one ", b"", b"two "], LONG).unwrap(), 8);
    }
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, format!("before {}", "one two ".repeat(200)));
    let full = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    assert_eq!(spool.append(full.as_fd(), &[b"x"], LONG).unwrap_err().raw_os_error(), Some(28), "no space");
}

fn sends_each() {
    let (here, there) = UnixDatagram::pair().unwrap();
    let mut spool = Spool::new().unwrap();
    let texts: Vec<String> = (0..8).map(|number| format!("line {number}")).collect();
    let pieces: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    assert!(matches!(spool.send_each(here.as_fd(), &pieces), (8, None)));
    let mut space = [0; 64];
    for text in &texts {
        let length = there.recv(&mut space).unwrap();
        assert_eq!(&space[..length], text.as_bytes());
    }
    drop(there);
    let (taken, error) = spool.send_each(here.as_fd(), &pieces);
    assert!(taken == 0 && error.is_some(), "nobody is there: {taken} {error:?}");
}

/// A pipe takes what fits, then nobody reads, then somebody does.
fn waits() {
    const MOMENT: Duration = Duration::from_millis(20);
    let (mut there, here) = std::io::pipe().unwrap();
    let mut spool = Spool::new().unwrap();
    let much = vec![b'x'; 1 << 20];
    let mut taken = spool.append(here.as_fd(), &[&much], MOMENT).unwrap();
    let error = loop {
        match spool.append(here.as_fd(), &[&much], MOMENT) {
            Ok(more) => taken += more,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(taken < much.len(), "a pipe is smaller: {taken}");
    there.read_exact(&mut vec![0; taken]).unwrap();
    assert_eq!(spool.append(here.as_fd(), &[b"again"], LONG).unwrap(), 5);
}

/// A file without a name.
fn tempfile() -> std::io::Result<std::fs::File> {
    let path = std::env::temp_dir().join(format!("weir-spool-{}", std::process::id()));
    let file = std::fs::OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}
