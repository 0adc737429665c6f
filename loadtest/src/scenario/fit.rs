//! What does not go together. A key that a kind of run would overlook is refused: else a report would be of something else than
//! was asked for.

use super::{Handshake, Load, Open, Protocol, Scenario};
use crate::flood::{LASTS_MAX, PACKETS_MAX};
use weir_schema::reader::Reader;
use weir_schema::{Code, Diagnostic, Span};

/// Where keys exclude each other, and what to do about it.
pub(super) struct Conflicts<'a, 'b>(pub(super) &'a mut Reader<'b>);

impl Conflicts<'_, '_> {
    /// Reports one; without a hint where the message says enough.
    pub(super) fn add(&mut self, span: Span, message: &str, hint: &str) {
        let found = Diagnostic::new(Code::Conflict, span, message);
        self.0.push(if hint.is_empty() { found } else { found.hint(hint) });
    }

    /// The same for a key that may have been left out.
    fn if_written(&mut self, span: Span, message: &str) {
        if span.is_written() {
            self.add(span, message, "Leave it out.");
        }
    }
}

impl Scenario {
    /// Reports every key that has no meaning beside the others.
    pub(super) fn fits(&self, reader: &mut Reader<'_>) {
        let mut conflicts = Conflicts(reader);
        self.client_fits_its_protocol(&mut conflicts);
        self.requests_fit_their_protocol(&mut conflicts);
        self.load_fits(&mut conflicts);
        if self.target.is_some() {
            self.fits_a_target(&mut conflicts);
        } else {
            self.fits_peers(&mut conflicts);
        }
        self.has_a_ceiling(&mut conflicts);
        if self.siege.is_some() {
            self.fits_a_siege(&mut conflicts);
        }
    }

    fn client_fits_its_protocol(&self, conflicts: &mut Conflicts<'_, '_>) {
        let client = &self.client;
        let kept = match client.protocol.value {
            Protocol::Http1 => return,
            Protocol::H2 => "HTTP/2 connections are always kept",
            Protocol::WebSocket => "a WebSocket is always kept",
        };
        if !client.keep_alive.value {
            conflicts.add(client.keep_alive.span, kept, "Leave `keep_alive` out.");
        }
        if let Some(tls) = client.tls.as_ref().filter(|tls| tls.handshake.value != Handshake::Once) {
            let message = format!("{kept}, so hands are shaken once");
            conflicts.add(tls.handshake.span, &message, "Leave `handshake` out.");
        }
    }

    fn requests_fit_their_protocol(&self, conflicts: &mut Conflicts<'_, '_>) {
        if self.client.protocol.value != Protocol::WebSocket {
            return;
        }
        for request in &self.requests {
            let none =
                "a WebSocket is asked for by GET, without a body, and its messages come back as they were";
            for span in [request.method.span, request.body.span, request.expect.span] {
                conflicts.if_written(span, none);
            }
        }
    }

    fn load_fits(&self, conflicts: &mut Conflicts<'_, '_>) {
        if self.threads.value > self.load.connections() {
            conflicts.add(
                self.threads.span,
                "each thread has at least one connection",
                "Open more `connections`.",
            );
        }
        let Load::Open(Open { rate, share, ceiling_of, ramp_from, knee, .. }) = &self.load.value else {
            return;
        };
        if let Some(knee) = knee {
            if rate.is_none() {
                conflicts.add(
                    knee.span,
                    "a search begins at a `rate`",
                    "Write `open: { rate: 1k/s, knee: 5ms }`.",
                );
            }
            if let Some(ramp) = ramp_from {
                conflicts.add(ramp.span, "a search raises the rate by itself", "Leave `ramp_from` out.");
            }
        }
        if share.is_none() {
            conflicts.if_written(ceiling_of.span, "only a `share` is of a ceiling");
        }
    }

