//! `cargo xtask build-ebpf`: builds the XDP object so that the same sources give the same bytes everywhere.

mod build;
mod manifest;
mod setup;
mod toolchain;
#[path = "../../userspace/kernel/build/tree.rs"]
#[allow(dead_code, reason = "the kernel package's build script uses the rest of this file")]
pub(crate) mod tree;

use anyhow::{Context, Result, bail};
use std::{fs, path::Path};
use toolchain::Toolchain;

/// Build the XDP object from `ebpf/`, for this checkout alone or as the committed one.
///
/// A plain run writes target/ebpf/weir.bpf.o, which the next build of weir embeds. The same sources give the same
/// bytes from any folder and by any user, because every path in the object is remapped.
///
/// The toolchain is looked for in target/ebpf-toolchain. The environment variable WEIR_EBPF_TOOLCHAIN names another
/// folder, or a dated rustup nightly (nightly-2026-05-20) that has rust-src, with bpf-linker for the same LLVM on the
/// path. Only the unpacked Debian packages give the committed bytes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// First unpack the toolchain (Debian's packages, about 120 MB to fetch) and build bpf-linker; needs no root
    #[arg(long)]
    setup: bool,
    /// Compare the result with the committed object byte by byte and fail if they differ
    #[arg(long, conflicts_with = "bless")]
    check: bool,
    /// Write the result to ebpf/prebuilt, to be committed
    #[arg(long)]
    bless: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = crate::root::folder();
    let toolchain = if arguments.setup { setup::run(&root)? } else { Toolchain::find(&root)? };
    let object = build::object(&root, &toolchain)?;
    let manifest = manifest::text(&object, &tree::hash(&root)?, &toolchain.versions()?);
    write(&tree::fresh(&root), &object, &manifest)?;
    if arguments.bless {
        write(&tree::prebuilt(&root), &object, &manifest)?;
    }
    if arguments.check { check(&root, &object, &manifest) } else { Ok(()) }
}

/// Rebuilds the object and compares it with the committed one, with a toolchain unpacked if there is none.
pub(crate) fn check_committed() -> Result<()> {
    run(&Arguments { setup: true, check: true, bless: false })
}

fn write(built: &tree::Built, object: &[u8], manifest: &str) -> Result<()> {
    if let Some(folder) = built.object.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (path, content) in [(&built.object, object), (&built.manifest, manifest.as_bytes())] {
        fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("wrote {} ({} bytes, sha256 {})", built.object.display(), object.len(), tree::sha256(object));
    Ok(())
}

/// Compares a rebuilt object with the committed one; what differs stands in the error.
fn check(root: &Path, object: &[u8], manifest: &str) -> Result<()> {
    let committed = tree::prebuilt(root);
    let bytes =
        fs::read(&committed.object).with_context(|| format!("cannot read {}", committed.object.display()))?;
    let recorded = fs::read_to_string(&committed.manifest)
        .with_context(|| format!("cannot read {}", committed.manifest.display()))?;
    let differences = manifest::differences(&recorded, manifest);
    if bytes == object && differences.is_empty() {
        println!("ebpf/prebuilt is current: the rebuilt object is the same {} bytes", bytes.len());
        return Ok(());
    }
    let first = bytes.iter().zip(object).position(|(old, new)| old != new);
    let place = first.map_or_else(|| "none up to the shorter end".to_owned(), |at| format!("{at:#x}"));
    bail!(
        "ebpf/prebuilt is not what these sources give (committed {} bytes, rebuilt {} bytes, first differing \
         offset {place}){}\nrun `cargo xtask build-ebpf --bless` and commit ebpf/prebuilt",
        bytes.len(),
        object.len(),
        differences.iter().map(|line| format!("\n  {line}")).collect::<String>(),
    )
}
