//! What must hold between sections: every name that is used exists, and what exists is used.

mod lists;
mod people;
mod unused;

use std::collections::{HashMap, HashSet};

use crate::code::Code;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Report};
use crate::hint;
use crate::policy::{Policy, PolicyUse};
use crate::route::Route;
use crate::span::{At, Span};
use crate::tls::ListenerTls;
use crate::value::{HeaderName, HostPattern, Leaf, Map, Name};

/// Checks the whole; `broken` names what exists but could not be read.
pub(super) fn check(config: &mut Config, broken: &[String], report: &mut Report) {
    let known: HashSet<&str> = broken.iter().map(String::as_str).collect();
    if config.version.value != 1 {
        let message = format!("version {} is not known to this weir", config.version.value);
        report.push(
            Diagnostic::new(Code::Version, config.version.span, message)
                .hint("The language has one version so far: `version: 1`."),
        );
    }
    resolve_bare_words(config);
    upstreams(config, &known, report);
    policies(config, &known, report);
    people::check(config, &known, report);
    listeners(config, report);
    names(config, report);
    keys_are_names(config, report);
    // What is unused because of an error elsewhere is no news.
    if !report.has_errors() {
        unused::check(config, report);
        lists::check(config, report);
    }
}

/// A bare word in a chain is a policy by name; failing that, a kind of policy with its defaults.
fn resolve_bare_words(config: &mut Config) {
    let Config { listeners, routes, policies, consumers, .. } = config;
    let chains = listeners.iter_mut().map(|listener| &mut listener.value.policies);
    let chains = chains.chain(routes.iter_mut().map(|route| &mut route.value.policies));
    let chains = chains.chain(consumers.values_mut().map(|consumer| &mut consumer.value.policies));
    for used in chains.flatten() {
        let PolicyUse::Named(name) = &used.value else { continue };
        if policies.find(name).is_none()
            && let Some(policy) = Policy::bare(name)
        {
            used.value = PolicyUse::Inline(Box::new(policy));
        }
    }
}

fn upstreams(config: &Config, broken: &HashSet<&str>, report: &mut Report) {
    let needed = config.telemetry.metrics.iter().flat_map(|metrics| &metrics.value.needs);
    for name in config.upstreams_used().chain(needed) {
        missing(name, Code::NoUpstream, &config.upstreams, broken, report);
    }
}

fn policies(config: &Config, broken: &HashSet<&str>, report: &mut Report) {
    for policy in config.policies_used() {
        let PolicyUse::Named(name) = &policy.value else { continue };
        let name = At::new(name.clone(), policy.span);
        if Policy::WORDS.contains(&name.as_str()) && config.policies.find(&name).is_none() {
            let message = format!("`{}` needs settings of its own here", name.0);
            let hint = format!("Write `{{ {}: {{ … }} }}`, or the name of one of `policies`.", name.0);
            report.push(Diagnostic::new(Code::NoPolicy, name.span, message).hint(hint));
            continue;
        }
        missing(&name, Code::NoPolicy, &config.policies, broken, report);
    }
}

fn missing<T>(name: &At<Name>, code: Code, known: &Map<T>, broken: &HashSet<&str>, report: &mut Report) {
    let (what, section) =
        if code == Code::NoPolicy { ("policy", "policies") } else { ("upstream", "upstreams") };
    if known.find(name).is_some() || broken.contains(name.value.as_str()) || broken.contains(section) {
        return;
    }
    let found = Diagnostic::new(code, name.span, format!("there is no {what} `{}`", name.0));
    let hint = hint::did_you_mean(name, known.names());
    let none = || {
        Some(format!(
            "Nothing is defined under `{}`.",
            if what == "policy" { "policies" } else { "upstreams" }
        ))
    };
    report.push(found.hint_if(hint.or_else(|| known.is_empty().then(none).flatten())));
}

