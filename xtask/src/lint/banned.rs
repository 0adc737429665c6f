//! Crates that must not be built in, however deep they stand.

use super::{Finding, Rule, security::packages};
use crate::{lint::tree::Tree, shell};
use std::{fs, path::Path};

pub(super) const RULE: Rule = Rule {
    name: "banned-crates",
    explain: "some crates are abandoned (serde_yaml, serde_yml, unsafe-libyaml), bring a second cryptography \
              (openssl-sys, native-tls, ring) or an unmended hole (rsa). Judged is what cargo would build with every \
              feature on, not the lock file: a lock also names optional dependencies that nothing switches on, \
              such as ring under rustls-webpki. A finding shows the chain that pulls the crate in; switch off the \
              feature that does.",
    check,
};

const BANNED: [&str; 7] =
    ["serde_yaml", "serde_yml", "unsafe-libyaml", "openssl-sys", "native-tls", "ring", "rsa"];

fn check(tree: &Tree) -> Vec<Finding> {
    let Some(root) = &tree.root else { return Vec::new() };
    let places = [("Cargo.lock", root.clone()), ("ebpf/Cargo.lock", root.join("ebpf"))];
    places
        .iter()
        .filter(|(_, folder)| folder.join("Cargo.toml").exists())
        .flat_map(|(path, folder)| judge(path, folder))
        .collect()
}

/// Asks cargo, for each banned crate the lock file names, what would pull it into a build.
fn judge(path: &str, folder: &Path) -> Vec<Finding> {
    let lock = match fs::read_to_string(folder.join("Cargo.lock")) {
        Ok(lock) => lock,
        Err(error) => return vec![Finding::new(path, 0, format!("cannot be read: {error}"))],
    };
    let mut findings = Vec::new();
    for (line, name, version) in packages(&lock).into_iter().filter(|(_, name, _)| BANNED.contains(name)) {
        match users(folder, &format!("{name}@{version}")) {
            Ok(tree) => {
                let what = chain(&tree).map(|chain| format!("a banned crate is built in: {chain}"));
                findings.extend(what.map(|what| Finding::new(path, line, what)));
            }
            Err(error) => {
                findings.push(Finding::new(path, line, format!("cargo cannot resolve it: {error:#}")));
            }
        }
    }
    findings
}

/// What would build a crate, as `cargo tree` draws it: the depth, then the crate, the banned one first.
fn users(folder: &Path, spec: &str) -> anyhow::Result<String> {
    let mut tree = shell::command("tree");
    tree.args(["--quiet", "--locked", "--workspace", "--all-features", "--target", "all"]);
    tree.args(["--edges", "normal,build,dev", "--prefix", "depth", "--format", " {p}", "--invert", spec]);
    shell::output(tree.current_dir(folder))
}

/// The first way up through the tree, written from the top; none if nothing builds the crate.
fn chain(tree: &str) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next(), words.next()) else { continue };
        if depth.parse() != Ok(names.len()) {
            break;
        }
        names.push(name);
    }
    names.reverse();
    (!names.is_empty()).then(|| names.join(" -> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of `app`, `middle` and a crate called `ring`, which `middle` needs or may need.
    fn workspace(middle: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, head, tables) in [
            ("app", "[workspace]", "middle = { path = \"../middle\", features = [\"std\"] }"),
            ("middle", "", middle),
            ("ring", "", "[features]\nstd = []"),
        ] {
            let folder = root.path().join(name);
            fs::create_dir_all(folder.join("src")).unwrap();
            fs::write(folder.join("src/lib.rs"), "").unwrap();
            let package = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"");
            let manifest = format!("{head}\n{package}\n[dependencies]\n{tables}\n");
            fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        }
        let mut lock = shell::command("generate-lockfile");
        shell::output(lock.args(["--offline", "--quiet"]).current_dir(root.path().join("app"))).unwrap();
        root
    }

    fn found(middle: &str) -> Vec<String> {
        let root = workspace(middle);
        judge("Cargo.lock", &root.path().join("app")).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_banned_crate_deep_in_the_graph_is_found() {
        assert_eq!(
            found("ring = { path = \"../ring\" }\n[features]\nstd = []"),
            ["a banned crate is built in: app -> middle -> ring"]
        );
    }

    #[test]
    fn an_optional_one_that_nothing_switches_on_is_not() {
        let root =
            workspace("ring = { path = \"../ring\", optional = true }\n[features]\nstd = [\"ring?/std\"]");
        let lock = fs::read_to_string(root.path().join("app/Cargo.lock")).unwrap();
        assert!(lock.contains("name = \"ring\""), "the lock file names it all the same");
        assert!(judge("Cargo.lock", &root.path().join("app")).is_empty());
    }

    #[test]
    fn a_lock_file_that_does_not_fit_is_found() {
        let root = workspace("[features]\nstd = []");
        fs::remove_file(root.path().join("app/Cargo.lock")).unwrap();
        assert_eq!(judge("Cargo.lock", &root.path().join("app")).len(), 1);
    }
}
