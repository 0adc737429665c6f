//! The shield as the program holds it: there, or not there and why.

use crate::failure::failure;
use anyhow::Result;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use weir_kernel::counters::total;
use weir_kernel::{Bans, Cause, Claim, Complaint, Error, Host, Inquiry, Listing, Shield};
use weir_meter::{Page, names};
use weir_plan::Plan;
use weir_plan::shield::OnAttachFailure;
use weir_plan::upstream::Address;
use weir_proxy::{Barred, Sentence};

mod errand;
mod succession;

pub(crate) use errand::Errand;

/// The shield, or the reason why there is none.
pub(crate) struct Guard {
    shield: Option<Shield>,
    why_not: String,
    /// Bans where there is no shield: whoever accepts connections enforces them.
    bans: Option<Bans>,
    host: Host,
    /// The state of the bans that was told last.
    told: u64,
    /// The addresses that upstreams have by their names.
    named: Vec<IpNet>,
    /// A successor is about to take over: the kernel's side is no longer this program's to change.
    yields: bool,
}

impl Guard {
    /// Puts the shield up as the plan wants it; what must outlive it is kept in the directory `state`. What it cannot have
    /// is said once; whether that ends the program is the operator's choice (`on_attach_failure`).
    ///
    /// With the claim of a program that runs, its shield is taken over.
    pub(crate) fn raise(plan: &Plan, state: &Path, claim: Option<Claim>) -> Result<Self> {
        let host = Host { state: state.to_owned(), ..Host::default() };
        let mut guard = Self {
            shield: None,
            why_not: String::new(),
            bans: None,
            host,
            told: 0,
            named: Vec::new(),
            yields: false,
        };
        guard.put_up(plan, claim)?;
        Ok(guard)
    }

    fn put_up(&mut self, plan: &Plan, claim: Option<Claim>) -> Result<()> {
        let meant = meant(plan);
        if meant.interfaces.is_empty() {
            let why = if plan.shield_by_default_route {
                "no interface has a default route"
            } else {
                "its mode is off"
            };
            return self.do_without(&meant, plan, why.to_owned());
        }
        let opened = match claim {
            Some(claim) => Shield::succeed(&meant, &self.host, claim),
            None => Shield::open(&meant, &self.host),
        };
        self.stand(opened, plan)?;
        let upstreams = self.upstreams(plan);
        let Some(shield) = &mut self.shield else { return Ok(()) };
        shield.protect(upstreams, AN_UPSTREAM).map_err(|error| coded(&error))
    }

    /// Bans hold all the same: at accept.
    fn do_without(&mut self, meant: &weir_plan::shield::Shield, plan: &Plan, why_not: String) -> Result<()> {
        self.why_not = why_not;
        let bans = match self.bans.take() {
            Some(bans) => bans,
            None => {
                let (bans, complaints) =
                    Bans::without_kernel(meant, &self.host).map_err(|error| coded(&error))?;
                complain(&complaints);
                bans
            }
        };
        let dependencies: Vec<_> =
            self.upstreams(plan).into_iter().map(|network| (network, AN_UPSTREAM)).collect();
        self.bans.insert(bans).sync(meant, &self.host, &dependencies).map_err(|error| coded(&error))
    }

    /// The names of the plan's upstreams have these addresses now.
    pub(crate) fn named(&mut self, addresses: &BTreeSet<IpAddr>, plan: &Plan) {
        let others = addresses.iter().filter(|address| !address.is_loopback());
        self.named = others.map(|address| IpNet::from(*address)).collect();
        let upstreams = self.upstreams(plan);
        if let Some(shield) = &mut self.shield {
            // Its lists are written anew at the next look after the shield.
            return shield.depend_on(upstreams, AN_UPSTREAM);
        }
        let dependencies: Vec<_> = upstreams.into_iter().map(|network| (network, AN_UPSTREAM)).collect();
        let host = &self.host;
        let told = self.bans.as_mut().map_or(Ok(()), |bans| bans.sync(&meant(plan), host, &dependencies));
        if let Err(error) = told {
            tracing::warn!("the addresses of upstreams are not protected: {error}");
        }
    }

    /// The targets of upstreams: those that are written as addresses, and what the names of the others stand for.
    fn upstreams(&self, plan: &Plan) -> Vec<IpNet> {
        let targets = plan.upstreams.iter().flat_map(|upstream| &upstream.targets);
        let written = targets.filter_map(|target| match &target.address {
            Address::Ip(address) if !address.ip().is_loopback() => Some(address.ip().to_canonical().into()),
            _ => None,
        });
        written.chain(self.named.iter().copied()).collect()
    }

