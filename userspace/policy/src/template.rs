//! Texts with variables, compiled: written from a request without allocating.
use crate::jwt::ClaimPath;
use crate::{Client, Leave, Pass, Visit};
use std::io::Write;
use weir_message::Request;
use weir_schema::value::{self as written, Variable};

/// A text with variables.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<[u8]>),
    Variable(Variable),
    Claim(ClaimPath),
}

/// What variables are filled from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request, as it came.
    pub request: &'a Request,
    /// Who sent it.
    pub client: &'a Client,
    /// The name of its route.
    pub route: &'a str,
    /// What the policies before have found out.
    pub pass: &'a Pass,
}

impl<'a> Facts<'a> {
    pub(crate) fn of_visit(visit: &'a Visit<'_>) -> Facts<'a> {
        Facts { request: visit.request, client: visit.client, route: visit.route, pass: visit.pass }
    }

    pub(crate) fn of_leave(leave: &'a Leave<'_>) -> Facts<'a> {
        Facts { request: leave.request, client: leave.client, route: leave.route, pass: leave.pass }
    }
}

impl Template {
    /// Compiles a template as it is written.
    pub fn compile(template: &written::Template) -> Template {
        let piece = |piece: &written::Piece| match piece {
            written::Piece::Text(text) => Piece::Text(text.as_bytes().into()),
            written::Piece::Variable(Variable::Claim(name)) => Piece::Claim(ClaimPath::new(name)),
            written::Piece::Variable(variable) => Piece::Variable(variable.clone()),
        };
        Template { pieces: template.pieces.iter().map(piece).collect() }
    }

    /// Puts the text in place of what `out` holds. What the request does not say leaves nothing.
    pub fn write(&self, facts: Facts<'_>, out: &mut Vec<u8>) {
        out.clear();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Variable(variable) => fill(variable, facts, out),
                Piece::Claim(path) => {
                    let claims = facts.pass.identity.claims.as_ref();
                    out.extend_from_slice(claims.and_then(|claims| claims.text(path)).unwrap_or_default());
                }
            }
        }
    }
}

fn fill(variable: &Variable, facts: Facts<'_>, out: &mut Vec<u8>) {
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
            let written = write!(out, "{}", facts.client.address.to_canonical());
            debug_assert!(written.is_ok(), "memory takes all that is written");
        }
        Variable::RequestId => out.extend_from_slice(facts.pass.request_id()),
        Variable::Route => out.extend_from_slice(facts.route.as_bytes()),
        Variable::Consumer => {
            let consumer = facts.pass.identity.consumer.as_ref();
            out.extend_from_slice(consumer.map_or("", |consumer| &consumer.name).as_bytes());
        }
        Variable::Header(name) => out.extend_from_slice(request.head.value(name).unwrap_or_default()),
        Variable::Claim(_) => {}
        Variable::Capture(name) => out.extend_from_slice(facts.pass.captured(name).unwrap_or_default()),
    }
}
