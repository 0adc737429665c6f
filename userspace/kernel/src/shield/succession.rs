//! From one running program to the next: both share the claim, and the kernel's side is never without rules.

use std::io;
use std::os::fd::OwnedFd;

use weir_plan::shield::Shield as Plan;

use super::Shield;
use crate::Error;
use crate::claim::Claim;
use crate::host::Host;
use crate::sysctl::Changes;

impl Shield {
    /// As [`Shield::open`], in the place of a program that runs and shares its claim. Program, rules and lists are replaced
    /// between two packets. Until [`Shield::settle`] this shield is on probation: however it ends, what stands in the kernel
    /// stays, and the program before may go on.
    ///
    /// # Errors
    /// As for [`Shield::open`].
    pub fn succeed(plan: &Plan, host: &Host, claim: Claim) -> Result<Self, Error> {
        Self::raise(plan, host, Some(claim))
    }

    /// What a successor needs, to be handed to it as an open file.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn share_claim(&self) -> io::Result<OwnedFd> {
        self.claim.share()
    }

    /// The program before has let go, or is about to: from now on this one puts things back. To be called again when the
    /// other has ended, for bans that it made until then.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.on_probation = false;
        self.changes.keep_on_drop(false);
        self.bans.learn_again()
    }

    /// Lets go in favour of a successor, which has everything.
    pub fn leave(mut self) {
        self.changes.keep_on_drop(true);
    }

    /// Puts this program's own rules and program back in force after a successor has failed.
    ///
    /// # Errors
    /// What the kernel refused, or a list file that has become unreadable.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.changes.keep_on_drop(true);
        self.changes = Changes::found(&self.host);
        self.loaded.keep_tables(&self.pins)?;
        self.sync(&self.plan.clone())?;
        self.bans.learn_again()?;
        self.pins.keep_program(self.loaded.main())
    }
}
