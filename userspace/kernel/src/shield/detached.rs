//! Taken down by hand: by another process, whether or not one runs that holds the shield.

use std::path::Path;

use super::Shield;
use crate::Error;
use crate::attach::{Attached, Placement};
use crate::host::Host;
use crate::pins::Pins;
use crate::sysctl::Changes;

impl Shield {
    /// Whether somebody has taken it down by [`detach`]. Nothing puts it up again but opening another.
    pub fn is_detached(&mut self) -> bool {
        self.is_detached |= !self.pins.holds_program();
        self.is_detached
    }

    /// Believes what somebody has done: interfaces are bare, and the sysctls are as they were. Returns the interfaces that
    /// were protected until now.
    pub(super) fn take_down(&mut self) -> Vec<Attached> {
        self.changes.forget();
        let mut changed = Vec::new();
        for how in self.attached.iter_mut().filter(|how| how.placement != Placement::Off) {
            "`weir shield detach` took it off; a reload or a restart puts it back".clone_into(&mut how.why);
            how.placement = Placement::Off;
            changed.push(how.clone());
        }
        changed
    }
}

/// Takes the program off every interface, removes all tables and puts back the sysctls that were set, whether or not a
/// weir is running; one that is leaves it so. Returns the interfaces that were freed.
///
/// # Errors
/// What could not be removed or put back; all the rest is.
pub fn detach(pin_directory: &Path, host: &Host) -> Result<Vec<String>, Error> {
    // Everything in it is removed: that must never be a directory of somebody's files.
    let is_pinned = || matches!(host.bpffs_of(pin_directory), Ok(Some(_)));
    if pin_directory.exists() && !is_pinned() {
        return Err(Error::config(
            format!("detach what is pinned in {}", pin_directory.display()),
            "this is no directory of a bpffs",
            "name the `pin_directory` of the configuration with --pins",
        ));
    }
    let freed = Pins::at(pin_directory).clear();
    let restored = Changes::found(host).restore();
    freed.and_then(|freed| restored.map(|()| freed))
}
