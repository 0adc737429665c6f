//! What a new plan asks of the kernel, done in three steps, of which the first and the last are quick: the long one, reading
//! lists and writing them, is for another thread.

use super::{AN_UPSTREAM, Guard, coded, complain, meant};
use crate::failure::{UNAVAILABLE, failure};
use anyhow::Result;
use weir_kernel::{Compiled, Draft, Error, Host, Shield};
use weir_plan::Plan;
use weir_plan::shield::OnAttachFailure;

/// Something to be done for the shield, elsewhere.
pub(crate) enum Errand {
    /// There is to be no shield.
    Nothing,
    /// The running shield shall obey.
    Draft(Box<Draft>),
    /// Its lists are read, and can be written.
    Compiled(Box<Compiled>),
    /// There is none yet, or none any more.
    Open(Box<(weir_plan::shield::Shield, Host)>),
    /// One was opened, or could not be.
    Opened(Box<Result<Shield, Error>>),
}

impl Errand {
    /// Finds what is wrong in the plan's lists. Nothing has changed then.
    pub(crate) fn prepare(self) -> Result<Self> {
        match self {
            Self::Draft(draft) => {
                Ok(Self::Compiled(Box::new(draft.compile().map_err(|error| coded(&error))?)))
            }
            other => Ok(other),
        }
    }

    /// Writes the lists, or opens the shield.
    pub(crate) fn carry_out(self) -> Result<Self> {
        match self {
            Self::Compiled(mut compiled) => {
                compiled.write().map_err(|error| coded(&error))?;
                Ok(Self::Compiled(compiled))
            }
            Self::Open(what) => Ok(Self::Opened(Box::new(Shield::open(&what.0, &what.1)))),
            other => Ok(other),
        }
    }
}

impl Guard {
    /// What is to be done for a new plan.
    pub(crate) fn errand(&mut self, plan: &Plan) -> Result<Errand> {
        if self.yields {
            return Err(failure(UNAVAILABLE, "a successor is about to take over; ask again in a moment"));
        }
        let (meant, upstreams) = (meant(plan), self.upstreams(plan));
        let is_down = self.shield.as_mut().is_none_or(Shield::is_detached);
        match &self.shield {
            Some(shield) if !is_down => {
                let dependencies: Vec<_> =
                    upstreams.into_iter().map(|network| (network, AN_UPSTREAM)).collect();
                Ok(Errand::Draft(Box::new(shield.draft(&meant, &dependencies))))
            }
            _ if meant.interfaces.is_empty() => Ok(Errand::Nothing),
            _ => Ok(Errand::Open(Box::new((meant, self.host.clone())))),
        }
    }

    /// Takes what has come of an errand for this plan. After an error the shield is as it was.
    pub(crate) fn take(&mut self, done: Errand, plan: &Plan) -> Result<()> {
        match done {
            Errand::Compiled(compiled) => {
                let upstreams = self.upstreams(plan);
                let dependencies = upstreams.into_iter().map(|network| (network, AN_UPSTREAM)).collect();
                let Some(shield) = &mut self.shield else { return Ok(()) };
                shield.adopt(*compiled, dependencies).map_err(|error| coded(&error))
            }
            Errand::Opened(opened) => {
                let down = self.shield.take();
                self.stand(*opened, plan).inspect_err(|_| self.shield = down)
            }
            _ => {
                self.put_up(plan, None)?;
                self.shield = None;
                Ok(())
            }
        }
    }

    /// Lists to be written anew because others are to be protected than when they were written.
    pub(crate) fn renewal(&mut self) -> Option<Errand> {
        if self.yields {
            return None;
        }
        let draft = self.shield.as_mut()?.renewal()?;
        Some(Errand::Draft(Box::new(draft)))
    }

    /// Stands behind a shield that was opened; without one, the plan says what becomes of that.
    pub(super) fn stand(&mut self, opened: Result<Shield, Error>, plan: &Plan) -> Result<()> {
        match opened {
            Ok(mut shield) => {
                for how in shield.attached() {
                    let (interface, placement) = (&how.interface, how.placement.as_str());
                    tracing::info!(%interface, %placement, why = %how.why, "shield attached");
                }
                complain(shield.complaints());
                shield.depend_on(self.upstreams(plan), AN_UPSTREAM);
                (self.shield, self.bans) = (Some(shield), None);
                Ok(())
            }
            Err(error) if plan.shield.on_attach_failure == OnAttachFailure::Userspace => {
                tracing::warn!("XDP is off: {error}");
                self.do_without(&meant(plan), plan, error.to_string())
            }
            Err(error) => Err(coded(&error)),
        }
    }
}
