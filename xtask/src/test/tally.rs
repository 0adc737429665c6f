//! Reading what test programs print: results, skipped tests and their reasons.

/// The sums over all test programs.
#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    failed: usize,
    ignored: usize,
    programs: Vec<Program>,
    failures: Vec<String>,
}

/// One test program.
struct Program {
    name: String,
    /// A line in which the program said why it skips.
    reason: Option<String>,
    skipped: Vec<Skipped>,
    has_result: bool,
}

struct Skipped {
    name: String,
    reason: Option<String>,
}

impl Tally {
    /// Takes in one line of the output of `cargo test`.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(name) = program(line) {
            self.end_program();
            self.programs.push(Program { name, reason: None, skipped: Vec::new(), has_result: false });
        } else if let Some([passed, failed, ignored]) = result(line) {
            self.passed += passed;
            self.failed += failed;
            self.ignored += ignored;
            if let Some(program) = self.programs.last_mut() {
                program.has_result = true;
            }
        } else if let Some(test) = line.strip_prefix("test ") {
            self.read_test(test);
        } else if (line.contains("skipped") || line.contains("ignored"))
            && let Some(program) = self.programs.last_mut().filter(|program| !program.has_result)
        {
            program.reason.get_or_insert_with(|| line.trim().to_owned());
        }
    }

    fn read_test(&mut self, test: &str) {
        let Some((name, outcome)) = test.rsplit_once(" ... ") else { return };
        let Some(program) = self.programs.last_mut() else { return };
        let name = name.trim().to_owned();
        if let Some(rest) = outcome.strip_prefix("ignored") {
            let reason = rest.strip_prefix(", ").map(str::to_owned);
            program.skipped.push(Skipped { name, reason });
        } else if outcome.starts_with("FAILED") {
            self.failures.push(format!("{}: {name}", program.name));
        }
    }

    /// To be called when the output ends. A program that printed no result has crashed.
    pub(super) fn end_program(&mut self) {
        if let Some(program) = self.programs.last().filter(|program| !program.has_result) {
            self.failed += 1;
            self.failures.push(format!("{}: ended without a result", program.name));
        }
    }

    /// Something outside the tests' own results went wrong.
    pub(super) fn fail(&mut self, what: String) {
        self.failed += 1;
        self.failures.push(what);
    }

    pub(super) fn passed(&self) -> usize {
        self.passed
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn ignored(&self) -> usize {
        self.ignored
    }

    /// What failed, by program and test.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.failures.iter().cloned()
    }

    /// What was skipped: the program, the reason, the tests.
    pub(super) fn skipped(&self) -> Vec<(&str, &str, Vec<&str>)> {
        let mut groups: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for program in &self.programs {
            for test in &program.skipped {
                let reason =
                    test.reason.as_deref().or(program.reason.as_deref()).unwrap_or("it gave no reason");
                match groups.iter_mut().find(|group| group.0 == program.name && group.1 == reason) {
                    Some(group) => group.2.push(&test.name),
                    None => groups.push((&program.name, reason, vec![&test.name])),
                }
            }
        }
        groups
    }
}

/// The program a line of cargo announces: `Running unittests src/lib.rs (target/debug/deps/weir_wire-0123)`.
fn program(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(library) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{library} (documentation)"));
    }
    let (source, file) = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once(" (")?;
    let file = file.rsplit('/').next()?;
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    Some(format!("{name} ({})", source.trim_start_matches("unittests ")))
}

/// The counts of a result line: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn result(line: &str) -> Option<[usize; 3]> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| {
        let part = counts.split(';').find_map(|part| part.trim().strip_suffix(word));
        part.and_then(|number| number.trim().parse().ok())
    };
    Some([count("passed")?, count("failed")?, count("ignored")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &str) -> Tally {
        let mut tally = Tally::default();
        lines.lines().for_each(|line| tally.read(line));
        tally.end_program();
        tally
    }

    const GOOD: &str = "\
     Running unittests src/lib.rs (target/debug/deps/weir_wire-0123abcd)
running 2 tests
test a ... ok
test b ... ignored, slow
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/ring/main.rs (/other/debug/deps/ring-0123abcd)
ignored: the kernel refuses io_uring
test c ... ignored
test d ... ignored
test result: ok. 0 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests weir_wire
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn results_are_summed_and_skips_keep_their_reasons() {
        let tally = tally(GOOD);
        assert_eq!((tally.passed(), tally.failed(), tally.ignored()), (5, 0, 3));
        assert_eq!(
            tally.skipped(),
            [
                ("weir_wire (src/lib.rs)", "slow", vec!["b"]),
                ("ring (tests/ring/main.rs)", "ignored: the kernel refuses io_uring", vec!["c", "d"]),
            ]
        );
    }

    #[test]
    fn a_failed_test_is_named() {
        let tally = tally(
            "     Running tests/a.rs (target/debug/deps/a-01)\ntest x ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n",
        );
        assert_eq!((tally.passed(), tally.failed()), (1, 1));
        assert_eq!(tally.failures().collect::<Vec<_>>(), ["a (tests/a.rs): x"]);
    }

    #[test]
    fn a_program_without_a_result_has_failed() {
        for lines in [
            "     Running tests/a.rs (target/debug/deps/a-01)\ntest x ... ok\n".to_owned(),
            format!("     Running tests/a.rs (target/debug/deps/a-01)\n{GOOD}"),
        ] {
            let tally = tally(&lines);
            assert_eq!(tally.failures().collect::<Vec<_>>(), ["a (tests/a.rs): ended without a result"]);
            assert_eq!(tally.failed(), 1);
        }
    }
}
