//! Policies that speak of consumers or groups: there must be some.

use std::collections::HashSet;

use crate::code::Code;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Report};
use crate::hint;
use crate::policy::{Jwt, KeyAuth, Policy, PolicyUse};
use crate::span::{At, Span};
use crate::value::Name;

/// Reports consumers that do not exist, groups that nobody is in, and policies that no consumer can have; `broken` names
/// what could not be read.
pub(super) fn check(config: &Config, broken: &HashSet<&str>, report: &mut Report) {
    if broken.contains("consumers") {
        return;
    }
    too_late(config, report);
    let inline = config.policies_used().filter_map(|used| match &used.value {
        PolicyUse::Inline(policy) => Some(&**policy),
        PolicyUse::Named(_) => None,
    });
    let policies: Vec<&Policy> =
        config.policies.iter().map(|(_, policy)| &policy.value).chain(inline).collect();
    // Tokens may bring groups of their own, and nobody knows which.
    let from_tokens = policies.iter().flat_map(|policy| tokens(policy)).any(|jwt| jwt.groups_claim.is_some());
    let groups: HashSet<&str> = (config.consumers.iter())
        .flat_map(|(_, consumer)| &consumer.groups)
        .map(|group| group.value.as_str())
        .collect();
    for policy in policies {
        for (name, span) in consumers(policy) {
            if config.consumers.find(name).is_none() && !broken.contains(name) {
                let found = Diagnostic::new(Code::NoConsumer, span, format!("there is no consumer `{name}`"));
                report.push(found.hint_if(hint::did_you_mean(name, config.consumers.names())));
            }
        }
        for (name, span) in named_groups(policy).filter(|(name, _)| !from_tokens && !groups.contains(name)) {
            let found = Diagnostic::new(Code::NoGroup, span, format!("no consumer is in the group `{name}`"));
            let meant = hint::did_you_mean(name, groups.iter().copied());
            let else_hint =
                "Put it under `groups` of a consumer; `groups_claim` of a `jwt` takes groups from tokens.";
            report.push(found.hint(meant.unwrap_or_else(|| else_hint.to_owned())));
        }
    }
}

/// Once it is known who somebody is, there is nothing left to find out, and requests have begun long ago.
fn too_late(config: &Config, report: &mut Report) {
    for used in config.consumers.iter().flat_map(|(_, consumer)| &consumer.value.policies) {
        let policy = match &used.value {
            PolicyUse::Inline(policy) => Some(&**policy),
            PolicyUse::Named(name) => config.policies.find(name.as_str()).map(|policy| &policy.value),
        };
        let Some(policy) = policy.filter(|policy| !judges_consumers(policy)) else { continue };
        let message = format!("`{}` comes too late once a consumer is known", policy.as_str());
        let found = Diagnostic::new(Code::TooLate, used.span, message);
        report.push(found.hint("Name it under `policies` of a route or listener. A consumer can have `acl`, `ip_list`, `size_limit`, `rate_limit` and `headers`."));
    }
}

fn judges_consumers(policy: &Policy) -> bool {
    matches!(
        policy,
        Policy::Acl(_) | Policy::IpList(_) | Policy::SizeLimit(_) | Policy::RateLimit(_) | Policy::Headers(_)
    )
}

fn tokens(policy: &Policy) -> impl Iterator<Item = &Jwt> {
    let (one, several) = match policy {
        Policy::Jwt(jwt) => (Some(&**jwt), [].as_slice()),
        Policy::AnyOf(any) => (None, any.jwt.as_slice()),
        _ => (None, [].as_slice()),
    };
    one.into_iter().chain(several.iter().map(|jwt| &jwt.value))
}

fn keys(policy: &Policy) -> impl Iterator<Item = &KeyAuth> {
    let (one, several) = match policy {
        Policy::KeyAuth(keys) => (Some(&**keys), [].as_slice()),
        Policy::AnyOf(any) => (None, any.key_auth.as_slice()),
        _ => (None, [].as_slice()),
    };
    one.into_iter().chain(several.iter().map(|keys| &keys.value))
}

/// The consumers that a policy names.
fn consumers(policy: &Policy) -> impl Iterator<Item = (&str, Span)> {
    let anonymous = tokens(policy).map(|jwt| &jwt.anonymous).chain(keys(policy).map(|keys| &keys.anonymous));
    let limited = match policy {
        Policy::RateLimit(limit) => Some(&limit.consumers),
        _ => None,
    };
    let limited = limited.into_iter().flat_map(|map| map.iter()).map(|(name, _)| (name.as_str(), name.span));
    anonymous.flatten().map(at).chain(limited)
}

/// The groups that a policy names.
fn named_groups(policy: &Policy) -> impl Iterator<Item = (&str, Span)> {
    let (lists, limited) = match policy {
        Policy::Acl(acl) => ([acl.allow.as_slice(), &acl.deny], None),
        Policy::RateLimit(limit) => ([[].as_slice(), &[]], Some(&limit.groups)),
        _ => ([[].as_slice(), &[]], None),
    };
    let limited = limited.into_iter().flat_map(|map| map.iter()).map(|(name, _)| (name.as_str(), name.span));
    lists.into_iter().flatten().map(at).chain(limited)
}

fn at(name: &At<Name>) -> (&str, Span) {
    (name.value.as_str(), name.span)
}
