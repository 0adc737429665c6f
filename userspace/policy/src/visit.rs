//! What a policy is shown: the request on its way in, the answer on its way out, and the end of both.
use crate::{Client, Now, Pass, Worker};
use weir_message::{Request, Response};

/// A request on its way in.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The request, which may be edited.
    pub request: &'a mut Request,
    /// Who sent it.
    pub client: &'a Client,
    /// The name of the route that was chosen.
    pub route: &'a str,
    /// The moment.
    pub now: Now,
    /// The memory of this worker.
    pub worker: &'a mut Worker,
    /// The state of this request.
    pub pass: &'a mut Pass,
}

/// An answer on its way out, from the upstream or from a policy.
#[derive(Debug)]
pub struct Leave<'a> {
    /// The request, as it was sent to the upstream.
    pub request: &'a Request,
    /// The answer, which may be edited.
    pub response: &'a mut Response,
    /// Who gets it.
    pub client: &'a Client,
    /// The name of the route that was chosen.
    pub route: &'a str,
    /// The moment.
    pub now: Now,
    /// The memory of this worker.
    pub worker: &'a mut Worker,
    /// The state of this request.
    pub pass: &'a mut Pass,
}

/// A request that is over, whatever became of it.
#[derive(Debug)]
pub struct End<'a> {
    /// The status that the client got; 0 if it got none.
    pub status: u16,
    /// The moment.
    pub now: Now,
    /// The state of this request.
    pub pass: &'a mut Pass,
}
