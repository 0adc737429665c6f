//! Consumers as written: their names, keys and claims.
use crate::jwt::{ClaimPath, ClaimRule, ClaimTest};
use crate::library::texts;
use crate::{Consumer, Consumers, Credentials};
use std::sync::Arc;
use weir_schema::lookup::OFFLINE;
use weir_schema::value::{Map, TextMatch};
use weir_schema::{Code, Diagnostic, Report, consumer as written};

/// Compiles everybody who is written down. A key that two of them have is an error.
pub(super) fn compile(written: &Map<written::Consumer>, report: &mut Report) -> (Consumers, Credentials) {
    let (mut consumers, mut credentials) = (Consumers::default(), Credentials::default());
    for (name, person) in written.iter() {
        let consumer = consumers.insert(Consumer {
            name: name.value.as_str().into(),
            groups: texts(&person.value.groups),
            custom_id: person.value.custom_id.as_ref().map(|id| id.value.as_str().into()),
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
