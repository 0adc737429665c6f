//! What clients do wrong on its way to a verdict: offences outside of any exchange, and bans with what led to them.
use crate::{
    client::{canonical, is_trusted},
    line::Line,
};
use weir_plan::listener::Listener;
use weir_policy::{Chain, Client, Pass, mapped, verdicts::Ban};
use weir_wire::Reason;

/// A ban that a policy calls for, and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Who, and for what.
    pub ban: Ban,
    /// The name of the rule that refused; empty if it was the proxy itself.
    pub rule: Box<str>,
    /// The id of the request that was one too many; empty if it was none.
    pub request_id: Box<str>,
}

/// Scores what a connection does wrong outside of any exchange, by the policies of its listener.
pub(crate) fn report(line: &Line, reason: Reason) {
    line.desk.block.refuse(reason as u8);
    let snapshot = line.snapshot();
    let Some(listener) = snapshot.listener(&line.gate.bind) else { return };
    let Some(chain) = snapshot.plan.chains.of_listener(listener.id) else { return };
    let client = Client { socket: mapped(line.socket.ip()), address: mapped(line.peer.ip()) };
    let mut pass = Pass::default();
    chain.offend(&client, reason, line.desk.now(), &mut pass);
    sentence(line, listener, chain, &mut pass);
}

/// Hands out the ban that a request has led to. A trusted proxy speaks for many and is never banned, not even where it
/// does not say for whom it speaks.
pub(crate) fn sentence(line: &Line, listener: &Listener, chain: &Chain, pass: &mut Pass) {
    let Some(ban) = pass.take_ban() else { return };
    if is_trusted(canonical(line.socket.ip()), &listener.trusted_proxies) {
        return;
    }
    let request_id = String::from_utf8_lossy(pass.request_id()).into();
    let rule = chain.rule(ban.step, pass).into();
    // A ban that finds no room is called for again by the next offence.
    let _fits = line.desk.helm.outlet().ban(Sentence { ban, rule, request_id });
}
