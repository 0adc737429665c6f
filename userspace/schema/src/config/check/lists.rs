//! Lists that say the same twice, or two things at once.

use crate::code::Code;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Report};
use crate::span::At;
use crate::value::{Cidr, Leaf};

/// Warns of networks that another entry already decides.
pub(super) fn check(config: &Config, report: &mut Report) {
    let shield = &config.shield.value;
    let list = |list: &Option<At<crate::shield::AddressList>>| {
        list.as_ref().map(|list| list.value.cidrs.clone()).unwrap_or_default()
    };
    let (allow, deny) = (list(&shield.allow), list(&shield.deny));
    for cidrs in [&shield.trusted, &allow, &deny] {
        within(cidrs, report);
    }
    for denied in &deny {
        if let Some(trusted) = shield.trusted.iter().find(|trusted| trusted.0.contains(&denied.0)) {
            let message = format!(
                "`{}` is denied here, but trusted, and trusted networks are never dropped",
                denied.spell()
            );
            report.push(
                Diagnostic::new(Code::Overlap, denied.span, message).also(trusted.span, "trusted here"),
            );
        }
        if let Some(allowed) = allow.iter().find(|allowed| allowed.value == denied.value) {
            let winner = if shield.allow_wins_ties.value { "allow" } else { "deny" };
            let message = format!("`{}` is allowed and denied; `{winner}` wins", denied.spell());
            report.push(
                Diagnostic::new(Code::Overlap, denied.span, message).also(allowed.span, "allowed here"),
            );
        }
    }
}

/// Entries of one list that a wider entry contains: sorted, the wider one comes first.
fn within(cidrs: &[At<Cidr>], report: &mut Report) {
    let mut sorted: Vec<&At<Cidr>> = cidrs.iter().collect();
    sorted.sort_by_key(|cidr| (cidr.0.network(), cidr.0.prefix_len(), cidr.span));
    let mut widest: Option<&At<Cidr>> = None;
    for cidr in sorted {
        match widest.filter(|wider| wider.0.contains(&cidr.0)) {
            Some(wider) => {
                let message = format!("`{}` is already in `{}`", cidr.spell(), wider.spell());
                report.push(
                    Diagnostic::new(Code::Overlap, cidr.span, message).also(wider.span, "the wider entry"),
                );
            }
            None => widest = Some(cidr),
        }
    }
}
