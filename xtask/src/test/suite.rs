//! Building and running the test programs; their output is streamed and read at the same time.

use super::tally::Tally;
use crate::shell;
use anyhow::{Context, Result};
use std::{
    io::{BufRead, BufReader, PipeReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// A run that prints nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// Compiles every test program.
pub(super) fn build(packages: &[String]) -> Result<()> {
    shell::run(test(packages).arg("--no-run").arg("--quiet"))
}

/// Runs every test program, also after one has failed.
pub(super) fn run(packages: &[String], tally: &mut Tally) -> Result<()> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let mut command = test(packages);
    command.arg("--no-fail-fast").stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    // A group of its own, so that a hanging program can be ended with its parent.
    let mut child = command.process_group(0).spawn().context("cannot run cargo test")?;
    // The command holds the writing ends; the reader would wait for them for ever.
    drop(command);
    let before = tally.failed();
    let outcome = follow(&lines(reader), tally);
    tally.end_program();
    if outcome.is_err() {
        end(&child);
    }
    let status = child.wait()?;
    if let Err(hang) = outcome {
        tally.fail(hang);
    } else if !status.success() && tally.failed() == before {
        tally.fail(format!("cargo test ended with {status} although no test failed"));
    }
    Ok(())
}

fn test(packages: &[String]) -> Command {
    let mut command = shell::command("test");
    command.args(packages).arg("--locked").current_dir(crate::root::folder());
    command
}

/// The lines of the output, read by a thread so that waiting for one has an end.
fn lines(reader: PipeReader) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// Shows and reads lines until the output ends; an error says that it hangs.
fn follow(lines: &Receiver<String>, tally: &mut Tally) -> Result<(), String> {
    loop {
        match lines.recv_timeout(SILENCE_MAX) {
            Ok(line) => {
                println!("{line}");
                tally.read(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!(
                    "the tests printed nothing for {} s and were ended",
                    SILENCE_MAX.as_secs()
                ));
            }
        }
    }
}

/// Ends a child and all it has started.
fn end(child: &Child) {
    let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    if group.as_raw() > 1
        && let Err(error) = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL)
    {
        eprintln!("cannot end the tests: {error}");
    }
}
