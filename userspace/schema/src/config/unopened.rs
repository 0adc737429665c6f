//! A configuration of which nothing has to be opened, for whoever only asks which way a request takes.

use super::Config;
use crate::policy::{Jwt, Policy, PolicyUse};
use crate::span::At;

impl Config {
    /// The same without certificates, keys of tokens and error pages: those lie outside, perhaps on another machine.
    #[must_use]
    pub fn unopened(mut self) -> Self {
        self.tls.value.certificates.clear();
        self.admin.value.tls = None;
        for listener in &mut self.listeners {
            listener.value.tls = None;
            listener.value.error_pages.clear();
            listener.value.policies.iter_mut().for_each(forget_used);
        }
        self.routes.iter_mut().flat_map(|route| &mut route.value.policies).for_each(forget_used);
        self.policies.values_mut().for_each(|policy| forget(&mut policy.value));
        for consumer in self.consumers.values_mut() {
            consumer.value.policies.iter_mut().for_each(forget_used);
        }
        self.upstreams.values_mut().for_each(|upstream| upstream.value.tls = None);
        self
    }
}

fn forget_used(used: &mut At<PolicyUse>) {
    if let PolicyUse::Inline(policy) = &mut used.value {
        forget(policy);
    }
}

fn forget(policy: &mut Policy) {
    match policy {
        Policy::Jwt(jwt) => forget_keys(jwt),
        Policy::AnyOf(any) => any.jwt.iter_mut().for_each(|jwt| forget_keys(&mut jwt.value)),
        _ => {}
    }
}

fn forget_keys(jwt: &mut Jwt) {
    jwt.jwks_file = None;
    jwt.keys.clear();
}
