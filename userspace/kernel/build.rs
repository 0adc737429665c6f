//! Chooses the XDP object to embed: the fresh one if it was built from these sources, else the committed one, else none.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

#[path = "build/tree.rs"]
#[allow(dead_code, reason = "`cargo xtask build-ebpf` uses the rest of this file")]
mod tree;

use std::path::Path;

fn main() -> Result<(), String> {
    let package = std::env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?;
    let root = Path::new(&package).ancestors().nth(2).ok_or("this package has left the workspace")?;
    watch(root)?;
    let object =
        tree::choose(root).map_err(|error| format!("cannot read {}/ebpf: {error}", root.display()))?;
    let object = object.ok_or_else(|| tree::STALE.to_owned())?;
    println!("cargo::rustc-env=WEIR_BPF_OBJECT={}", object.display());
    let origin = if object == tree::fresh(root).object { "fresh" } else { "prebuilt" };
    println!("cargo::rustc-env=WEIR_BPF_ORIGIN={origin}");
    let bytes =
        std::fs::read(&object).map_err(|error| format!("cannot read {}: {error}", object.display()))?;
    println!("cargo::rustc-env=WEIR_BPF_HASH={}", tree::sha256(&bytes));
    Ok(())
}

fn watch(root: &Path) -> Result<(), String> {
    let sources =
        tree::files(root).map_err(|error| format!("cannot list {}/ebpf: {error}", root.display()))?;
    let built = [tree::fresh(root), tree::prebuilt(root)];
    let objects = built.into_iter().flat_map(|built| [built.object, built.manifest]);
    for path in sources.into_iter().map(|path| root.join(path)).chain(objects) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    // New files in these folders change the sources too.
    for folder in ["ebpf", "ebpf/wire/src", "ebpf/xdp/src"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
    }
    Ok(())
}
