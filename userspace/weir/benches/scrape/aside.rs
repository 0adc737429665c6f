//! Processes beside the one that is measured: they are told what to do by lines, and answer each with one.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// The process. Dropping it ends it.
pub(crate) struct Aside {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Aside {
    /// This program again, as what `word` names.
    pub(crate) fn start(word: &str) -> Self {
        let own = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(own);
        let mut child = command
            .arg(word)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, answers }
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Has it do something, and waits until it has.
    pub(crate) fn ask(&mut self, wish: &str) -> String {
        writeln!(self.child.stdin.as_mut().expect("its input"), "{wish}").expect("it reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        answer.trim_end().to_owned()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where this program was started as `word`: does what it is told until nobody tells it any more.
pub(crate) fn serve(word: &str, mut obey: impl FnMut(&str) -> String) {
    if std::env::args().nth(1).is_none_or(|first| first != word) {
        return;
    }
    for line in std::io::stdin().lines() {
        println!("{}", obey(&line.expect("a line")));
    }
    std::process::exit(0);
}