/// TLS has a certificate: its own, or one of those at the top.
fn with_certificate(tls: Option<&At<Box<ListenerTls>>>, config: &Config, report: &mut Report) {
    let bare = |tls: &&At<Box<ListenerTls>>| tls.certificate.is_none() && tls.certificates.is_empty();
    let unread = report.errors().any(|found| found.code == Code::Material);
    if let Some(tls) = tls.filter(bare).filter(|_| config.tls.value.certificates.is_empty() && !unread) {
        let found = Diagnostic::new(Code::MissingKey, tls.span, "TLS without a certificate");
        report
            .push(found.hint("Give `certificate` and `key` here, or `certificates` under `tls` at the top."));
    }
}

fn listeners(config: &Config, report: &mut Report) {
    let mut seen: Vec<&At<crate::value::Bind>> = Vec::new();
    for listener in &config.listeners {
        for bind in &listener.value.bind {
            if let Some(first) = seen.iter().find(|first| first.collides(bind)) {
                let message = format!("`{}` is already taken by another listener", bind.spell());
                report.push(
                    Diagnostic::new(Code::SameAddress, bind.span, message).also(first.span, "taken here"),
                );
            }
            seen.push(bind);
        }
        with_certificate(listener.value.tls.as_ref(), config, report);
    }
    with_certificate(config.admin.value.tls.as_ref(), config, report);
    let names: Vec<&str> = config
        .listeners
        .iter()
        .filter_map(|listener| listener.value.name.as_ref())
        .map(|name| name.value.as_str())
        .collect();
    for name in config.routes.iter().flat_map(|route: &At<Route>| &route.value.r#match.value.listeners) {
        if !names.contains(&name.value.as_str()) && !report.has_errors() {
            let found =
                Diagnostic::new(Code::NoListener, name.span, format!("there is no listener `{}`", name.0));
            report.push(found.hint_if(hint::did_you_mean(name, names.iter().copied())));
        }
    }
}

/// What stands under a name goes into metrics and commands by it.
fn keys_are_names(config: &Config, report: &mut Report) {
    let policies = config.policies.iter().map(|(name, _)| name);
    let consumers = config.consumers.iter().map(|(name, _)| name);
    for name in policies.chain(consumers).chain(config.upstreams.iter().map(|(name, _)| name)) {
        key_is::<Name>(name, report);
    }
    let tcp = config.listeners.iter().filter_map(|listener| listener.value.tcp.as_ref());
    for (name, _) in tcp.flat_map(|tcp| tcp.value.sni.iter()) {
        key_is::<HostPattern>(name, report);
    }
    let respond = config.routes.iter().filter_map(|route| route.value.respond.as_ref());
    for (name, _) in respond.flat_map(|respond| respond.value.headers.iter()) {
        key_is::<HeaderName>(name, report);
    }
}

/// Reports a key that is not what it stands for.
fn key_is<T: Leaf>(key: &At<String>, report: &mut Report) {
    if let Err(fault) = T::parse(key) {
        // A key in quotes is longer than its text.
        let inset = usize::from(usize::from(key.span.len) > key.chars().count());
        let span =
            fault.part.map_or(key.span, |(offset, len)| key.span.part(offset.saturating_add(inset), len));
        let message = fault.message.replace("{}", &format!("`{}`", key.value));
        report.push(Diagnostic::new(fault.code.unwrap_or(T::CODE), span, message).hint_if(fault.hint));
    }
}

/// Names of listeners and of routes are each unique: metrics and commands go by them.
fn names(config: &Config, report: &mut Report) {
    let listeners = config.listeners.iter().filter_map(|listener| listener.value.name.as_ref());
    unique(listeners, "listener", report);
    unique(config.routes.iter().filter_map(|route| route.value.name.as_ref()), "route", report);
}

fn unique<'a>(names: impl Iterator<Item = &'a At<Name>>, what: &str, report: &mut Report) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in names {
        if let Some(first) = seen.insert(name.value.as_str(), name.span) {
            let message = format!("two {what}s are called `{}`", name.0);
            report.push(Diagnostic::new(Code::DuplicateName, name.span, message).also(first, "the first"));
        }
    }
}