    /// A ceiling is measured of one of the peers.
    fn has_a_ceiling(&self, conflicts: &mut Conflicts<'_, '_>) {
        let Load::Open(Open { share: Some(share), ceiling_of, .. }) = &self.load.value else { return };
        if self.peers.is_none() {
            conflicts.add(
                share.span,
                "a `share` is of what a peer can do, and none runs",
                "Write `rate: 5k/s`.",
            );
        } else if !self.runs(ceiling_of.value) {
            let span = if ceiling_of.span.is_written() { ceiling_of.span } else { share.span };
            let message =
                format!("`{}`, of whose ceiling this is a share, does not run here", ceiling_of.as_str());
            conflicts.add(span, &message, "Add it to `peers.run`, or set `ceiling_of`.");
        }
    }

    fn fits_a_target(&self, conflicts: &mut Conflicts<'_, '_>) {
        let Some(target) = &self.target else { return };
        let client = &self.client;
        if let Some(tls) = &client.tls {
            if !target.tls {
                conflicts.add(
                    tls.span,
                    "the target is `http`, without TLS",
                    "Write `target: https://…`, or leave `tls` out.",
                );
            }
            conflicts.if_written(tls.key.span, "a target has a certificate of its own");
        }
        let is_near = target.address.is_ipv4() && target.address.ip().is_loopback();
        if client.sources.value > 0 && !is_near {
            let message =
                "source addresses are those of the loopback of IPv4, which do not reach this target";
            conflicts.add(client.sources.span, message, "Leave `sources` out.");
        }
    }

    /// Names, keys and tokens of servers that this program starts are made for the run.
    fn fits_peers(&self, conflicts: &mut Conflicts<'_, '_>) {
        let tokens = &self.client.tokens;
        conflicts.if_written(self.client.host.span, "`peers` are asked for `load.test`");
        for span in
            [tokens.key.as_ref().map(|key| key.span), Some(tokens.issuer.span), Some(tokens.audience.span)]
        {
            conflicts.if_written(span.unwrap_or(Span::NOWHERE), "`peers` take the tokens of the run");
        }
    }

    fn fits_a_siege(&self, conflicts: &mut Conflicts<'_, '_>) {
        let Some(siege) = &self.siege else { return };
        let client = &self.client;
        let counts = [
            (&self.rounds, "a siege has one turn for each attack"),
            (&self.threads, "the honest clients of a siege have one thread"),
        ];
        for (count, message) in counts.into_iter().filter(|(count, _)| count.value > 1) {
            conflicts.if_written(count.span, message);
        }
        conflicts.if_written(client.sources.span, "the honest clients of a siege have one address");
        conflicts.if_written(client.tokens.span, "weir under siege asks for no tokens");
        if client.protocol.value == Protocol::WebSocket {
            conflicts.add(client.protocol.span, "weir under siege answers itself, and echoes nothing", "");
        }
        if let Load::Open(open) = &self.load.value {
            let spans =
                [open.knee.as_ref().map(|knee| knee.span), open.ramp_from.as_ref().map(|ramp| ramp.span)];
            for span in spans.into_iter().flatten() {
                conflicts.add(span, "honest clients of a siege come at a steady rate", "Leave it out.");
            }
        }
        let turn = self.warm_up.value + self.duration.value;
        if turn > LASTS_MAX {
            let message = format!("an attack lasts at most {} s, warm-up included", LASTS_MAX.as_secs());
            conflicts.add(self.duration.span, &message, "");
        }
        let packets = |attack: &super::Attack| super::per_second(&attack.rate) * turn.as_secs_f64();
        for attack in siege.attacks.iter().filter(|attack| packets(attack) > PACKETS_MAX as f64) {
            let message = format!(
                "an attack has at most {PACKETS_MAX} packets, here it would be {:.0}",
                packets(attack)
            );
            conflicts.add(attack.rate.span, &message, "Lower the `rate`, or the `duration` of the scenario.");
        }
    }
}
