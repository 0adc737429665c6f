//! The sheets on which a worker writes its lines, and their way to the writer and back.
//!
//! A worker fills one sheet at a time and hands it over when it is full, or when lines have waited long enough. There is
//! a fixed number of sheets; while all of them wait to be written, lines are lost and counted. The worker never waits,
//! and it allocates nothing: the sheets are made before.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// The size of a sheet. A line that does not fit any more makes it a little longer.
pub const SHEET_BYTES: usize = 64 * 1024;
/// A sheet is handed over when it has less room than this; few lines are longer.
const ROOM_BYTES: usize = 2 * 1024;
/// A worker has two at least: one to write on while the other is away.
const SHEETS_MIN: usize = 2;

/// Lines on their way to the writer.
#[derive(Debug)]
pub struct Sheet {
    /// Whole lines, each with its line feed.
    pub text: Vec<u8>,
    /// How many.
    pub lines: u32,
    home: Option<SyncSender<Vec<u8>>>,
}

impl Sheet {
    /// A sheet without lines, which only wakes the writer.
    pub fn blank() -> Self {
        Self { text: Vec::new(), lines: 0, home: None }
    }

    /// Sends the memory back to where it came from.
    pub fn give_back(mut self) {
        if let Some(home) = &self.home {
            self.text.clear();
            // The journal has moved on to another hose: the memory is not wanted any more.
            drop(home.try_send(self.text));
        }
    }
}

/// The end of the way to the writer that one worker holds.
#[derive(Debug)]
pub struct Hose {
    full: SyncSender<Sheet>,
    home: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
}

/// A hose for each worker, a way to wake the writer, and where all of them end. `bytes_max` bounds what may wait.
pub fn hoses(workers: usize, bytes_max: u64) -> (Vec<Hose>, SyncSender<Sheet>, Receiver<Sheet>) {
    let sheets = usize::try_from(bytes_max / SHEET_BYTES as u64).unwrap_or(usize::MAX);
    let each = (sheets / workers.max(1)).clamp(SHEETS_MIN, 4096);
    let (full, sheets) = sync_channel(each * workers + 1);
    let hose = |_| {
        let (home, spare) = sync_channel(each);
        for _ in 0..each {
            // As many as there is room for.
            drop(home.try_send(Vec::with_capacity(SHEET_BYTES)));
        }
        Hose { full: full.clone(), home, spare }
    };
    ((0..workers).map(hose).collect(), full, sheets)
}

/// One worker's part of the access log.
#[derive(Debug, Default)]
pub struct Journal {
    hose: Option<Hose>,
    sheet: Vec<u8>,
    lines: u32,
}

impl Journal {
    /// Sends lines through this hose from now on; those before still leave through the old one. Returns how many of
    /// them were lost.
    pub fn turn_to(&mut self, hose: Option<Hose>) -> u32 {
        let lost = self.flush();
        (self.hose, self.sheet) = (hose, Vec::new());
        lost
    }

    /// Adds a line, which `write` appends with its line feed. Returns how many lines were lost.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u32 {
        if self.sheet.capacity() == 0 && !self.take_sheet() {
            return 1;
        }
        write(&mut self.sheet);
        self.lines += 1;
        if self.sheet.len() + ROOM_BYTES > SHEET_BYTES { self.flush() } else { 0 }
    }

    /// Hands over what has been written so far. Returns how many lines were lost because nobody writes any more.
    pub fn flush(&mut self) -> u32 {
        let lines = std::mem::take(&mut self.lines);
        let Some(hose) = self.hose.as_ref().filter(|_| lines > 0) else { return lines };
        let sheet = Sheet { text: std::mem::take(&mut self.sheet), lines, home: Some(hose.home.clone()) };
        match hose.full.try_send(sheet) {
            Ok(()) => 0,
            Err(TrySendError::Full(sheet) | TrySendError::Disconnected(sheet)) => {
                sheet.give_back();
                lines
            }
        }
    }

    fn take_sheet(&mut self) -> bool {
        let Some(Ok(sheet)) = self.hose.as_ref().map(|hose| hose.spare.try_recv()) else { return false };
        self.sheet = sheet;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(out: &mut Vec<u8>) {
        out.extend_from_slice(&[b'x'; 1000]);
        out.push(b'\n');
    }

    #[test]
    fn lines_reach_the_writer_and_sheets_come_back() {
        let (mut ends, _wake, sheets) = hoses(1, 0);
        let mut journal = Journal::default();
        assert_eq!(journal.add(line), 1, "without a hose lines are lost");
        journal.turn_to(ends.pop());
        let mut seen = Vec::new();
        for round in 1..=10 {
            assert_eq!(journal.add(line), 0);
            assert_eq!(journal.flush(), 0);
            let sheet = sheets.try_recv().unwrap();
            assert_eq!((sheet.lines, sheet.text.len()), (1, 1001), "round {round}");
            seen.push(sheet.text.as_ptr());
            sheet.give_back();
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 2, "the same memory is used again and again");
        assert!(sheets.try_recv().is_err(), "nothing to write, nothing handed over");
    }

    #[test]
    fn while_nobody_writes_lines_are_lost_and_counted() {
        let (mut ends, _wake, sheets) = hoses(2, 4 * SHEET_BYTES as u64);
        let mut journal = Journal::default();
        journal.turn_to(ends.pop());
        let lost: u32 = (0..1000).map(|_| journal.add(line)).sum();
        let waiting: Vec<Sheet> = sheets.try_iter().collect();
        assert_eq!(waiting.len(), 2, "each of the two workers has two sheets");
        let held: u32 = waiting.iter().map(|sheet| sheet.lines).sum();
        assert_eq!(held + lost, 1000);
        waiting.into_iter().for_each(Sheet::give_back);
        assert_eq!(journal.add(line), 0, "then it goes on");
        drop(sheets);
        assert_eq!(journal.turn_to(None), 1, "a writer that is gone takes nothing");
    }
}