    /// Who is banned, if that may have changed since the last time.
    pub(crate) fn news_of_bans(&mut self) -> Option<Barred> {
        let told = self.told;
        let bans = self.held().filter(|bans| bans.changes() != told)?;
        let (changes, barred) = (bans.changes(), Barred::new(bans.sources(), bans.v6_bits()));
        self.told = changes;
        Some(barred)
    }

    fn held(&mut self) -> Option<&mut Bans> {
        self.shield.as_mut().map(Shield::bans).or(self.bans.as_mut())
    }

    /// What must be done every second: bans end, lost interfaces are taken back.
    pub(crate) fn tick(&mut self) {
        if self.yields {
            return;
        }
        let Some(shield) = &mut self.shield else {
            if let Some(Err(error)) = self.bans.as_mut().map(Bans::expire) {
                tracing::warn!("bans could not be ended: {error}");
            }
            return;
        };
        match shield.tick() {
            Ok(changed) => {
                for how in changed {
                    let (interface, placement) = (&how.interface, how.placement.as_str());
                    tracing::warn!(%interface, %placement, why = %how.why, "the shield on this interface changed");
                }
            }
            Err(error) => tracing::warn!("the shield could not be looked after: {error}"),
        }
    }

    /// Puts the machine back as the plan says.
    pub(crate) fn lower(&mut self) {
        if let Some(Err(error)) = self.shield.take().map(Shield::close) {
            tracing::warn!("the shield did not come down cleanly: {error}");
        }
    }

    /// Attachment in a few words for `weir status`.
    pub(crate) fn summary(&self) -> Value {
        match &self.shield {
            Some(shield) => {
                json!({ "state": "on", "interfaces": shield.attached(), "list_entries": shield.entries() })
            }
            None => json!({ "state": "off", "why": self.why_not }),
        }
    }

    /// Attachment and counters.
    pub(crate) fn status(&self) -> Result<Value, Error> {
        let Some(shield) = &self.shield else { return Ok(self.summary()) };
        let counters = shield.counters()?;
        let refused: Vec<Value> = (counters.refused.iter())
            .map(|one| (one, total(&one.dropped), total(&one.observed)))
            .filter(|(_, dropped, observed)| dropped.packets > 0 || observed.packets > 0)
            .map(|(one, dropped, observed)| {
                json!({ "reason": one.reason, "stage": one.stage, "dropped": dropped, "observed": observed })
            })
            .collect();
        let passed_as = counters.passed.iter().map(|one| (one.name, total(&one.by_cpu).packets));
        let passed_as: BTreeMap<&str, u64> = passed_as.filter(|(_, packets)| *packets > 0).collect();
        Ok(json!({
            "state": "on",
            "interfaces": shield.attached(),
            "list_entries": shield.entries(),
            "stages": shield.stages()?,
            "guarded": shield.guarded()?,
            "passed": counters.passed_in_all(),
            "dropped": counters.dropped_in_all(),
            "passed_as": passed_as,
            "refused": refused,
        }))
    }

    /// Every ban, to be read where there is time.
    pub(crate) fn bans(&mut self) -> Option<Listing> {
        self.held().map(|bans| bans.listing())
    }

