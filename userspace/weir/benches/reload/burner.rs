//! Another process that takes as much of the processors as a reload does, with the same priority. What clients notice of it is
//! the machine's share in what they notice of a reload.

use nix::time::{ClockId, clock_gettime};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The word by which this program is told to be one.
const WORD: &str = "burn";

/// The process. Dropping it ends it.
pub(crate) struct Burner(Child);

impl Burner {
    pub(crate) fn start() -> Self {
        let own = std::env::current_exe().expect("the path of this program");
        let child = Command::new(own).arg(WORD).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(child.expect("this program starts again"))
    }

    /// Has it use so much CPU time, and waits until it has.
    pub(crate) fn burn(&mut self, length: Duration) {
        let wish = self.0.stdin.as_mut().expect("its input");
        writeln!(wish, "{}", length.as_micros()).expect("it reads");
        let mut done = String::new();
        BufReader::new(self.0.stdout.as_mut().expect("its output")).read_line(&mut done).expect("it answers");
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where this program was started as one: does what it is told until nobody tells it any more.
pub(crate) fn serve() {
    if std::env::args().nth(1).is_none_or(|word| word != WORD) {
        return;
    }
    weir_reactor::give_way();
    let used = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock"));
    for line in std::io::stdin().lines() {
        let length = Duration::from_micros(line.expect("a line").parse().expect("a number"));
        let end = used() + length;
        while used() < end {
            std::hint::spin_loop();
        }
        println!("done");
    }
    std::process::exit(0);
}
