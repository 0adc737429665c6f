//! What one request carries from policy to policy, and from its way in to its way out. Reused, so it allocates
//! only until it has grown to what a connection needs.
use crate::verdicts::Ban;
use crate::{Client, Identity, Step};
use std::ops::Range;
use std::sync::Arc;
use weir_wire::Reason;

/// The state of one request in its chain.
#[derive(Debug, Default)]
pub struct Pass {
    /// Who the request is from.
    pub identity: Identity,
    /// Each refusal so far, whether it was enforced or only observed.
    offences: Vec<Offence>,
    /// How many policies have seen the request.
    pub(crate) entered: usize,
    /// The policy at which the chain is entered again has had its answer.
    pub(crate) asked: bool,
    /// Who the bearer of a certificate is has been said.
    pub(crate) introduced: bool,
    /// Policies that have judged the request on another route and are not asked again.
    pub(crate) done: Vec<Arc<Step>>,
    notes: Vec<(u64, Note)>,
    text: Vec<u8>,
    request_id: Text,
    captures: Vec<(Text, Text)>,
    pub(crate) client: Option<Client>,
    ban: Option<Ban>,
    body_max: Option<u64>,
}

/// One thing that a request has done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offence {
    /// What it was.
    pub reason: Reason,
    /// The place in the chain of the policy that saw it.
    pub step: usize,
    /// Whether the request was refused for it; otherwise the policy only observes.
    pub enforced: bool,
}

/// Text that is kept with the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Range<usize>);

/// What a policy remembers from the way in to the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A text, such as an origin.
    Text(Text),
    /// A number whose meaning the policy knows.
    Number(u64),
}

impl Pass {
    /// Forgets the request and keeps the memory.
    pub fn clear(&mut self) {
        (self.entered, self.asked, self.request_id) = (0, false, Text::default());
        (self.client, self.ban, self.body_max) = (None, None, None);
        self.forget_identity();
        self.done.clear();
        self.offences.clear();
        self.notes.clear();
        self.text.clear();
        self.captures.clear();
    }

    /// Who the request is from is to be found out anew.
    pub(crate) fn forget_identity(&mut self) {
        (self.identity, self.introduced) = (Identity::default(), false);
    }

    /// Begins another route, with what its chain must find out itself.
    pub(crate) fn begin_route(&mut self) {
        (self.entered, self.asked, self.body_max) = (0, false, None);
    }

    /// Whether a policy has judged the request on another route.
    pub(crate) fn is_done(&self, step: &Arc<Step>) -> bool {
        self.done.iter().any(|done| Arc::ptr_eq(done, step))
    }

    /// Changes the places of offences to those of another chain; those without one there are dropped.
    pub(crate) fn move_offences(&mut self, place: impl Fn(usize) -> Option<usize>) {
        self.offences.retain_mut(|offence| match place(offence.step) {
            Some(step) => {
                offence.step = step;
                true
            }
            None => false,
        });
    }

    /// Whether it has been said who the bearer of a certificate is.
    pub fn is_introduced(&self) -> bool {
        self.introduced
    }

    /// What the request has done wrong.
    pub fn offences(&self) -> &[Offence] {
        &self.offences
    }

    /// How many policies have seen the request.
    pub fn entered(&self) -> usize {
        self.entered
    }

    /// The id of the request; empty before a policy or the proxy has given it one.
    pub fn request_id(&self) -> &[u8] {
        self.text(&self.request_id)
    }

    /// Gives the request its id.
    pub fn set_request_id(&mut self, id: &[u8]) {
        self.request_id = self.keep(id);
    }

    /// Forgets what names in the path of another route stand for.
    pub fn forget_captures(&mut self) {
        self.captures.clear();
    }

    /// Records what a name in the route's path stands for.
    pub fn capture(&mut self, name: &str, value: &[u8]) {
        let capture = (self.keep(name.as_bytes()), self.keep(value));
        self.captures.push(capture);
    }

    /// What a name in the route's path stands for.
    pub fn captured(&self, name: &str) -> Option<&[u8]> {
        self.captures
            .iter()
            .find(|(own, _)| self.text(own) == name.as_bytes())
            .map(|(_, value)| self.text(value))
    }

    /// Whether the policy that asks has had its answer, and must decide now.
    pub fn is_answered(&self) -> bool {
        self.asked
    }

    /// Keeps a copy of a text as long as the request lives.
    pub fn keep(&mut self, text: &[u8]) -> Text {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        Text(start..self.text.len())
    }

    /// A kept text.
    pub fn text(&self, text: &Text) -> &[u8] {
        self.text.get(text.0.clone()).unwrap_or_default()
    }

    /// Leaves a note for the way back. `policy` is the number of the policy that will look for it.
    pub fn note(&mut self, policy: u64, note: Note) {
        self.notes.push((policy, note));
    }

    /// The notes of one policy, in order.
    pub fn notes(&self, policy: u64) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(move |(owner, _)| *owner == policy).map(|(_, note)| note)
    }

    /// The numbers among the notes of one policy, in order.
    pub(crate) fn numbers(&self, policy: u64) -> impl Iterator<Item = u64> + Clone {
        self.notes.iter().filter_map(move |note| match note {
            (owner, Note::Number(number)) if *owner == policy => Some(*number),
            _ => None,
        })
    }

    /// How many notes there are, so that those of an attempt that came to nothing can be dropped.
    pub(crate) fn mark(&self) -> usize {
        self.notes.len()
    }

    /// Drops the notes between two marks.
    pub(crate) fn drop_notes(&mut self, from: usize, to: usize) {
        self.notes.drain(from.min(to)..to.min(self.notes.len()));
    }

    /// The largest body that a policy lets this request have. The exchange counts it while it streams.
    pub fn body_max(&self) -> Option<u64> {
        self.body_max
    }

    /// Narrows the limit of the body.
    pub(crate) fn limit_body(&mut self, bytes_max: u64) {
        self.body_max = Some(self.body_max.unwrap_or(u64::MAX).min(bytes_max));
    }

    /// Records what the proxy itself found wrong with the request, before its chain is finished.
    pub fn record(&mut self, reason: Reason) {
        self.offences.push(Offence { reason, step: usize::MAX, enforced: true });
    }

    /// Says who the client is, where no chain has judged it.
    pub fn meet(&mut self, client: Client) {
        self.client = Some(client);
    }

    /// The ban that this request has led to, once.
    pub fn take_ban(&mut self) -> Option<Ban> {
        self.ban.take()
    }

    pub(crate) fn ban(&mut self, ban: Ban) {
        self.ban = Some(ban);
    }

    pub(crate) fn offend(&mut self, offence: Offence) {
        self.offences.push(offence);
    }
}
