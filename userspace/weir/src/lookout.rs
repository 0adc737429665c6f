//! What the control thread looks after in the world outside: issuers of keys, targets of upstreams and their names.

use crate::failure::{OS, failure};
use crate::files;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use weir_control::{Checks, Fetcher, IssuerView, Keyring, Names, Pace, Report};
use weir_meter::{Page, names};
use weir_plan::{Files, Plan};
use weir_policy::Library;
use weir_proxy::Board;

/// What is looked after.
pub(crate) struct Lookout {
    pub(crate) keyring: Keyring,
    pub(crate) names: Names,
    checks: Checks,
    board: Arc<Board>,
}

impl Lookout {
    /// Looks after nothing yet. The last good keys are kept in the directory `state`.
    pub(crate) fn new(board: &Arc<Board>, state: &Path) -> Result<Self> {
        let roots = files::Host.roots().unwrap_or_else(|why| {
            tracing::debug!("no https URL can be fetched: {why}");
            Vec::new()
        });
        let cannot = |error| failure(OS, format!("TLS cannot be used: {error}"));
        let keyring =
            Keyring::new(Fetcher::new(roots).map_err(cannot)?, Pace::default(), Some(state.to_owned()));
        let told = Arc::clone(board);
        let report: Rc<Report> = Rc::new(move |upstream: &_, target: &_, found| match found {
            Some(found) => told.report(upstream, target, found),
            None => told.unwatched(upstream, target),
        });
        Ok(Self { keyring, names: Names::new(), checks: Checks::new(report), board: Arc::clone(board) })
    }

    /// Looks after what a plan names. To be called before the plan is in force, so that its rules have their keys.
    pub(crate) fn sync(&self, plan: &Plan) {
        let fetched = plan.library.iter().flat_map(Library::fetched);
        self.keyring.sync(fetched.map(|(_, verifier, source)| (verifier, source)));
        self.checks.sync(plan);
        self.names.sync(plan);
    }

    /// The issuers for `weir status`.
    pub(crate) fn issuers(&self) -> Value {
        let one = |issuer: &IssuerView| {
            json!({
                "source": issuer.source,
                "keys": issuer.keys,
                "age_s": issuer.age.map(|age| age.as_secs()),
                "complaint": issuer.complaint,
            })
        };
        self.keyring.view().iter().map(one).collect()
    }

    /// The numbers for a scraper.
    pub(crate) fn metrics(&self, plan: &Plan, page: &mut Page) {
        page.family(&names::TARGET_STATE);
        for upstream in self.board.view(plan) {
            for target in &upstream.targets {
                let labels = [
                    ("upstream", &*upstream.name),
                    ("target", &target.name),
                    ("state", target.state.as_str()),
                ];
                page.sample(&names::TARGET_STATE, &labels, 1);
            }
        }
        let issuers = self.keyring.view();
        page.family(&names::JWKS_FETCHES);
        for IssuerView { source, fetches: (good, failed), .. } in &issuers {
            page.sample(&names::JWKS_FETCHES, &[("source", source), ("result", "ok")], *good);
            page.sample(&names::JWKS_FETCHES, &[("source", source), ("result", "failed")], *failed);
        }
        page.family(&names::JWKS_KEYS);
        for issuer in &issuers {
            page.sample(&names::JWKS_KEYS, &[("source", &issuer.source)], issuer.keys);
        }
        page.family(&names::JWKS_AGE);
        for (issuer, age) in issuers.iter().filter_map(|issuer| Some((issuer, issuer.age?))) {
            page.sample(&names::JWKS_AGE, &[("source", &issuer.source)], age.as_secs());
        }
    }
}
