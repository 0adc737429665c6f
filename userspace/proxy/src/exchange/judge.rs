//! The policies asked about a request: those of its route, or those of its listener where no route answers.
use super::Exchange;
use crate::{
    fault::Fault,
    half::{Sink, Source},
};
use std::sync::Arc;
use std::time::Duration;
use weir_plan::{route::Route, router::Ask};
use weir_policy::{Chain, Flow, Reply, Visit, introduce};
use weir_reactor::nest;

/// How long an exchange waits for the answer to a question of a policy; after that the policy decides without.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Questions that the policies may ask about one request.
const QUESTIONS_MAX: u32 = 4;

impl<'a, S: Source, K: Sink> Exchange<'a, S, K> {
    /// Judges by the chain of the route. Once a token is verified a route that asks for its claims may answer
    /// instead, and then those of that one's chain judge who have not yet. Gives the route that answers, or a reply.
    pub(super) async fn judge_route(&mut self, route: &'a Route) -> Result<Result<&'a Route, Reply>, Fault> {
        let wanted_claims = self.wants_claims;
        if let Some(reply) = self.judge(route).await? {
            return Ok(Err(reply));
        }
        if !wanted_claims || self.pass.identity.claims.is_none() {
            return Ok(Ok(route));
        }
        let better = self.choose()?;
        if better.id == route.id {
            return Ok(Ok(route));
        }
        let before = self.chain;
        self.chain = self.chain_of(better);
        match (before, self.chain) {
            (Some(before), Some(chain)) => chain.take_over(before, self.pass),
            _ => self.pass.clear(),
        }
        Ok(self.ask_chain().await?.map_or(Ok(better), Err))
    }

    /// Where no route answers the listener judges, so that guessing paths counts as well.
    pub(super) async fn judged_without_route(&mut self, fault: Fault) -> Result<(), Fault> {
        self.chain = self.snapshot.plan.chains.of_listener(self.listener.id);
        match self.ask_chain().await? {
            Some(reply) => self.reply(reply).await,
            None => Err(self.offered().map_or(fault, Fault::Method)),
        }
    }

    /// RFC 9110, section 15.5.6: the methods that routes take which match but for theirs.
    fn offered(&self) -> Option<String> {
        let ask = Ask {
            request: self.request,
            listener: self.listener.id,
            client: self.client.address,
            sni: self.line.server_name.as_deref(),
            identity: None,
        };
        let methods = self.snapshot.plan.router.methods(&ask);
        (!methods.is_empty()).then(|| methods.into_iter().collect::<Vec<_>>().join(", "))
    }

    async fn judge(&mut self, route: &Route) -> Result<Option<Reply>, Fault> {
        self.chain = self.chain_of(route);
        self.ask_chain().await
    }

    fn chain_of(&self, route: &Route) -> Option<&'a Arc<Chain>> {
        self.snapshot.plan.chains.of_route(self.listener.id, route.id)
    }

    /// Asks the policies one after the other; a question of theirs is put to those who can answer it.
    async fn ask_chain(&mut self) -> Result<Option<Reply>, Fault> {
        for _ in 0..=QUESTIONS_MAX {
            match self.enter_chain() {
                Flow::Next => return Ok(None),
                Flow::Reply(reply) => return Ok(Some(reply)),
                Flow::Close(reason) => return Err(Fault::Denied(reason)),
                Flow::Ask(call) => {
                    let desk = &self.line.desk;
                    let asking = nest(desk.waiting.ask(desk.helm.outlet(), call));
                    // Too late is as good as no answer: the policy decides by what it has.
                    let _late = self.line.watch.limit(ANSWER_WAIT, asking).await;
                }
            }
        }
        Err(Fault::Internal("the policies ask without end"))
    }

    fn enter_chain(&mut self) -> Flow {
        if self.chain.is_none() && self.line.bearer.is_none() {
            return Flow::Next;
        }
        let is_first = !self.pass.is_introduced();
        let mut visit = Visit {
            request: self.request,
            client: &self.client,
            route: self.route,
            now: self.line.desk.now(),
            worker: &mut self.line.desk.policy.borrow_mut(),
            pass: self.pass,
        };
        if let (true, Some(bearer), Some(library)) =
            (is_first, &self.line.bearer, &self.snapshot.plan.library)
        {
            introduce(&bearer.names, library.consumers(), &mut visit);
        }
        self.chain.map_or(Flow::Next, |chain| chain.request(&mut visit))
    }
}
