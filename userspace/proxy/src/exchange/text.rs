//! Templates of the configuration filled in from a request.
use std::io::Write;
use std::net::IpAddr;
use weir_message::Request;
use weir_policy::Pass;
use weir_schema::value::{Piece, Template, Variable};

/// What a template can speak of.
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request,
    pub(super) client: IpAddr,
    pub(super) route: &'a str,
    pub(super) pass: &'a Pass,
}

/// Appends the text. What the request does not say is left out.
pub(super) fn render(template: &Template, facts: &Facts<'_>, out: &mut Vec<u8>) {
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Variable(variable) => fill(variable, facts, out),
        }
    }
}

fn fill(variable: &Variable, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let request = facts.request;
    match variable {
        Variable::Scheme => out.extend_from_slice(request.scheme.as_str().as_bytes()),
        Variable::Method => out.extend_from_slice(request.method_text()),
        Variable::Host => out.extend_from_slice(request.host().as_bytes()),
        Variable::Path => out.extend_from_slice(request.path().as_bytes()),
        Variable::Query => {
            if let Some(query) = request.query() {
                out.push(b'?');
                out.extend_from_slice(query);
            }
        }
        Variable::ClientIp => {
            // Writing to a vector cannot fail.
            let written = write!(out, "{}", facts.client);
            debug_assert!(written.is_ok());
        }
        Variable::RequestId => out.extend_from_slice(facts.pass.request_id()),
        Variable::Route => out.extend_from_slice(facts.route.as_bytes()),
        Variable::Consumer => {
            let name = facts.pass.identity.consumer.as_ref().map(|consumer| consumer.name.as_bytes());
            out.extend_from_slice(name.unwrap_or_default());
        }
        Variable::Header(name) => out.extend_from_slice(request.head.value(name).unwrap_or_default()),
        Variable::Claim(_) => {}
        Variable::Capture(name) => out.extend_from_slice(facts.pass.captured(name).unwrap_or_default()),
    }
}
