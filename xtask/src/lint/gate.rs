//! The gate calls what the README tells a person to call.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "gate",
    explain: ".ci/run calls the test command of the README and nothing else of substance, so that what the gate says \
              and what a person sees at home cannot differ. A step that the gate needs belongs into `cargo xtask test`.",
    check,
};

const COMMAND: &str = "cargo xtask test";

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let script = tree.text(".ci/run").unwrap_or_default();
    let steps: Vec<_> = (1..).zip(script.lines().map(str::trim)).filter(|(_, line)| is_step(line)).collect();
    if !steps.iter().any(|(_, step)| *step == COMMAND) {
        findings.push(Finding::new(".ci/run", 0, format!("does not call `{COMMAND}`")));
    }
    for (line, _) in steps.iter().filter(|(_, step)| *step != COMMAND) {
        findings.push(Finding::new(".ci/run", *line, format!("only `{COMMAND}`; move this step into it")));
    }
    if !tree.text("README.md").is_some_and(|text| text.contains(COMMAND)) {
        findings.push(Finding::new("README.md", 0, format!("does not name the test command, `{COMMAND}`")));
    }
    findings
}

/// Comments, shell options and finding the checkout are not steps.
fn is_step(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#') && !line.starts_with("set ") && !line.starts_with("cd ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn the_gate_has_one_step() {
        let readme = ("README.md", "Run `cargo xtask test`.\n");
        let head = "#!/usr/bin/env bash\n# Why.\nset -eu\ncd \"$(dirname \"$0\")/..\"\n";
        for (steps, expect) in [
            ("cargo xtask test\n", vec![]),
            ("cargo xtask test --quick\n", vec![".ci/run", ".ci/run:5"]),
            ("cargo fmt\ncargo xtask test\n", vec![".ci/run:5"]),
            ("", vec![".ci/run"]),
        ] {
            let script = format!("{head}{steps}");
            assert_eq!(places(&RULE, &[(".ci/run", &script), readme]), expect, "{steps}");
        }
        assert_eq!(places(&RULE, &[(".ci/run", "cargo xtask test\n")]), ["README.md"]);
    }
}
