//! The shield passed on to the program that replaces this one, and taken over from the one before.

use super::Guard;
use std::os::fd::OwnedFd;
use weir_kernel::{Bans, Shield};

impl Guard {
    /// What a successor needs of the shield, if there is one. Until [`Guard::resume`], this program leaves the kernel's side
    /// alone but for bans.
    pub(crate) fn hand_on(&mut self) -> Option<OwnedFd> {
        self.yields = true;
        let shared = self.shield.as_ref().map(Shield::share_claim).transpose();
        shared.unwrap_or_else(|error| {
            tracing::warn!("the shield cannot be handed on: {error}");
            None
        })
    }

    /// The successor has failed: this program's rules are put in force again.
    pub(crate) fn resume(&mut self) {
        self.yields = false;
        if let Some(Err(error)) = self.shield.as_mut().map(Shield::resume) {
            tracing::warn!("the shield could not be taken back whole: {error}");
        }
    }

    /// The program before has let go, or has ended: what it banned until then is learned.
    pub(crate) fn settle(&mut self) {
        let told = match &mut self.shield {
            Some(shield) => Some(shield.settle()),
            None => self.bans.as_mut().map(Bans::learn_again),
        };
        if let Some(Err(error)) = told {
            tracing::warn!("the bans of the program before could not be learned: {error}");
        }
    }

    /// Leaves everything as it is in the kernel to the program that replaces this one.
    pub(crate) fn leave(&mut self) {
        if let Some(shield) = self.shield.take() {
            shield.leave();
        }
    }
}
