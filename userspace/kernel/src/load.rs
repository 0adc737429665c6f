//! Takes the embedded object through the verifier, with its tables pinned or for trial only.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::ProgramArray;
use aya::programs::{Program, ProgramError, ProgramFd};
use aya::{Ebpf, EbpfError, EbpfLoader};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use weir_wire::table;

use crate::bpf::{self, Shape, Table};
use crate::host::Host;
use crate::object;
use crate::pins::{self, Pins};
use crate::tables;
use crate::{Complaint, Error};

/// The oldest kernel with everything the program uses: batches and links of 5.9, the coarse clock and atomics of 5.12,
/// cookies without a listener of 6.0.
pub(crate) const KERNEL_MIN: (u32, u32) = (6, 0);

/// `BPF_MAP_TYPE_ARRAY_OF_MAPS`.
const ARRAY_OF_MAPS: u32 = 12;

/// How many of the verifier's last lines an error carries.
const VERIFIER_LINES_MAX: usize = 12;

/// The program to attach, in the kernel. What it calls and what it reads live as long as it does.
#[derive(Debug)]
pub(crate) struct Loaded {
    main: OwnedFd,
    /// Its tables by their names. Another build may pin its own under the same.
    tables: Vec<(String, OwnedFd)>,
    /// Instructions that the verifier walked through, in all programs.
    instructions: Option<u32>,
}

/// What the verifier said of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Instructions that it walked through, in all programs; not every kernel tells.
    pub instructions: Option<u32>,
}

/// Checks that this machine can run the shield at all, before anything is touched.
pub(crate) fn probe(host: &Host) -> Result<(), Error> {
    let what = "load the XDP program";
    let (release, numbers) = host.kernel().map_err(|error| Error::os("read the kernel's version", &error))?;
    if numbers < KERNEL_MIN {
        let why = format!(
            "the kernel is {release}, and {}.{} is the oldest that will do",
            KERNEL_MIN.0, KERNEL_MIN.1
        );
        return Err(Error::unavailable(what, why, "run a newer kernel, or say `shield: { mode: off }`"));
    }
    let missing = host.missing_capabilities().map_err(|error| Error::os("read capabilities", &error))?;
    if !missing.is_empty() {
        let names: Vec<&str> = missing.into_iter().map(super::host::Capability::as_str).collect();
        return Err(Error::Permission(Complaint::new(
            what,
            format!("weir lacks {}", names.join(" and ")),
            "run weir by its systemd unit, which grants them, or as root",
        )));
    }
    Ok(())
}

/// Loads the object with its tables in `pins`; tables that are already there are taken over with what they hold. If
/// this very object is pinned there, it is taken over too: the verifier may take seconds, a restart must not.
pub(crate) fn load(pins: &Pins) -> Result<Loaded, Error> {
    let declared = object::tables()?;
    let is_own = pins.program().exists();
    // Of tables in a table the kernel does not tell the shape, and it may be that of another build. They are filled anew
    // before the program that reads them is attached.
    let is_fit =
        |name: &str, shape: &Shape| is_there(pins, name, shape) && (is_own || shape.kind != ARRAY_OF_MAPS);
    let unfit: Vec<&String> =
        declared.iter().filter(|(name, shape)| !is_fit(name, shape)).map(|(name, _)| name).collect();
    if unfit.is_empty()
        && let Ok(main) = bpf::open(&pins.program())
    {
        let tables = pinned(pins, declared.keys())?;
        return Ok(Loaded { main, tables, instructions: None });
    }
    for name in unfit {
        // The program that runs now keeps its own table; only the name is freed for the new one.
        pins::remove(&pins.path(name))?;
        pins::remove(&pins.path(&tables::now(name)))?;
    }
    let mut loader = EbpfLoader::new();
    for name in declared.keys() {
        loader.map_pin_path(name, pins.path(name));
    }
    let loaded = run(&mut loader)?;
    Ok(Loaded { tables: pinned(pins, declared.keys())?, ..loaded })
}

/// The pinned tables of these names.
fn pinned<'a>(pins: &Pins, names: impl Iterator<Item = &'a String>) -> Result<Vec<(String, OwnedFd)>, Error> {
    let open = |name: &String| {
        let path = pins.path(name);
        let table = bpf::open(&path).map_err(|error| Error::os(format!("open {}", path.display()), &error));
        Ok((name.clone(), table?))
    };
    names.map(open).collect()
}

/// Whether a table of this shape is pinned.
fn is_there(pins: &Pins, name: &str, shape: &Shape) -> bool {
    Table::open(&pins.path(name)).is_ok_and(|table| {
        let there = table.shape();
        (there.kind, there.key, there.value, there.entries_max)
            == (shape.kind, shape.key, shape.value, shape.entries_max)
    })
}

/// Loads the object through the verifier and lets it go again.
///
/// # Errors
/// What is missing on this machine, or the verifier's last lines.
pub fn verify_only(host: &Host) -> Result<Verified, Error> {
    probe(host)?;
    let loaded = run(&mut EbpfLoader::new())?;
    Ok(Verified { instructions: loaded.instructions })
}

