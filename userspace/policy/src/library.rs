//! All policies of one configuration, compiled, and the chains that are made of them.
//!
//! A policy that is written as it was before stays the same object, with all that it has counted and all keys that
//! were fetched for it: a reload forgets nothing.
use crate::jwt::{ClaimRule, Source, Verifier};
use crate::{Chain, Consumer, Consumers, Credentials, Link, Step};
use std::collections::HashMap;
use std::sync::Arc;
use weir_schema::policy::{Policy, PolicyUse};
use weir_schema::shield::Mode;
use weir_schema::value::{HeaderName, Map, Name, TextMatch};
use weir_schema::{At, Code, Config, Diagnostic, Report};

mod people;

/// Opens files that the configuration names.
pub type Files<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// What a policy needs to be compiled, beside what is written.
pub struct Build<'a> {
    /// Opens files.
    pub(crate) files: Files<'a>,
    /// Everybody who is known by name.
    pub(crate) consumers: Arc<Consumers>,
    /// Their keys.
    pub(crate) credentials: Arc<Credentials>,
    /// The same rule of the configuration before, if it was written in the same words.
    pub(crate) before: Option<Arc<Step>>,
    /// The policy that is compiled only observes.
    pub(crate) observe: bool,
    report: &'a mut Report,
}

/// The policies of one configuration.
#[derive(Debug)]
pub struct Library {
    written: Arc<Config>,
    consumers: Arc<Consumers>,
    credentials: Arc<Credentials>,
    same_people: bool,
    rules: HashMap<Box<str>, Rule>,
    before: HashMap<Box<str>, Rule>,
}

/// A policy as written and as compiled; nothing was compiled of one that is switched off or wrong.
#[derive(Clone, Debug)]
struct Rule {
    written: Policy,
    step: Option<Arc<Step>>,
}

impl Library {
    /// Compiles the policies that have a name. `before` is the library that is in force.
    pub fn new(
        written: &Arc<Config>,
        before: Option<&Library>,
        files: Files<'_>,
        report: &mut Report,
    ) -> Library {
        let mut library = Library {
            written: Arc::clone(written),
            consumers: Arc::default(),
            credentials: Arc::default(),
            same_people: before.is_some_and(|before| people::are_the_same(&before.written, written)),
            rules: HashMap::new(),
            before: before.map(|before| before.rules.clone()).unwrap_or_default(),
        };
        // What judges consumers asks nobody who they are, so it can be compiled before they are.
        library.named_steps(is_self_contained, files, report);
        let chains = library.chains_of_consumers(files, report);
        let (consumers, credentials) = people::compile(&written.consumers, chains, report);
        (library.consumers, library.credentials) = (Arc::new(consumers), Arc::new(credentials));
        library.named_steps(|policy| !is_self_contained(policy), files, report);
        library
    }

    /// Compiles the policies of one kind that have a name.
    fn named_steps(&mut self, wanted: fn(&Policy) -> bool, files: Files<'_>, report: &mut Report) {
        let written = Arc::clone(&self.written);
        for (name, policy) in written.policies.iter().filter(|(_, policy)| wanted(policy)) {
            self.step(&name.value, &policy.value, files, report);
        }
    }

    /// What judges each consumer after the routes, in the order in which they are written.
    fn chains_of_consumers(&mut self, files: Files<'_>, report: &mut Report) -> Vec<Chain> {
        let written = Arc::clone(&self.written);
        let chain = |(name, person): (&At<String>, &At<weir_schema::consumer::Consumer>)| {
            self.chain(&format!("consumers.{}", name.value), &person.value.policies, files, report)
        };
        written.consumers.iter().map(chain).collect()
    }

