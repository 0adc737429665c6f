//! Consumers as written: their names, keys and claims.
use crate::jwt::{ClaimPath, ClaimRule, ClaimTest};
use crate::library::texts;
use crate::{Chain, Consumer, Consumers, Credentials};
use std::sync::Arc;
use weir_schema::lookup::OFFLINE;
use weir_schema::policy::PolicyUse;
use weir_schema::value::{Map, TextMatch};
use weir_schema::{Code, Config, Diagnostic, Report, consumer as written};

/// Whether two configurations know the same people, who are judged in the same way.
pub(super) fn are_the_same(before: &Config, after: &Config) -> bool {
    let mut used = after.consumers.iter().flat_map(|(_, person)| &person.value.policies);
    before.consumers == after.consumers
        && used.all(|used| match &used.value {
            PolicyUse::Named(name) => {
                before.policies.find(name.as_str()) == after.policies.find(name.as_str())
            }
            PolicyUse::Inline(_) => true,
        })
}

/// Compiles everybody who is written down, with what judges each. A key that two of them have is an error.
pub(super) fn compile(
    written: &Map<written::Consumer>,
    chains: Vec<Chain>,
    report: &mut Report,
) -> (Consumers, Credentials) {
    let (mut consumers, mut credentials) = (Consumers::default(), Credentials::default());
    for ((name, person), chain) in written.iter().zip(chains) {
        let consumer = consumers.insert(Consumer {
            name: name.value.as_str().into(),
            groups: texts(&person.value.groups),
            custom_id: person.value.custom_id.as_ref().map(|id| id.value.as_str().into()),
            chain,
        });
        // Where the outside is left alone, all secrets are one.
        for key in person.value.keys.iter().filter(|key| key.value.expose() != OFFLINE) {
            if !credentials.insert(key.value.expose(), Arc::clone(&consumer)) {
                report.push(Diagnostic::new(Code::Conflict, key.span, "another consumer has the same key"));
            }
        }
        if let Some(name) = &person.value.certificate
            && !consumers.recognise_by_certificate(&name.value, Arc::clone(&consumer))
        {
            let message = "another consumer has a certificate of the same name";
            report.push(Diagnostic::new(Code::Conflict, name.span, message));
        }
        if !person.value.claims.is_empty() {
            consumers.recognise(rules(&person.value.claims, report), consumer);
        }
    }
    (consumers, credentials)
}

/// Compiles demands on claims.
pub(crate) fn rules(written: &Map<TextMatch>, report: &mut Report) -> Vec<ClaimRule> {
    let mut rules = Vec::new();
    for (path, test) in written.iter() {
        match ClaimTest::compile(&test.value) {
            Ok(test) => rules.push(ClaimRule { path: ClaimPath::new(&path.value), test }),
            Err(why) => report.push(Diagnostic::new(Code::Regex, test.span, why)),
        }
    }
    rules
}
