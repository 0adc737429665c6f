//! `--setup`: unpacks Debian's eBPF compiler into a folder and builds bpf-linker against its LLVM.
//!
//! Nothing is installed: packages are fetched with `apt-get download` and unpacked with `dpkg -x`.

use super::toolchain::{Toolchain, write_wrapper};
use crate::shell;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

const RUSTC: &str = "1.96.0+dfsg1-1~deb12u2";
const LLVM: &str = "1:22.1.8-1~deb12u1";
const LINKER: &str = "0.13.0";

/// The packages whose versions decide the bytes of the object. A new version here means a new `--bless`.
const PACKAGES: [(&str, &str); 6] = [
    ("rustc-web", RUSTC),
    ("libstd-rust-web-1.96", RUSTC),
    ("libstd-rust-web-dev", RUSTC),
    ("libstd-rust-web-dev-bpf", RUSTC),
    ("libllvm22", LLVM),
    ("llvm-22", LLVM),
];

/// Libraries LLVM was linked with, and the packages that hold them: fetched only where the host has none.
const LIBRARIES: [(&str, &str); 12] = [
    ("libbsd.so.0", "libbsd0"),
    ("libedit.so.2", "libedit2"),
    ("libffi.so.8", "libffi8"),
    ("libicudata.so.72", "libicu72"),
    ("libicuuc.so.72", "libicu72"),
    ("liblzma.so.5", "liblzma5"),
    ("libmd.so.0", "libmd0"),
    ("libtinfo.so.6", "libtinfo6"),
    ("libxml2.so.2", "libxml2"),
    ("libz.so.1", "zlib1g"),
    ("libz3.so.4", "libz3-4"),
    ("libzstd.so.1", "libzstd1"),
];

/// The file that is written last; it holds the recipe, so that another recipe is not taken for this one.
const STAMP: &str = "COMPLETE";

/// Unpacks the toolchain if it is not there yet.
pub(super) fn run(root: &Path) -> Result<Toolchain> {
    if Toolchain::is_nightly() {
        return Toolchain::find(root);
    }
    let folder = Toolchain::folder(root);
    if is_complete(&folder) {
        println!("the eBPF toolchain is already in {}", folder.display());
        return Ok(Toolchain::unpacked(&folder));
    }
    for tool in ["apt-get", "dpkg", "cc"] {
        if !shell::has(tool) {
            bail!(
                "--setup unpacks Debian 12's packages and needs {tool}; elsewhere use a dated nightly, see --help"
            );
        }
    }
    println!("unpacking the eBPF toolchain into {}", folder.display());
    for part in ["sysroot", "debs", "bin", "linker", "llvm"] {
        remove(&folder.join(part))?;
    }
    for part in ["sysroot", "debs", "bin", "llvm/lib"] {
        fs::create_dir_all(folder.join(part)).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let pinned: Vec<String> = PACKAGES.iter().map(|(name, version)| format!("{name}={version}")).collect();
    fetch(&folder, &pinned)?;
    complete_libraries(&folder)?;
    write_wrapper(&folder, "rustc", "sysroot/usr/bin/rustc")?;
    write_wrapper(&folder, "llvm-objcopy", "sysroot/usr/lib/llvm-22/bin/llvm-objcopy")?;
    build_linker(&folder)?;
    write_wrapper(&folder, "bpf-linker", "linker/bin/bpf-linker")?;
    fs::write(folder.join(STAMP), recipe())?;
    Ok(Toolchain::unpacked(&folder))
}

/// Whether the folder holds the whole toolchain, of this recipe.
pub(super) fn is_complete(folder: &Path) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|found| found == recipe())
}

/// Where the unpacked libraries lie, relative to the folder.
pub(super) fn library_folders() -> [String; 2] {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    [format!("sysroot/usr/lib/{triple}"), format!("sysroot/lib/{triple}")]
}

