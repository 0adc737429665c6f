//! The directory on a bpffs that holds what outlives weir: maps, the program, and one link for each interface.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use crate::Error;
use crate::bpf;
use crate::host::Host;
use crate::object;

/// What the names of pinned links begin with.
const LINK: &str = "link-";
/// What the name of the pinned program begins with; the hash of its object follows.
const PROGRAM: &str = "program-";

/// The pin directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pins {
    pub(crate) directory: PathBuf,
}

/// A pinned link and what it holds.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) fd: OwnedFd,
    pub(crate) program: u32,
    /// The number of the interface, 0 once it is gone.
    pub(crate) index: u32,
}

impl Pins {
    /// Makes the directory, on a bpffs that exists or, if allowed, is mounted now.
    pub(crate) fn make(directory: &Path, may_mount: bool, host: &Host) -> Result<Self, Error> {
        mount(directory, may_mount, host)?;
        fs::create_dir_all(directory).map_err(|error| Error::os(purpose(directory), &error))?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The directory as it is, whether or not there is anything in it.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Where the program of this build is pinned.
    pub(crate) fn program(&self) -> PathBuf {
        self.path(&format!("{PROGRAM}{}", object::HASH))
    }

    /// Pins the program of this build in place of those of others.
    pub(crate) fn keep_program(&self, program: impl AsFd) -> Result<(), Error> {
        let (own, fresh) = (self.program(), self.path("new-program"));
        remove(&fresh)?;
        bpf::pin(program.as_fd(), &fresh)
            .and_then(|()| fs::rename(&fresh, &own))
            .map_err(|error| Error::os(format!("pin {}", own.display()), &error))?;
        let names: Vec<String> = self.names().filter(|name| name.starts_with(PROGRAM)).collect();
        names
            .iter()
            .map(|name| self.path(name))
            .filter(|path| *path != own)
            .try_for_each(|path| remove(&path))
    }

    /// Pins a table in place of whatever has its name.
    pub(crate) fn keep(&self, name: &str, table: BorrowedFd<'_>) -> Result<(), Error> {
        let (path, fresh) = (self.path(name), self.path(&format!("{name}-new")));
        remove(&fresh)?;
        bpf::pin(table, &fresh)
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(|error| Error::os(format!("pin {}", path.display()), &error))
    }

    /// The names of all pins that are neither links nor programs.
    pub(crate) fn tables(&self) -> impl Iterator<Item = String> {
        self.names().filter(|name| !name.starts_with(LINK) && !name.starts_with(PROGRAM))
    }

    /// Whether a program is pinned, of whichever build.
    pub(crate) fn holds_program(&self) -> bool {
        self.names().any(|name| name.starts_with(PROGRAM))
    }

    /// The program that is pinned, of whichever build.
    pub(crate) fn pinned_program(&self) -> Option<OwnedFd> {
        let name = self.names().find(|name| name.starts_with(PROGRAM))?;
        bpf::open(&self.path(&name)).ok()
    }

    pub(crate) fn link_path(&self, interface: &str) -> PathBuf {
        // A bpffs keeps dots for itself, and VLAN interfaces have them; a colon no interface has.
        self.path(&format!("{LINK}{}", interface.replace('.', ":")))
    }

    /// The pinned link of an interface.
    pub(crate) fn link(&self, interface: &str) -> Result<Option<Link>, Error> {
        let path = self.link_path(interface);
        let wrong = |error: &io::Error| Error::os(format!("open the link {}", path.display()), error);
        match bpf::open(&path) {
            Ok(fd) => {
                let (program, index) = bpf::link_holds(fd.as_fd()).map_err(|error| wrong(&error))?;
                Ok(Some(Link { fd, program, index }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(&error)),
        }
    }

    /// The interfaces that have a pinned link, whether or not it still holds anything.
    pub(crate) fn linked(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .names()
            .filter_map(|name| name.strip_prefix(LINK).map(|name| name.replace(':', ".")))
            .collect();
        names.sort();
        names
    }

    /// Takes the program off an interface and removes the pin of its link.
    pub(crate) fn unlink(&self, interface: &str) -> Result<(), Error> {
        if let Ok(link) = bpf::open(&self.link_path(interface)) {
            // A link whose interface is gone has nothing to let go of; removing its pin is all that is left.
            drop(bpf::detach(link.as_fd()));
        }
        remove(&self.link_path(interface))
    }

    /// Removes everything: links first, so that no packet meets a program whose maps are going.
    pub(crate) fn clear(&self) -> Result<Vec<String>, Error> {
        let freed = self.linked();
        for interface in &freed {
            self.unlink(interface)?;
        }
        let names: Vec<String> = self.names().collect();
        for name in names {
            remove(&self.path(&name))?;
        }
        match fs::remove_dir(&self.directory) {
            // Another weir may hold the directory, or it may itself be the mount point.
            Ok(()) | Err(_) => Ok(freed),
        }
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let listing = fs::read_dir(&self.directory).into_iter().flatten();
        listing.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
    }
}

/// Mounts a bpffs for the directory if there is none and that is allowed.
pub(crate) fn mount(directory: &Path, may_mount: bool, host: &Host) -> Result<(), Error> {
    let purpose = || purpose(directory);
    if host.bpffs_of(directory).map_err(|error| Error::os(purpose(), &error))?.is_some() {
        return Ok(());
    }
    let point = directory.parent().unwrap_or(directory);
    let command = format!("run `mount -t bpf bpf {}`", point.display());
    if !may_mount {
        let mend = format!("{command}, or say `mount_bpffs: true`");
        let why = format!("no bpffs is mounted on {}", point.display());
        return Err(Error::unavailable(purpose(), why, mend));
    }
    fs::create_dir_all(point).map_err(|error| Error::os(format!("make {}", point.display()), &error))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    nix::mount::mount(Some("bpf"), point, Some("bpf"), flags, Some("mode=0700")).map_err(
        |errno| match errno {
            nix::Error::EPERM => Error::Permission(crate::Complaint::new(
                format!("mount a bpffs on {}", point.display()),
                "it takes CAP_SYS_ADMIN",
                command,
            )),
            _ => Error::os(format!("mount a bpffs on {}", point.display()), &errno.into()),
        },
    )
}

fn purpose(directory: &Path) -> String {
    format!("pin the shield under {}", directory.display())
}

pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::os(format!("remove {}", path.display()), &error)),
    }
}
