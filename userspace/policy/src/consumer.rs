//! Who a request is from, once a credential has said so.
use crate::Chain;
use crate::jwt::{ClaimPath, ClaimRule, Claims};
use std::collections::HashMap;
use std::sync::Arc;

/// Somebody who is known by name.
#[derive(Debug, Default)]
pub struct Consumer {
    /// The name.
    pub name: Box<str>,
    /// The groups it is in.
    pub groups: Vec<Box<str>>,
    /// What another system calls it.
    pub custom_id: Option<Box<str>>,
    /// What judges its requests after the policies that have recognised it.
    pub chain: Chain,
}

impl Consumer {
    /// Whether it is in the group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| **own == *group)
    }
}

/// All consumers by name.
#[derive(Clone, Debug, Default)]
pub struct Consumers {
    by_name: HashMap<Box<str>, Arc<Consumer>>,
    by_claims: Vec<(Vec<ClaimRule>, Arc<Consumer>)>,
    by_certificate: HashMap<Box<str>, Arc<Consumer>>,
}

impl Consumers {
    /// Adds one; a second of the same name replaces the first.
    pub fn insert(&mut self, consumer: Consumer) -> Arc<Consumer> {
        let consumer = Arc::new(consumer);
        self.by_name.insert(consumer.name.clone(), Arc::clone(&consumer));
        consumer
    }

    /// Makes whoever has a token with these claims that consumer.
    pub fn recognise(&mut self, claims: Vec<ClaimRule>, consumer: Arc<Consumer>) {
        self.by_claims.push((claims, consumer));
    }

    /// Makes whoever has shown a certificate of this name that consumer. False if another one is called so.
    pub fn recognise_by_certificate(&mut self, name: &str, consumer: Arc<Consumer>) -> bool {
        self.by_certificate.insert(name.into(), consumer).is_none()
    }

    /// The consumer that a verified certificate with these names makes of its bearer; of several the first.
    pub fn find_by_certificate(&self, names: &[Box<str>]) -> Option<&Arc<Consumer>> {
        names.iter().find_map(|name| self.by_certificate.get(name))
    }

    /// The consumer whose claims a token has, all of them; of several the first.
    pub fn find_by_claims(&self, claims: &Claims) -> Option<&Arc<Consumer>> {
        self.by_claims
            .iter()
            .find(|(rules, _)| rules.iter().all(|rule| claims.meet(rule)))
            .map(|(_, consumer)| consumer)
    }

    /// Everybody, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Consumer> {
        let mut all: Vec<&Consumer> = self.by_name.values().map(AsRef::as_ref).collect();
        all.sort_by_key(|consumer| &consumer.name);
        all.into_iter()
    }

    /// The consumer of that name.
    pub fn find(&self, name: &[u8]) -> Option<&Arc<Consumer>> {
        self.by_name.get(std::str::from_utf8(name).ok()?)
    }
}

/// What is known about the sender of one request.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Who it is.
    pub consumer: Option<Arc<Consumer>>,
    /// What the verified token says.
    pub claims: Option<Arc<Claims>>,
    /// The claim that lists the groups of a token's subject.
    pub groups: Option<Arc<ClaimPath>>,
    /// Whether a credential was checked and found good; false for an anonymous consumer.
    pub authenticated: bool,
}

impl Identity {
    /// Whether the sender is in a group, by its consumer or by its token.
    pub fn is_in(&self, group: &str) -> bool {
        self.consumer.as_ref().is_some_and(|consumer| consumer.is_in(group)) || self.token_lists(group)
    }

    /// Whoever no credential has named is this one.
    pub(crate) fn fall_back(&mut self, anonymous: &Option<Arc<Consumer>>) {
        if !self.authenticated {
            self.consumer.clone_from(anonymous);
        }
    }

    fn token_lists(&self, group: &str) -> bool {
        let (Some(claims), Some(path)) = (&self.claims, &self.groups) else { return false };
        let Some(value) = claims.find(path) else { return false };
        let is_group = |text: Option<&[u8]>| text == Some(group.as_bytes());
        is_group(value.text()) || value.items().any(|item| is_group(item.text()))
    }
}
