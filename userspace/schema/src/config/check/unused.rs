//! What is legal and surely not meant: things that nothing uses, and doors left open.

use std::collections::HashSet;

use crate::code::Code;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Report};
use crate::policy::PolicyUse;

/// Warns; called only for a configuration without errors.
pub(super) fn check(config: &Config, report: &mut Report) {
    upstreams(config, report);
    policies(config, report);
    if config.listeners.is_empty() {
        let found = Diagnostic::new(
            Code::NoTraffic,
            config.version.span,
            "no listener is defined, so nothing is proxied",
        );
        report.push(
            found.hint("Add `listeners: [ { bind: \":443\", … } ]`, unless only the shield is wanted."),
        );
    }
}

fn upstreams(config: &Config, report: &mut Report) {
    let used: HashSet<&str> = config.upstreams_used().map(|name| name.value.as_str()).collect();
    for (name, upstream) in config.upstreams.iter() {
        if !used.contains(name.as_str()) {
            let message = format!("nothing leads to the upstream `{}`", name.value);
            report.push(
                Diagnostic::new(Code::UnusedUpstream, name.span, message)
                    .hint("Name it in a route, or take it out."),
            );
        }
        if let Some(tls) = upstream.value.tls.as_ref().filter(|tls| !tls.value.verify.value) {
            let message = "the certificate of this upstream is not checked, so anyone between could be it";
            report.push(
                Diagnostic::new(Code::Verify, tls.value.verify.span, message).hint("Give `ca` instead."),
            );
        }
    }
}

fn policies(config: &Config, report: &mut Report) {
    let named = |policy: &crate::span::At<PolicyUse>| match &policy.value {
        PolicyUse::Named(name) => Some(name.0.clone()),
        PolicyUse::Inline(_) => None,
    };
    let used: HashSet<String> = config.policies_used().filter_map(named).collect();
    for (name, _) in config.policies.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        let message = format!("the policy `{}` judges nothing", name.value);
        report.push(
            Diagnostic::new(Code::UnusedPolicy, name.span, message)
                .hint("Name it under `policies` of a route or listener."),
        );
    }
}
