//! What a client does wrong outside of any request: counted, and told to the policies that score it.
use crate::line::Line;
use weir_policy::{Client, Pass, mapped};
use weir_wire::Reason;

/// Reports an offence of the client of this connection.
pub(crate) fn report(line: &Line, reason: Reason) {
    let desk = &line.desk;
    desk.block.refuse(reason as u8);
    let snapshot = line.snapshot();
    let chain =
        snapshot.listener(&line.gate.bind).and_then(|listener| snapshot.plan.chains.of_listener(listener.id));
    let Some(chain) = chain else { return };
    let client = Client { socket: mapped(line.socket.ip()), address: mapped(line.peer.ip()) };
    let mut pass = Pass::default();
    chain.offend(&client, reason, desk.now(), &mut pass);
    if let Some(ban) = pass.take_ban() {
        // A ban that finds no room is called for again by the next offence.
        let _fits = desk.helm.outlet().ban(ban);
    }
}
