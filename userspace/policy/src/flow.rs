//! What a policy can say about a request.
use crate::jwt::Verifier;
use std::sync::Arc;
use weir_wire::Reason;

/// How a request goes on.
#[derive(Clone, Debug)]
#[must_use]
pub enum Flow {
    /// To the next policy, and after the last to the upstream.
    Next,
    /// Back to the client with this answer.
    Reply(Reply),
    /// Nowhere: the connection is closed without an answer.
    Close(Reason),
    /// Only another service knows. The exchange waits for it and enters the chain again where it left.
    Ask(Call),
}

/// An answer that a policy gives. Its fields are written on the way back, by the policies' `response`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Why the request is refused; nothing if it is not.
    pub reason: Option<Reason>,
    /// What is wrong, for the body; without anything that helps an attacker.
    pub detail: &'static str,
    /// The body, if the policy has one; otherwise the proxy makes one from status and detail.
    pub body: Option<Arc<[u8]>>,
}

impl Reply {
    /// A refusal.
    pub fn refuse(status: u16, reason: Reason, detail: &'static str) -> Reply {
        Reply { status, reason: Some(reason), detail, body: None }
    }

    /// An answer that is what the client asked for.
    pub fn answer(status: u16, body: Option<Arc<[u8]>>) -> Reply {
        Reply { status, reason: None, detail: "", body }
    }
}

/// A question that the control thread answers.
#[derive(Clone, Debug)]
pub enum Call {
    /// A token names a key that this verifier does not have: the issuer may have rotated its keys.
    Keys(Arc<Verifier>),
}
