//! What the admin interface shows of upstreams and certificates, and how targets are steered.

use super::{Appliance, seconds};
use anyhow::Result;
use serde_json::{Value, json};
use std::time::SystemTime;
use weir_admin::{Page, Steer, Wish};
use weir_plan::tls::CertificateRecord;

impl Appliance {
    /// Every upstream with its targets.
    pub(super) fn upstreams(&self, page: &Page) -> Value {
        let views = self.shared.board.view(&self.shared.plans.load());
        let upstreams = views.iter().map(|upstream| {
            let targets = upstream.targets.iter().map(|target| {
                json!({
                    "target": &*target.name,
                    "state": target.state.as_str(),
                    "weight": target.weight,
                    "weight_set": target.weight_set,
                    "complaint": target.complaint,
                })
            });
            json!({ "upstream": &*upstream.name, "targets": targets.collect::<Vec<_>>() })
        });
        let name = |upstream: &Value| upstream.get("upstream").map(Value::to_string).unwrap_or_default();
        let (upstreams, next) = page.cut("/v1/upstreams", upstreams.collect(), name);
        json!({ "upstreams": upstreams, "next": next })
    }

    /// Steers a target; it stays so until the program ends or is told otherwise.
    pub(super) fn steer(&self, steer: &Steer) -> Result<Value> {
        let (board, plan) = (&self.shared.board, self.shared.plans.load());
        match steer.wish {
            Wish::Drained(drained) => board.drain(&plan, &steer.upstream, &steer.target, drained)?,
            Wish::Weight(weight) => board.weigh(&plan, &steer.upstream, &steer.target, weight)?,
        }
        Ok(self.upstreams(&Page::default()))
    }

    /// The certificates that listeners present, the one that expires first in front.
    pub(super) fn certificates(&self, page: &Page) -> Value {
        let now = seconds(SystemTime::now());
        let plan = self.shared.plans.load();
        let records = plan.records();
        let certificate = |record: &CertificateRecord| {
            let until = record.not_after.as_secs();
            json!({
                "source": record.source,
                "names": record.names,
                "algorithm": record.algorithm,
                "not_before_unix_s": record.not_before.as_secs(),
                "not_after_unix_s": until,
                "not_after": date(until),
                "days_left": until.saturating_sub(now) / 86_400,
                "expired": until <= now,
            })
        };
        let refused = self.renewals.refused.iter();
        let refused = refused.map(|refusal| json!({ "source": refusal.source, "why": refusal.why }));
        let first_to_end = |certificate: &Value| {
            let until = certificate.get("not_after_unix_s").and_then(Value::as_u64).unwrap_or(0);
            let [source, names] = ["source", "names"].map(|key| certificate.get(key).unwrap_or(&Value::Null));
            format!("{until:020} {source} {names}")
        };
        let certificates = records.iter().map(certificate).collect();
        let (certificates, next) = page.cut("/v1/certificates", certificates, first_to_end);
        json!({
            "certificates": certificates,
            "next": next,
            "refused": refused.collect::<Vec<_>>(),
        })
    }
}

fn date(unix_s: u64) -> String {
    let written = weir_message::http_date(unix_s);
    String::from_utf8_lossy(&written).into_owned()
}
