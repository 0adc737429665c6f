//! The import rule: a room imports only from floors below its own.

use super::{Finding, Rule};
use crate::lint::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "floors",
    explain: "a room imports only from floors below its own: wire message schema reactor (0), meter and the XDP \
              program (1), policy (2), plan (3), kernel proxy control admin (4), weir (5). Development dependencies \
              obey too. The load test imports only the schema, \
              whose reader of files it uses: with what it measures it must not share code. A dependency \
              that points up or sideways makes two rooms one; move the shared piece to a lower floor, or turn the \
              call round with a trait that the lower room owns.",
    check,
};

const FLOORS: [(&str, usize); 14] = [
    ("wire", 0),
    ("message", 0),
    ("schema", 0),
    ("reactor", 0),
    ("meter", 1),
    ("xdp", 1),
    ("policy", 2),
    ("plan", 3),
    ("kernel", 4),
    ("proxy", 4),
    ("control", 4),
    ("admin", 4),
    ("weir", 5),
    ("loadtest", 0),
];

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, path, text) in tree.manifests() {
        let room = folder.rsplit('/').next().unwrap_or(folder);
        let Some(floor) = floor_of(room) else { continue };
        for (line, import) in imports(text) {
            match floor_of(import) {
                // A package may ask itself for its own features in its tests.
                _ if import == room => {}
                _ if room == "loadtest" && import == "schema" => {}
                Some(other) if other < floor => {}
                Some(other) => findings.push(Finding::new(
                    path,
                    line,
                    format!("{room} (floor {floor}) imports {import} (floor {other}); import from lower floors only"),
                )),
                None => findings.push(Finding::new(
                    path,
                    line,
                    format!("{import} stands on no floor; add it to FLOORS in xtask/src/lint/floors.rs"),
                )),
            }
        }
    }
    findings
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// The rooms a manifest names in any table of dependencies, with the line.
fn imports(manifest: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for (number, line) in (1..).zip(manifest.lines()) {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            in_dependencies = table.ends_with("dependencies");
            let single = table.split_once("dependencies.weir-").map(|(_, room)| room);
            found.extend(single.map(|room| (number, room)));
        } else if in_dependencies && let Some(rest) = line.strip_prefix("weir-") {
            let end = rest.find(|byte: char| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
            found.extend(rest.get(..end).map(|room| (number, room)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::finding::places;

    #[test]
    fn an_import_from_below_is_fine() {
        let manifest = "[package]\nname = \"weir-plan\"\n[dependencies]\nweir-wire.workspace = true\n\
                        [dev-dependencies]\nweir-policy = { workspace = true }\n";
        assert!(places(&RULE, &[("userspace/plan/Cargo.toml", manifest)]).is_empty());
    }

    #[test]
    fn an_upward_or_sideways_import_is_found() {
        for (folder, table) in [
            ("userspace/policy", "[dependencies]\nweir-plan.workspace = true"),
            ("userspace/proxy", "[dependencies]\nweir-control.workspace = true"),
            ("userspace/meter", "[dev-dependencies]\nweir-policy = { workspace = true }"),
            ("userspace/schema", "[build-dependencies]\nweir-wire = { path = \"../../ebpf/wire\" }"),
            ("userspace/schema", "[target.'cfg(unix)'.dependencies]\nweir-wire.workspace = true"),
            ("loadtest", "[dependencies]\nweir-message.workspace = true"),
            ("userspace/schema", "\n[dependencies.weir-wire]\nworkspace = true"),
            ("userspace/weir", "[dependencies]\nweir-attic.workspace = true"),
        ] {
            let path = format!("{folder}/Cargo.toml");
            assert_eq!(places(&RULE, &[(&path, table)]), [format!("{path}:2")], "{table}");
        }
    }
}
