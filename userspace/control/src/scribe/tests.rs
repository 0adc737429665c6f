//! What becomes of lines whose target is well, full, slow or gone.
use super::*;
use std::io::Read;
use std::time::Instant;
use weir_meter::log::Journal;

const PATIENCE: Duration = Duration::from_secs(10);

fn line(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"a\":1}\n");
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

fn start(target: &Target) -> (Scribe, Journal, Arc<Ledger>) {
    let ledger = Arc::default();
    let (scribe, mut hoses) = Scribe::start(target, true, (1, 0), &ledger).unwrap();
    let mut journal = Journal::default();
    journal.turn_to(hoses.pop());
    (scribe, journal, ledger)
}

#[test]
fn lines_are_appended_and_the_file_is_opened_anew() {
    let room = tempfile::tempdir().unwrap();
    let (path, old) = (room.path().join("access.json"), room.path().join("access.json.1"));
    std::fs::write(&path, "before\n").unwrap();
    let (scribe, mut journal, ledger) = start(&Target::File(path.clone()));
    journal.add(line);
    journal.flush();
    until("the first line is written", || ledger.lines() == 1);
    std::fs::rename(&path, &old).unwrap();
    scribe.reopen();
    until("the file is there again", || path.exists());
    journal.add(line);
    assert_eq!(journal.turn_to(None), 0);
    scribe.close(PATIENCE);
    assert_eq!(std::fs::read_to_string(old).unwrap(), "before\n{\"a\":1}\n");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"a\":1}\n");
    assert_eq!((ledger.lines(), ledger.bytes(), ledger.failed()), (2, 16, 0));
}

/// F9: `/dev/full` takes nothing, as a full disk.
#[test]
fn what_a_full_disk_does_not_take_is_counted() {
    let (scribe, mut journal, ledger) = start(&Target::File("/dev/full".into()));
    for _ in 0..3 {
        journal.add(line);
    }
    assert_eq!(journal.turn_to(None), 0);
    scribe.close(PATIENCE);
    assert_eq!((ledger.lines(), ledger.failed(), ledger.is_up()), (0, 3, false));
}

/// F9: a reader that has stopped. The worker's side never waits, nobody waits at the end, and nothing is lost unseen.
#[test]
fn a_reader_that_has_stopped_stops_nobody_else() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Opened for both, so that the pipe has a reader, one that never reads.
    let mut reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (scribe, mut journal, ledger) = start(&Target::File(path));
    let lines = 200_000_u64;
    let lost: u64 = (0..lines).map(|_| u64::from(journal.add(line))).sum();
    assert!(lost > 0, "two sheets and a pipe hold less than {lines} lines");
    let lost = lost + u64::from(journal.turn_to(None));
    scribe.close(Duration::from_millis(50));
    until("what was handed over is written or given up", || ledger.lines() + ledger.failed() == lines - lost);
    assert!(ledger.failed() > 0 && !ledger.is_up());
    let mut buffer = vec![0; 128 * 1024];
    let held = reader.read(&mut buffer).unwrap();
    let whole = buffer[..held].iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!(whole > 1000 && whole <= ledger.lines(), "{whole} of {}", ledger.lines());
}

#[test]
fn a_pipe_without_a_reader_does_not_hold_the_program_up() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(Scribe::start(&Target::File(path), true, (1, 0), &Arc::default()).is_err());
}

#[test]
fn a_system_log_gets_a_datagram_for_each_line() {
    let log = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    log.set_read_timeout(Some(PATIENCE)).unwrap();
    let (scribe, mut journal, _ledger) = start(&Target::SyslogAt(log.local_addr().unwrap()));
    journal.add(line);
    journal.add(line);
    assert_eq!(journal.turn_to(None), 0);
    let mut buffer = [0; 512];
    for _ in 0..2 {
        let length = log.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.starts_with("<30>1 - - weir ") && text.ends_with(" access - {\"a\":1}"), "{text}");
    }
    scribe.close(PATIENCE);
}

#[test]
fn a_target_that_cannot_be_opened_is_said() {
    let target = Target::File("/nonexistent/access.json".into());
    assert!(Scribe::start(&target, true, (1, 0), &Arc::default()).is_err());
    let ledger = Arc::default();
    let (scribe, mut hoses) = Scribe::start(&target, false, (1, 0), &ledger).unwrap();
    let mut journal = Journal::default();
    journal.turn_to(hoses.pop());
    journal.add(line);
    assert_eq!(journal.turn_to(None), 0);
    scribe.close(PATIENCE);
    assert_eq!(ledger.failed(), 1);
}
