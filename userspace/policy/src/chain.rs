//! The policies of a route in their order: in through all of them, out in reverse through those that were entered.
use crate::pass::Offence;
use crate::{Client, Consumer, End, Flow, Leave, Now, Pass, Visit};
use std::sync::Arc;

mod link;
mod succession;

pub use link::Link;

/// Judges requests. Every hook may be left out.
pub trait Policy {
    /// A connection came whose bytes are carried to an upstream; of its client nothing is known but the address.
    fn connect(&self, _client: &Client, _now: Now) -> Flow {
        Flow::Next
    }

    /// A request has come in.
    fn request(&self, _visit: &mut Visit<'_>) -> Flow {
        Flow::Next
    }

    /// An answer goes out to a request that this policy has seen.
    fn response(&self, _leave: &mut Leave<'_>) {}

    /// A request that this policy has seen is over.
    fn finish(&self, _end: &mut End<'_>) {}
}

/// When a policy is asked, whatever the order in which it was written: the identity of a request is settled
/// before anything depends on it, and an attempt to log in counts against the limit of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Has to see the end of every request.
    Watch,
    /// Gives the request a name, so that every refusal can be found again.
    Name,
    /// Answers questions that browsers ask without credentials (Fetch, "CORS-preflight fetch").
    Preflight,
    /// Needs nothing but the address and the size.
    Address,
    /// Limits by what is known without a credential.
    Rate,
    /// Finds out who it is.
    Login,
    /// Needs to know who it is.
    Member,
    /// Limits by who it is.
    Quota,
    /// Changes what goes upstream.
    Edit,
    /// Answers in place of the upstream.
    Answer,
}

/// One policy at its place.
#[derive(Debug)]
pub struct Step {
    /// The name of the rule, as logs and bans show it.
    pub rule: Box<str>,
    /// What it does.
    pub link: Link,
    /// Refusals are counted and not carried out.
    pub observe: bool,
}

/// The policies of one route.
#[derive(Debug, Default)]
pub struct Chain {
    steps: Vec<Arc<Step>>,
}

impl Chain {
    /// Orders the policies by rank; among equals the written order stays.
    pub fn new(mut steps: Vec<Arc<Step>>) -> Chain {
        steps.sort_by_key(|step| step.link.rank());
        Chain { steps }
    }

    /// The policies in the order in which they are asked.
    pub fn steps(&self) -> &[Arc<Step>] {
        &self.steps
    }

    /// Whether one of its policies finds out who a request is from.
    pub fn identifies(&self) -> bool {
        self.steps.iter().any(|step| step.link.rank() == Rank::Login)
    }

    /// The name of the rule at a place that a request has met; empty if there is none.
    pub fn rule<'a>(&'a self, step: usize, pass: &'a Pass) -> &'a str {
        let own = step.checked_sub(self.steps.len()).and_then(|step| steps_of_consumer(pass).get(step));
        self.steps.get(step).or(own).map_or("", |step| &step.rule)
    }

    /// Judges a connection.
    pub fn connect(&self, client: &Client, now: Now) -> Flow {
        for step in &self.steps {
            match step.link.connect(client, now) {
                Flow::Next => {}
                _ if step.observe => {}
                stop => return stop,
            }
        }
        Flow::Next
    }

    /// Judges a request, at last by the policies of the consumer that it is from. After [`Flow::Ask`] it is called
    /// again with the same pass, and goes on where it was.
    pub fn request(&self, visit: &mut Visit<'_>) -> Flow {
        visit.pass.client = Some(*visit.client);
        let flow = self.walk(0, visit);
        if !matches!(flow, Flow::Next) || steps_of_consumer(visit.pass).is_empty() {
            return flow;
        }
        let consumer = visit.pass.identity.consumer.clone();
        consumer.map_or(Flow::Next, |consumer| consumer.chain.walk(self.steps.len(), visit))
    }

    /// Asks those that were not asked yet. `before` is how many stand before the first of these.
    fn walk(&self, before: usize, visit: &mut Visit<'_>) -> Flow {
        for (index, step) in self.steps.iter().enumerate().skip(visit.pass.entered.saturating_sub(before)) {
            let index = before + index;
            visit.pass.entered = index + 1;
            if visit.pass.is_done(step) {
                continue;
            }
            let flow = step.link.request(visit);
            if matches!(flow, Flow::Next) {
                visit.pass.asked = false;
            } else if let Some(flow) = stopped(flow, index, step, visit.pass) {
                return flow;
            }
        }
        Flow::Next
    }

    /// Lets an answer pass the policies that have seen its request, the last one first.
    pub fn response(&self, leave: &mut Leave<'_>) {
        if let Some((consumer, count)) = self.left_by_consumer(leave.pass) {
            consumer.chain.entered(count).for_each(|step| step.link.response(leave));
        }
        for step in self.entered(leave.pass.entered) {
            step.link.response(leave);
        }
    }

    /// Tells the policies that have seen the request that it is over, and those that have to see the end of every one.
    pub fn finish(&self, end: &mut End<'_>) {
        if let Some((consumer, count)) = self.left_by_consumer(end.pass) {
            consumer.chain.entered(count).for_each(|step| step.link.finish(end));
        }
        let watching = self.steps.iter().take_while(|step| step.link.rank() == Rank::Watch).count();
        for step in self.entered(end.pass.entered.max(watching)) {
            step.link.finish(end);
        }
    }

    /// Tells the policies that score offences about one outside of any request.
    pub fn offend(&self, client: &Client, reason: weir_wire::Reason, now: Now, pass: &mut Pass) {
        pass.clear();
        pass.client = Some(*client);
        pass.record(reason);
        for step in self.steps.iter().filter(|step| step.link.rank() == Rank::Watch) {
            step.link.finish(&mut End { status: 0, now, pass });
        }
    }

    fn entered(&self, count: usize) -> impl Iterator<Item = &Arc<Step>> {
        self.steps.get(..count).unwrap_or(&self.steps).iter().rev()
    }

    /// The consumer whose policies have seen the request, and how many of them.
    fn left_by_consumer(&self, pass: &Pass) -> Option<(Arc<Consumer>, usize)> {
        let count = pass.entered.checked_sub(self.steps.len()).filter(|count| *count > 0)?;
        Some((pass.identity.consumer.clone()?, count))
    }
}

/// What becomes of a request that a policy does not let pass; nothing if it may go on all the same.
#[cold]
fn stopped(flow: Flow, index: usize, step: &Step, pass: &mut Pass) -> Option<Flow> {
    let reason = match &flow {
        Flow::Next => None,
        Flow::Reply(reply) => reply.reason,
        Flow::Close(reason) => Some(*reason),
        Flow::Ask(_) => {
            (pass.entered, pass.asked) = (index, true);
            return Some(flow);
        }
    };
    pass.asked = false;
    if let Some(reason) = reason {
        pass.offend(Offence { reason, step: index, enforced: !step.observe });
    }
    let observed = step.observe && reason.is_some();
    (!observed).then_some(flow)
}

fn steps_of_consumer(pass: &Pass) -> &[Arc<Step>] {
    pass.identity.consumer.as_ref().map_or(&[], |consumer| consumer.chain.steps())
}

#[cfg(test)]
mod tests;