    /// Who is never banned, and why.
    pub(crate) fn protects(&mut self, address: IpAddr) -> Option<&'static str> {
        self.held().and_then(|bans| bans.protected().find(address))
    }

    /// Whether somebody is banned.
    pub(crate) fn has_banned(&mut self, address: IpAddr) -> Result<bool, Error> {
        self.held().map_or(Ok(false), |bans| Ok(bans.find(address)?.is_some()))
    }

    /// What keeps this machine from being ready: a shield that the plan demands, and that is not there.
    pub(crate) fn lacks(&mut self, plan: &Plan) -> Option<String> {
        let is_demanded = plan.shield.on_attach_failure == OnAttachFailure::Refuse;
        let is_meant = plan.shield_by_default_route || !plan.shield.interfaces.is_empty();
        match &mut self.shield {
            _ if !is_demanded || !is_meant => None,
            None => Some(format!("the shield is off: {}", self.why_not)),
            Some(shield) => shield
                .is_detached()
                .then(|| String::from("the shield was taken off; `weir reload` puts it back")),
        }
    }

    /// Bans an address.
    pub(crate) fn ban(
        &mut self,
        address: IpAddr,
        seconds: Option<u64>,
        reason: &str,
    ) -> Result<Value, Error> {
        let Some(bans) = self.held() else { return Ok(self.summary()) };
        let ban = bans.ban(address, seconds.map(Duration::from_secs), Cause::by_hand(reason))?;
        Ok(json!(ban))
    }

    /// Carries out what a policy called for: the socket's address is shut out in the kernel.
    pub(crate) fn obey(&mut self, Sentence { ban, rule, request_id }: &Sentence) {
        let address = ban.address.to_ipv4_mapped().map_or(IpAddr::V6(ban.address), IpAddr::V4);
        let (reason, score) = (ban.reason.as_str(), ban.score);
        match self.held() {
            Some(bans) if !ban.observe => {
                let request = Some(&**request_id).filter(|id| !id.is_empty());
                match bans.ban(address, None, Cause::by_rule(ban.reason, rule, request)) {
                    Ok(_) => tracing::info!(%address, reason, %rule, %request_id, score, "banned"),
                    Err(error) => tracing::warn!("{error}"),
                }
            }
            _ => tracing::info!(%address, reason, %rule, %request_id, score, "would be banned"),
        }
    }

    /// Lifts a ban.
    pub(crate) fn unban(&mut self, address: IpAddr) -> Result<Value, Error> {
        let Some(bans) = self.held() else { return Ok(self.summary()) };
        Ok(json!({ "address": address, "was_banned": bans.unban(address)? }))
    }

    /// What would happen to a packet from an address, and why: a question to be answered where there is time. None without a
    /// shield.
    pub(crate) fn inquiry(&self, address: IpAddr) -> Result<Option<Inquiry>, Error> {
        self.shield.as_ref().map(|shield| shield.inquiry(address)).transpose()
    }

    /// The kernel's numbers for a scraper.
    pub(crate) fn metrics(&mut self, page: &mut Page) {
        if let Some(bans) = self.held() {
            page.single(&names::XDP_BANS, bans.count());
        }
        let Some(shield) = &mut self.shield else { return };
        page.family(&names::XDP_MODE);
        for how in shield.attached() {
            page.sample(
                &names::XDP_MODE,
                &[("interface", &how.interface), ("mode", how.placement.as_str())],
                1,
            );
        }
        let Ok(counters) = shield.counters() else { return };
        let dropped = counters.refused.iter().map(|one| (one.stage, one.reason, total(&one.dropped)));
        let passed = counters.passed.iter().map(|one| ("pass", one.name, total(&one.by_cpu)));
        let all: Vec<_> = dropped.chain(passed).filter(|(_, _, amount)| amount.packets > 0).collect();
        page.family(&names::XDP_PACKETS);
        for (stage, reason, amount) in &all {
            page.sample(&names::XDP_PACKETS, &[("stage", stage), ("reason", reason)], amount.packets);
        }
        page.family(&names::XDP_BESIDES);
        for one in &counters.besides {
            page.sample(&names::XDP_BESIDES, &[("what", one.name)], total(&one.by_cpu).packets);
        }
        page.family(&names::XDP_BYTES);
        for (stage, reason, amount) in &all {
            page.sample(&names::XDP_BYTES, &[("stage", stage), ("reason", reason)], amount.bytes);
        }
    }
}

/// Mounts what the plan's shield is pinned on, while this process may. A failure is told by whoever needs it.
pub(crate) fn mount(plan: &Plan) {
    let meant = meant(plan);
    if !meant.interfaces.is_empty() {
        drop(weir_kernel::mount(&meant, &Host::default()));
    }
}

/// Why the targets of upstreams are never banned or dropped.
const AN_UPSTREAM: &str = "an upstream";

fn complain(complaints: &[Complaint]) {
    for complaint in complaints {
        tracing::warn!("{complaint}");
    }
}

fn coded(error: &Error) -> anyhow::Error {
    failure(error.exit_code(), error.to_string())
}

/// The shield of a plan with its interfaces named.
pub(crate) fn meant(plan: &Plan) -> weir_plan::shield::Shield {
    let mut meant = plan.shield.clone();
    if plan.shield_by_default_route {
        let routes = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        meant.interfaces = default_route(&routes("/proc/net/route"), &routes("/proc/net/ipv6_route"));
    }
    meant
}

/// The interfaces with a default route, from the kernel's two tables (proc(5)).
fn default_route(v4: &str, v6: &str) -> Vec<String> {
    let of_v4 = v4.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000"))
            .then(|| fields.first().copied())?
    });
    let of_v6 = v6.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Behind a route to nowhere stands the loopback interface.
        (fields.get(1) == Some(&"00")).then(|| fields.get(9).copied())?.filter(|name| *name != "lo")
    });
    let mut names: Vec<String> = of_v4.chain(of_v6).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_found_in_both_tables() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  eth1\t000200C0\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0\n";
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth2\n\
             {zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"
        );
        assert_eq!(default_route(v4, &v6), ["eth0", "eth2"]);
        assert!(default_route("", "").is_empty());
    }
}