fn recipe() -> String {
    let packages: String = PACKAGES.iter().map(|(name, version)| format!("{name} {version}\n")).collect();
    format!("{packages}bpf-linker {LINKER}\n")
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Downloads packages and unpacks them. A host that never updated its lists gets one update, if that is allowed.
fn fetch(folder: &Path, packages: &[String]) -> Result<()> {
    let debs = folder.join("debs");
    let download = || {
        println!("  apt-get download {}", packages.join(" "));
        let mut apt = Command::new("apt-get");
        apt.args(["download", "-o", "APT::Sandbox::User=root"])
            .args(packages)
            .current_dir(&debs)
            .stdout(Stdio::null());
        shell::run(&mut apt)
    };
    if download().is_err() {
        if !nix::unistd::geteuid().is_root() {
            bail!("apt has no such packages: run `apt-get update` as root, then this again");
        }
        println!("  the package lists are old or empty: apt-get update");
        shell::run(Command::new("apt-get").args(["update", "-q"]).stdout(Stdio::null()))?;
        download().context(
            "Debian 12 with bookworm-security among its sources has these packages. If it has newer ones only, \
             change the versions in xtask/src/ebpf/setup.rs and run `cargo xtask build-ebpf --setup --bless`",
        )?;
    }
    for entry in fs::read_dir(&debs)? {
        let package = entry?.path();
        shell::run(Command::new("dpkg").arg("-x").arg(&package).arg(folder.join("sysroot")))?;
        fs::remove_file(&package)?;
    }
    Ok(())
}

/// Fetches the libraries that LLVM needs and this host lacks; each may need further ones.
fn complete_libraries(folder: &Path) -> Result<()> {
    let [libraries, others] = library_folders().map(|library| folder.join(library));
    let llvm = libraries.join("libLLVM.so.22.1");
    symlink(&llvm, folder.join("llvm/lib/libLLVM.so"))?;
    for _ in 0..LIBRARIES.len() {
        let search = format!("{}:{}", libraries.display(), others.display());
        let linked = shell::output(Command::new("ldd").arg(&llvm).env("LD_LIBRARY_PATH", search))?;
        let missing = missing(&linked)?;
        if missing.is_empty() {
            return Ok(());
        }
        fetch(folder, &missing)?;
    }
    bail!("{} does not find all its libraries", llvm.display())
}

/// The packages that hold what `ldd` did not find.
fn missing(linked: &str) -> Result<Vec<String>> {
    let mut packages = Vec::new();
    for name in linked.lines().filter_map(|line| line.trim().strip_suffix(" => not found")) {
        let Some((_, package)) = LIBRARIES.iter().find(|(library, _)| *library == name) else {
            bail!("LLVM wants {name}, and no package is known to hold it");
        };
        if !packages.iter().any(|known| known == package) {
            packages.push((*package).to_owned());
        }
    }
    Ok(packages)
}

/// Builds bpf-linker; its own lock file pins what it is made of.
fn build_linker(folder: &Path) -> Result<()> {
    println!("  cargo install bpf-linker {LINKER} (about a minute)");
    let [libraries, others] = library_folders().map(|library| folder.join(library));
    let build = folder.join("build");
    let mut cargo = Command::new(shell::cargo());
    cargo
        .args(["install", "bpf-linker", "--quiet", "--version", LINKER, "--locked", "--no-default-features"])
        .args(["--features", "llvm-22", "--force", "--no-track", "--root"])
        .arg(folder.join("linker"))
        .arg("--target-dir")
        .arg(&build)
        .current_dir(folder)
        .env("LLVM_PREFIX", folder.join("llvm"))
        .env("LD_LIBRARY_PATH", format!("{}:{}", libraries.display(), others.display()))
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback")
        .env_remove("RUSTFLAGS");
    shell::run(&mut cargo)?;
    remove(&build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_libraries_become_packages() {
        let linked = "\tlibz3.so.4 => not found\n\tlibicuuc.so.72 => not found\n\tlibicudata.so.72 => not found\n\
                      \tlibc.so.6 => /lib/libc.so.6 (0x1)\n";
        assert_eq!(missing(linked).unwrap(), ["libz3-4", "libicu72"]);
        assert_eq!(missing("\tlibc.so.6 => /lib/libc.so.6 (0x1)\n").unwrap(), Vec::<String>::new());
        assert!(missing("\tlibnew.so.1 => not found\n").is_err());
    }
}
