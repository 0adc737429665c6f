//! One place for versions and lints: the manifest of the workspace.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "one-table",
    explain: "every version and every lint stands in the root Cargo.toml. A package writes `name.workspace = true` \
              for a dependency and `[lints] workspace = true`, or the compiler's and clippy's table (public items \
              documented, no unwrap) would not hold in it. The XDP program is a workspace of its own and exempt.",
    check,
};

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, path, text) in tree.manifests() {
        if matches!(folder, "ebpf" | "ebpf/xdp" | "userspace/fuzz") {
            continue;
        }
        let mut table = "";
        let mut inherits_lints = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.starts_with('[') {
                table = line.trim_matches(['[', ']']);
            } else if table == "lints" && line.replace(' ', "") == "workspace=true" {
                inherits_lints = true;
            } else if table.ends_with("dependencies") && is_own_version(line) {
                findings.push(Finding::new(
                    path,
                    number,
                    "give the version in the root Cargo.toml, `workspace = true` here",
                ));
            }
        }
        if !inherits_lints {
            findings.push(Finding::new(path, 0, "add `[lints]` with `workspace = true`"));
        }
    }
    findings
}

fn is_own_version(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default();
    line.contains('=') && !line.contains("workspace = true") && !line.contains("path = ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn inherited_versions_and_lints_are_fine() {
        let manifest = "[dependencies]\nserde.workspace = true\nnix = { workspace = true, features = [\"x\"] }\n\
                        [lints]\nworkspace = true\n";
        assert!(places(&RULE, &[("userspace/plan/Cargo.toml", manifest)]).is_empty());
        assert!(
            places(&RULE, &[("ebpf/xdp/Cargo.toml", "[dependencies]\naya-ebpf = \"0.2.1\"\n")]).is_empty()
        );
    }

    #[test]
    fn an_own_version_and_a_missing_table_are_found() {
        let path = "userspace/plan/Cargo.toml";
        assert_eq!(
            places(&RULE, &[(path, "[dependencies]\nserde = \"1\"\n[lints]\nworkspace = true\n")]),
            [format!("{path}:2")]
        );
        assert_eq!(places(&RULE, &[(path, "[dependencies]\nserde.workspace = true\n")]), [path]);
    }
}
