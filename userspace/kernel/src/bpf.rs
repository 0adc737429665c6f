//! The bpf(2) system call: the few commands the loader and the tables need, each as a safe function.
//!
//! aya loads and relocates the object; what it has no call for (batches, links without its netlink fallback,
//! questions about objects in the kernel) stands here.
#![expect(
    unsafe_code,
    reason = "bpf(2) takes addresses as integers; this file is where they are made and kept valid"
)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

mod table;

pub(crate) use table::{Shape, Table, Walk};

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP_ELEM: libc::c_int = 1;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_DELETE_ELEM: libc::c_int = 3;
const OBJ_PIN: libc::c_int = 6;
const OBJ_GET: libc::c_int = 7;
const PROG_TEST_RUN: libc::c_int = 10;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const MAP_LOOKUP_BATCH: libc::c_int = 24;
const MAP_UPDATE_BATCH: libc::c_int = 26;
const LINK_CREATE: libc::c_int = 28;
const LINK_UPDATE: libc::c_int = 29;
const LINK_DETACH: libc::c_int = 34;

const ATTACH_XDP: u32 = 37;

/// Attach in the driver.
pub(crate) const FLAG_NATIVE: u32 = 1 << 2;
/// Attach in the network stack.
pub(crate) const FLAG_GENERIC: u32 = 1 << 1;

/// Makes the call. Every attribute type here is the prefix of `union bpf_attr` that its command reads.
fn call<T: IntoBytes + FromBytes + Immutable>(command: libc::c_int, attr: &mut T) -> io::Result<RawFd> {
    let bytes = attr.as_mut_bytes();
    // SAFETY: the kernel reads and writes at most `len` bytes of `attr`, which is borrowed exclusively; addresses
    // inside it come from slices that the calling function borrows until this call returns.
    let got = unsafe { libc::syscall(libc::SYS_bpf, command, bytes.as_mut_ptr(), bytes.len()) };
    match RawFd::try_from(got) {
        Ok(fd) if fd >= 0 => Ok(fd),
        _ => Err(io::Error::last_os_error()),
    }
}

fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just returned this descriptor to the caller, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

fn address<T>(bytes: &[T]) -> u64 {
    bytes.as_ptr().addr() as u64
}

fn address_mut<T>(bytes: &mut [T]) -> u64 {
    bytes.as_mut_ptr().addr() as u64
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Pin {
    path: u64,
    fd: u32,
    flags: u32,
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// Pins a map, program or link under a path on a bpffs.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let name = c_path(path)?;
    let mut attr = Pin { path: address(name.as_bytes_with_nul()), fd: number(object), flags: 0 };
    call(OBJ_PIN, &mut attr).map(drop)
}

/// Opens what is pinned under a path.
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    let name = c_path(path)?;
    let mut attr = Pin { path: address(name.as_bytes_with_nul()), fd: 0, flags: 0 };
    call(OBJ_GET, &mut attr).map(owned)
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches a program to an interface; the link holds it there until its last descriptor and pin are gone.
pub(crate) fn attach(program: BorrowedFd<'_>, interface: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = LinkCreate { program: number(program), interface, attach_type: ATTACH_XDP, flags };
    call(LINK_CREATE, &mut attr).map(owned)
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct LinkUpdate {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}

/// Replaces the program of a link between two packets.
pub(crate) fn replace(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = LinkUpdate { link: number(link), program: number(program), flags: 0, old_program: 0 };
    call(LINK_UPDATE, &mut attr).map(drop)
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct LinkDetach {
    link: u32,
}

/// Takes the program off at once; merely closing a link leaves that to a worker of the kernel.
pub(crate) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    call(LINK_DETACH, &mut LinkDetach { link: number(link) }).map(drop)
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Question {
    fd: u32,
    length: u32,
    answer: u64,
}

/// Asks about an object; the kernel fills as much of `T` as it knows.
fn ask<T: FromBytes + IntoBytes + Immutable>(object: BorrowedFd<'_>) -> io::Result<T> {
    let mut answer = T::new_zeroed();
    let bytes = answer.as_mut_bytes();
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut attr = Question { fd: number(object), length, answer: address_mut(bytes) };
    call(OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(answer)
}

/// The beginning of `struct bpf_prog_info`.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct ProgramFacts {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    lengths: [u32; 2],
    code: [u64; 2],
    load_time: u64,
    uid: u32,
    maps: u32,
    map_ids: u64,
    name: [u8; 16],
}

/// The number of a loaded program.
pub(crate) fn program_id(program: BorrowedFd<'_>) -> io::Result<u32> {
    ask::<ProgramFacts>(program).map(|facts| facts.id)
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// The name of a loaded program; asking needs CAP_SYS_ADMIN.
pub(crate) fn program_name(id: u32) -> io::Result<String> {
    let program = owned(call(PROG_GET_FD_BY_ID, &mut ById { id, next: 0, flags: 0 })?);
    let facts: ProgramFacts = ask(program.as_fd())?;
    let name = facts.name.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// The beginning of `struct bpf_link_info` as it reads for XDP.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct LinkFacts {
    kind: u32,
    id: u32,
    program: u32,
    pad: u32,
    interface: u32,
    rest: u32,
}

/// What a link holds: the number of its program, and its interface. An interface of 0 means that it is gone.
pub(crate) fn link_holds(link: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    ask::<LinkFacts>(link).map(|facts| (facts.program, facts.interface))
}

#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct TestRun {
    program: u32,
    verdict: u32,
    in_length: u32,
    out_length: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration_ns: u32,
    context_lengths: [u32; 2],
    contexts: [u64; 2],
}

/// Runs a program once over a packet and returns its verdict.
pub(crate) fn run(program: BorrowedFd<'_>, packet: &[u8]) -> io::Result<u32> {
    let mut out = vec![0_u8; packet.len() + 256];
    let mut attr = TestRun::new_zeroed();
    attr.program = number(program);
    attr.in_length = u32::try_from(packet.len()).map_err(io::Error::other)?;
    attr.out_length = u32::try_from(out.len()).map_err(io::Error::other)?;
    attr.input = address(packet);
    attr.output = address_mut(&mut out);
    attr.repeat = 1;
    call(PROG_TEST_RUN, &mut attr)?;
    Ok(attr.verdict)
}
