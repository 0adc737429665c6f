//! Files that a program writes: they must be what it would write now.

use super::{Finding, Rule};
use crate::{lint::tree::Tree, shell};
use anyhow::Result;
use std::path::Path;

pub(super) const RULE: Rule = Rule {
    name: "generated",
    explain: "a committed file that a program writes is the same as what the program writes now. The registry of such \
              files is GENERATED in xtask/src/lint/generated.rs; a finding names the command that writes the file.",
    check,
};

/// A file that a program of this workspace prints.
struct Generated {
    path: &'static str,
    /// The package and the arguments of the program.
    package: &'static str,
    arguments: &'static [&'static str],
}

const GENERATED: &[Generated] = &[];

fn check(tree: &Tree) -> Vec<Finding> {
    let Some(root) = &tree.root else { return Vec::new() };
    let stale = GENERATED.iter().filter_map(|file| {
        let words = file.arguments.join(" ");
        let command = format!("cargo run -q -p {} -- {words} > {}", file.package, file.path);
        let what = compare(tree.text(file.path), produce(root, file))?;
        Some(Finding::new(file.path, 0, format!("{what}; run `{command}`")))
    });
    stale.collect()
}

fn produce(root: &Path, file: &Generated) -> Result<String> {
    let mut run = shell::command("run");
    run.args(["--quiet", "--locked", "--package", file.package, "--"]).args(file.arguments);
    shell::output(run.current_dir(root))
}

/// What is wrong with a committed text, if anything.
fn compare(committed: Option<&str>, produced: Result<String>) -> Option<String> {
    match (committed, produced) {
        (_, Err(error)) => Some(format!("cannot be produced: {error:#}")),
        (None, Ok(_)) => Some("is missing".to_owned()),
        (Some(committed), Ok(produced)) if committed == produced => None,
        (Some(committed), Ok(produced)) => {
            let same = committed.lines().zip(produced.lines()).take_while(|(old, new)| old == new).count();
            Some(format!("is not what its program writes now, from line {}", same + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_current() {
        assert_eq!(compare(Some("a\nb\n"), Ok("a\nb\n".to_owned())), None);
        for (committed, produced, expect) in [
            (Some("a\nb\n"), Ok("a\nc\n".to_owned()), "from line 2"),
            (None, Ok("a\n".to_owned()), "missing"),
            (Some("a\n"), Err(anyhow::anyhow!("no such package")), "no such package"),
        ] {
            assert!(compare(committed, produced).is_some_and(|what| what.contains(expect)), "{expect}");
        }
    }
}
