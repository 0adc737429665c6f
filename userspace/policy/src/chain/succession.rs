//! A request that another route answers than the one at first: what has judged it already is not asked again.
use super::{Chain, Rank, Step};
use crate::Pass;
use std::sync::Arc;

impl Chain {
    /// Takes over a request that `before` has let pass. What it has counted, found out and changed by policies that stand
    /// here as well holds, and they see the answer; what only looks is asked again, for it may have to decide otherwise.
    ///
    /// Who the sender is has to be found out anew if a policy has said so that does not stand here.
    pub fn take_over(&self, before: &Chain, pass: &mut Pass) {
        let mut done = std::mem::take(&mut pass.done);
        done.extend(before.steps.iter().take(pass.entered).cloned());
        if let Some((consumer, count)) = before.left_by_consumer(pass) {
            done.extend(consumer.chain.steps.iter().take(count).cloned());
        }
        done.retain(|step| !step.link.rank().only_looks());
        let says_who = |step: &Arc<Step>| step.link.rank() == Rank::Login;
        let is_kept = done.iter().filter(|step| says_who(step)).all(|step| self.place(step).is_some());
        if !is_kept {
            pass.forget_identity();
            done.retain(|step| !says_who(step));
        }
        pass.move_offences(|place| {
            let step = before.steps.get(place)?;
            done.iter().any(|done| Arc::ptr_eq(done, step)).then(|| self.place(step))?
        });
        pass.done = done;
        pass.begin_route();
    }

    fn place(&self, step: &Arc<Step>) -> Option<usize> {
        self.steps.iter().position(|own| Arc::ptr_eq(own, step))
    }
}

impl Rank {
    /// Whether its policies count and change nothing, and may judge otherwise on another route.
    fn only_looks(self) -> bool {
        matches!(self, Rank::Watch | Rank::Address | Rank::Member)
    }
}