    /// The chain of a route: `owner` is its name, and part of the names of rules that have none of their own.
    pub fn chain<'u>(
        &mut self,
        owner: &str,
        uses: impl IntoIterator<Item = &'u At<PolicyUse>>,
        files: Files<'_>,
        report: &mut Report,
    ) -> Chain {
        let mut steps = Vec::new();
        for (index, used) in uses.into_iter().enumerate() {
            let step = match &used.value {
                PolicyUse::Named(name) => self.named(name, used, report),
                PolicyUse::Inline(policy) => {
                    let name = format!("{owner}/{}-{}", policy.as_str(), index + 1);
                    self.step(&name, policy, files, report)
                }
            };
            steps.extend(step);
        }
        Chain::new(steps)
    }

    /// Ends the building: what only the configuration before had is let go.
    pub fn seal(&mut self) {
        self.before = HashMap::new();
    }

    /// Everybody who is known by name.
    pub fn consumers(&self) -> &Arc<Consumers> {
        &self.consumers
    }

    /// Every rule that judges, in the order of their names.
    pub fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.rules.values().filter_map(|rule| rule.step.as_deref()).collect();
        steps.sort_by_key(|step| &step.rule);
        steps
    }

    /// Every issuer whose keys have to be fetched, under the name of its rule.
    pub fn fetched(&self) -> impl Iterator<Item = (&str, &Arc<Verifier>, &Source)> {
        let fetched = self.steps().into_iter().flat_map(|step| {
            step.link.issuers().into_iter().map(move |(verifier, source)| (&*step.rule, verifier, source))
        });
        fetched.filter(|(_, _, source)| **source != Source::Fixed)
    }

    fn named(&self, name: &Name, used: &At<PolicyUse>, report: &mut Report) -> Option<Arc<Step>> {
        let found = self.rules.get(name.as_str());
        if found.is_none() {
            report.push(Diagnostic::new(
                Code::NoPolicy,
                used.span,
                format!("there is no policy `{}`", name.as_str()),
            ));
        }
        found.and_then(|rule| rule.step.clone())
    }

    fn step(
        &mut self,
        name: &str,
        policy: &Policy,
        files: Files<'_>,
        report: &mut Report,
    ) -> Option<Arc<Step>> {
        let before = self
            .before
            .get(name)
            .filter(|before| before.written == *policy)
            .and_then(|before| before.step.clone());
        let kept = before
            .clone()
            .filter(|_| is_self_contained(policy) || (self.same_people && !opens_files(policy)));
        let step = kept.or_else(|| {
            let mut build = Build {
                files,
                consumers: Arc::clone(&self.consumers),
                credentials: Arc::clone(&self.credentials),
                before,
                observe: false,
                report,
            };
            let link = Link::compile(policy, &mut build)?;
            Some(Arc::new(Step { rule: name.into(), link, observe: build.observe }))
        });
        self.rules.insert(name.into(), Rule { written: policy.clone(), step: step.clone() });
        step
    }
}

/// Whether nothing but its own words decides what a policy does.
fn is_self_contained(policy: &Policy) -> bool {
    !matches!(policy, Policy::Jwt(_) | Policy::KeyAuth(_) | Policy::AnyOf(_))
}

/// Whether a policy reads files, which may have changed although its words have not.
fn opens_files(policy: &Policy) -> bool {
    let jwts = match policy {
        Policy::Jwt(jwt) => vec![&**jwt],
        Policy::AnyOf(any) => any.jwt.iter().map(|jwt| &jwt.value).collect(),
        _ => Vec::new(),
    };
    jwts.iter().any(|jwt| jwt.jwks_file.is_some() || jwt.keys.iter().any(|key| key.public_key.is_some()))
}

impl Build<'_> {
    /// Notes the mode of a policy, and says whether it works at all.
    pub(crate) fn mode(&mut self, mode: Mode) -> bool {
        self.observe = mode == Mode::Observe;
        mode != Mode::Off
    }

    /// The consumer that stands for nobody. The outer nothing is an error, which is reported.
    #[expect(
        clippy::option_option,
        reason = "to have named nobody and to have named a stranger are two things"
    )]
    pub(crate) fn anonymous(&mut self, name: Option<&At<Name>>) -> Option<Option<Arc<Consumer>>> {
        let Some(name) = name else { return Some(None) };
        let found = self.consumers.find(name.value.as_str().as_bytes()).cloned();
        if found.is_none() {
            self.fail(Diagnostic::new(
                Code::Name,
                name.span,
                format!("there is no consumer `{}`", name.value.as_str()),
            ));
        }
        found.map(Some)
    }

    /// Demands on claims.
    pub(crate) fn claims(&mut self, written: &Map<TextMatch>) -> Vec<ClaimRule> {
        people::rules(written, self.report)
    }

    /// Reports what makes the configuration unusable.
    pub(crate) fn fail(&mut self, diagnostic: Diagnostic) {
        self.report.push(diagnostic);
    }
}

/// What is written as text of some kind.
pub(crate) trait Written {
    /// The text.
    fn text(&self) -> &str;
}

impl Written for Name {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl Written for HeaderName {
    fn text(&self) -> &str {
        &self.0
    }
}

impl Written for String {
    fn text(&self) -> &str {
        self
    }
}

/// Texts without their places.
pub(crate) fn texts<T: Written>(list: &[At<T>]) -> Vec<Box<str>> {
    list.iter().map(|item| item.value.text().into()).collect()
}

#[cfg(test)]
mod tests;
