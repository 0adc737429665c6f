//! Certificates, keys, authorities and lists of revocations whose files are replaced while the program runs: taken without
//! a reload, or not taken and said so.

use super::Appliance;
use crate::files::Witness;
use rustls_pki_types::UnixTime;
use std::time::{Duration, Instant};
use weir_control::Watch;
use weir_meter::{Page, names};
use weir_plan::{Outside, Refusal, Renewal};
use weir_schema::parse;

/// How often what was refused is read again: a certificate may begin to count by mere waiting.
const AGAIN: Duration = Duration::from_secs(60);

/// What came of the files until now.
#[derive(Debug)]
pub(crate) struct Renewals {
    pub(crate) watch: Watch,
    /// How many things were renewed, and how often some were refused.
    counts: [u64; 2],
    /// What is not used now.
    pub(crate) refused: Vec<Refusal>,
    read: Instant,
}

impl Default for Renewals {
    fn default() -> Self {
        Self { watch: Watch::default(), counts: [0; 2], refused: Vec::new(), read: Instant::now() }
    }
}

impl Appliance {
    /// Reads the files anew if they have changed.
    pub(crate) fn renew(&mut self) {
        let again = !self.renewals.refused.is_empty() && self.renewals.read.elapsed() >= AGAIN;
        if self.renewals.watch.look() || again || self.shows_a_stale_answer() {
            let renewal = self.read_anew();
            self.renewals.note(renewal);
        }
    }

    /// Clients are shown an answer of OCSP whose time is over.
    fn shows_a_stale_answer(&self) -> bool {
        let now = UnixTime::now();
        self.current.plan.certificates.load().iter().any(|held| held.record.staple_is_over(now))
    }

    fn read_anew(&self) -> Renewal {
        let witness = Witness::default();
        let (plan, sources) = (&self.current.plan, &self.current.sources);
        // Credentials are part of the text, so it is read again; nothing else of it is looked at.
        match parse(sources, &witness).into_result() {
            Ok((config, _)) => {
                let outside = Outside { files: &witness, now: UnixTime::now(), before: Some(plan) };
                weir_plan::renew(plan, &config, &outside)
            }
            Err(report) => {
                let why: Vec<&str> = report.errors().map(|error| error.message.as_str()).collect();
                let refusal = Refusal { source: String::from("the configuration"), why: why.join("; ") };
                Renewal { taken: Vec::new(), refused: vec![refusal] }
            }
        }
    }
}

impl Renewals {
    /// Says what is new, once.
    fn note(&mut self, renewal: Renewal) {
        self.read = Instant::now();
        for taken in &renewal.taken {
            tracing::info!("renewed: {taken}");
        }
        let fresh = |refusal: &&Refusal| !self.refused.contains(refusal);
        for Refusal { source, why } in renewal.refused.iter().filter(fresh) {
            tracing::error!(
                "{source} is not used: {why}; what was in use before stays in use for as long as it counts"
            );
        }
        let [taken, refused] = [renewal.taken.len(), renewal.refused.iter().filter(fresh).count()];
        for (count, more) in self.counts.iter_mut().zip([taken, refused]) {
            *count = count.saturating_add(more as u64);
        }
        self.refused = renewal.refused;
    }

    /// The numbers for a scraper.
    pub(crate) fn metrics(&self, page: &mut Page) {
        page.family(&names::RENEWALS);
        for (result, count) in ["ok", "refused"].iter().zip(self.counts) {
            page.sample(&names::RENEWALS, &[("result", result)], count);
        }
        page.single(&names::RENEWALS_REFUSED, self.refused.len());
    }
}
