//! The text beside an object: its hash, the hash of its sources and the tools that made it.

use super::tree;

/// Writes the manifest of an object.
pub(super) fn text(object: &[u8], sources: &str, tools: &[(&'static str, String)]) -> String {
    let mut text = String::from(
        "# What weir.bpf.o was built from; written by `cargo xtask build-ebpf`, read by the build of weir-kernel.\n",
    );
    let hashes = [("object", tree::sha256(object)), ("sources", sources.to_owned())];
    for (key, value) in hashes.iter().chain(tools) {
        text.push_str(&format!("{key} = {value}\n"));
    }
    text
}

/// One line for each value that two manifests do not agree on.
pub(super) fn differences(committed: &str, rebuilt: &str) -> Vec<String> {
    let mut keys: Vec<&str> = Vec::new();
    for line in committed.lines().chain(rebuilt.lines()) {
        if let Some((key, _)) = line.split_once(" = ")
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    let missing = "nothing";
    keys.into_iter()
        .filter_map(|key| {
            let old = tree::value(committed, key).unwrap_or(missing);
            let new = tree::value(rebuilt, key).unwrap_or(missing);
            (old != new).then(|| format!("{key}: committed {old}, now {new}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_manifests_do_not_differ() {
        let text = text(b"object", "sources", &[("rustc", "1.96.0".to_owned())]);
        assert_eq!(differences(&text, &text), Vec::<String>::new());
        assert_eq!(tree::value(&text, "rustc"), Some("1.96.0"));
        assert_eq!(tree::value(&text, "object"), Some(tree::sha256(b"object").as_str()));
    }

    #[test]
    fn each_difference_is_named() {
        let old = text(b"object", "one", &[("rustc", "1.96.0".to_owned())]);
        let new = text(b"object", "two", &[("rustc", "1.96.0".to_owned()), ("linker", "0.13".to_owned())]);
        assert_eq!(
            differences(&old, &new),
            ["sources: committed one, now two", "linker: committed nothing, now 0.13"]
        );
    }
}