fn run(loader: &mut EbpfLoader<'_>) -> Result<Loaded, Error> {
    // Kernels before 5.11 count tables against this limit; where it may not be raised, making a table says so.
    setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).ok();
    let mut ebpf = loader.load(object::BYTES).map_err(|error| refused(&error))?;
    let mut instructions = Some(0);
    for name in [table::PROGRAM_COOKIE, table::PROGRAM_MAIN] {
        let program =
            ebpf.program_mut(name).ok_or_else(|| object::broken(&format!("it has no program {name}")))?;
        let Program::Xdp(program) = program else {
            return Err(object::broken(&format!("{name} is no XDP program")));
        };
        program.load().map_err(|error| verdict(name, &error))?;
        let walked = program.info().ok().and_then(|info| info.verified_instruction_count());
        instructions = instructions.zip(walked).map(|(sum, walked): (u32, u32)| sum + walked);
    }
    fill_tails(&mut ebpf)?;
    let main = descriptor(&ebpf, table::PROGRAM_MAIN)?;
    let main = main.as_fd().try_clone_to_owned().map_err(|error| Error::os("copy a descriptor", &error))?;
    Ok(Loaded { main, tables: Vec::new(), instructions })
}

/// The main program calls the cookie program through this table. It is pinned, so the old main program may for a
/// moment call the new cookie program; both keep to the same tables.
fn fill_tails(ebpf: &mut Ebpf) -> Result<(), Error> {
    let cookie = descriptor(ebpf, table::PROGRAM_COOKIE)?;
    let missing = || object::broken(&format!("it has no table {}", table::TAILS));
    let map = ebpf.map_mut(table::TAILS).ok_or_else(missing)?;
    let mut tails = ProgramArray::try_from(map).map_err(|error| object::broken(&error.to_string()))?;
    tails.set(table::TAIL_COOKIE, &cookie, 0).map_err(|error| object::broken(&error.to_string()))
}

fn descriptor(ebpf: &Ebpf, name: &str) -> Result<ProgramFd, Error> {
    let program = ebpf.program(name).ok_or_else(|| object::broken(&format!("it has no program {name}")))?;
    let fd = program.fd().map_err(|error| verdict(name, &error))?;
    fd.try_clone().map_err(|error| Error::os("copy a descriptor", &error))
}

impl Loaded {
    /// The program to attach.
    pub(crate) fn main(&self) -> BorrowedFd<'_> {
        self.main.as_fd()
    }

    /// Pins its tables again, in place of those that another build has pinned under their names; what that one alone has
    /// goes.
    pub(crate) fn keep_tables(&self, pins: &Pins) -> Result<(), Error> {
        for (name, table) in &self.tables {
            pins.keep(name, table.as_fd())?;
        }
        let is_own = |name: &str| self.tables.iter().any(|(own, _)| own == name || tables::now(own) == name);
        pins.tables().filter(|name| !is_own(name)).try_for_each(|name| pins::remove(&pins.path(&name)))
    }
}

/// Sorts what aya says about the object and its tables.
fn refused(error: &EbpfError) -> Error {
    let what = "load the XDP program";
    match os_error(error) {
        Some(os) => match Error::os(what, os) {
            Error::System(said) => Error::System(Complaint { why: chain(error), ..said }),
            sorted => sorted,
        },
        None => Error::unavailable(what, chain(error), "run `weir doctor`"),
    }
}

/// Sorts what the verifier says, and keeps its last lines.
fn verdict(name: &str, error: &ProgramError) -> Error {
    let what = format!("load the program {name}");
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let lines = last_lines(&log, VERIFIER_LINES_MAX);
            if lines.is_empty() {
                return Error::os(what, io_error);
            }
            let why = format!("the kernel's verifier refused it ({io_error}):\n{lines}\n");
            Error::unavailable(what, why, "report this with the output of `weir doctor`")
        }
        other => Error::unavailable(what, chain(other), "run `weir doctor`"),
    }
}

fn os_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut now = Some(error);
    while let Some(error) = now {
        if let Some(os) = error.downcast_ref::<std::io::Error>() {
            return Some(os);
        }
        now = error.source();
    }
    None
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut now = error.source();
    while let Some(error) = now {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        now = error.source();
    }
    said
}

/// The last lines that say something, indented.
fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let skip = lines.len().saturating_sub(count);
    lines.iter().skip(skip).map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_end_of_the_verifiers_log_is_kept() {
        let check = |log: &str, count: usize, expect: &str| assert_eq!(last_lines(log, count), expect);
        check("a\nb\n\nc\n", 2, "  b\n  c");
        check("", 2, "");
        check("a", 5, "  a");
    }

    #[test]
    fn an_old_kernel_and_missing_privileges_are_said_with_their_exit_codes() {
        let directory = tempfile::tempdir().unwrap();
        let host = Host { proc: directory.path().to_owned(), ..Host::default() };
        let check = |release: &str, capabilities: &str, code: u8, words: &str| {
            fs::create_dir_all(directory.path().join("sys/kernel")).unwrap();
            fs::create_dir_all(directory.path().join("thread-self")).unwrap();
            fs::write(directory.path().join("sys/kernel/osrelease"), release).unwrap();
            fs::write(directory.path().join("thread-self/status"), format!("CapEff:\t{capabilities}\n"))
                .unwrap();
            let error = probe(&host).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        };
        check("5.10.0-1-amd64", "ffffffffffffffff", 69, "6.0 is the oldest");
        check("6.1.0", "0", 77, "CAP_BPF and CAP_NET_ADMIN and CAP_PERFMON");
        check("6.1.0", "8000001000", 77, "weir lacks CAP_PERFMON");
    }
}
