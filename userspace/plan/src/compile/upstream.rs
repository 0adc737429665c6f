//! Upstreams as meant: their targets placed in tables, their TLS ready.

use std::path::PathBuf;
use std::sync::Arc;

use weir_schema::upstream as written;
use weir_schema::value::{self, Leaf, PathPattern};
use weir_schema::{At, Code};

use super::{Build, limit};
use crate::balance::{Balance, Hashed};
use crate::hash::{Bound, Cycle, Maglev, Place, Ring, TARGETS_MAX, Two};
use crate::id::UpstreamId;
use crate::tls::Renewable;
use crate::upstream::{
    Active, Address, Breaker, Health, KeepAlive, Passive, Probe, ProxyVersion, Target, UpProtocol, Upstream,
};

/// Every upstream in the order written; each can then be found by its name.
pub(super) fn all<'a>(build: &mut Build<'a>) -> Vec<Arc<Upstream>> {
    let config = build.config;
    let mut upstreams = Vec::with_capacity(config.upstreams.len());
    for (id, (name, written)) in (0..).map(UpstreamId).zip(config.upstreams.iter()) {
        let upstream = Arc::new(one(id, name, written, build));
        build.upstreams.insert(&name.value, Arc::clone(&upstream));
        upstreams.push(upstream);
    }
    upstreams
}

fn one(
    id: UpstreamId,
    name: &At<String>,
    written: &At<written::Upstream>,
    build: &mut Build<'_>,
) -> Upstream {
    if written.targets.len() > TARGETS_MAX {
        build.error(Code::Balance, written.span, format!("an upstream has at most {TARGETS_MAX} targets"));
    }
    let targets: Vec<Target> = written.targets.iter().map(|target| self::target(target)).collect();
    Upstream {
        id,
        name: name.value.as_str().into(),
        balance: balance(&written.balance, &targets, build),
        tls: written
            .tls
            .as_ref()
            .and_then(|tls| super::tls::up(tls, written, build).map(|tls| Renewable::new(Arc::new(tls)))),
        targets,
        protocol: match written.protocol.value {
            written::UpProtocol::Http1 => UpProtocol::Http1,
            written::UpProtocol::H2 => UpProtocol::H2,
            written::UpProtocol::Auto => UpProtocol::Auto,
        },
        health: health(&written.health),
        breaker: Breaker {
            connections_max: written.breaker.connections.value,
            pending_max: written.breaker.pending.value,
            requests_max: written.breaker.requests.value,
            retries_max: written.breaker.retries.value,
        },
        timeouts: limit::timeouts(&written.timeouts),
        retry: limit::retry(&written.retry),
        keep_alive: KeepAlive {
            connections_max: written.keep_alive.connections.value,
            idle: written.keep_alive.idle.value,
            requests_max: written.keep_alive.requests_max.value,
        },
        slow_start: written.slow_start.value,
        proxy_protocol: written.proxy_protocol.as_ref().map(|version| match version.value {
            written::ProxyVersion::V1 => ProxyVersion::V1,
            written::ProxyVersion::V2 => ProxyVersion::V2,
        }),
    }
}

fn target(written: &written::Target) -> Target {
    let address = &written.address.value;
    Target {
        name: address.spell().into(),
        address: match address {
            value::Address::Ip(address) => Address::Ip(*address),
            value::Address::Name(name, port) => Address::Name(name.as_str().into(), *port),
            value::Address::Unix(path) => Address::Unix(PathBuf::from(path)),
        },
        weight: written.weight.value,
    }
}

fn balance(written: &At<written::Balance>, targets: &[Target], build: &mut Build<'_>) -> Balance {
    let places: Vec<Place<'_>> =
        targets.iter().map(|target| Place { name: &target.name, weight: target.weight }).collect();
    let hashed = |by: &[At<value::HashKey>], factor: &Option<At<f64>>| Hashed {
        by: by.iter().map(|key| key.value.clone()).collect(),
        bound: factor.as_ref().map(|factor| Bound::new(&places, factor.value)),
    };
    match &written.value {
        written::Balance::RoundRobin(_) => Balance::RoundRobin(Cycle::new(&places)),
        written::Balance::LeastRequest(_) => Balance::LeastRequest(Two::new(&places)),
        written::Balance::Hash(hash) => {
            let weights: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
            let points = weights.saturating_mul(u64::from(hash.points.value));
            if points > Ring::POINTS_MAX {
                let message =
                    format!("this ring would have {points} points; it has at most {}", Ring::POINTS_MAX);
                build.error(Code::Balance, written.span, message);
            }
            Balance::Ring(Ring::new(&places, hash.points.value), hashed(&hash.by, &hash.bounded_load))
        }
        written::Balance::Maglev(maglev) => {
            let size = maglev.table.value;
            if targets.len() >= size as usize {
                let message = format!("a table of {size} entries cannot hold {} targets", targets.len());
                build.error(Code::Balance, written.span, message);
            }
            Balance::Maglev(Maglev::new(&places, size), hashed(&maglev.by, &maglev.bounded_load))
        }
    }
}

fn health(written: &written::Health) -> Health {
    Health {
        active: written.active.as_ref().map(|active| self::active(active)),
        passive: written.passive.as_ref().map(|passive| Passive {
            consecutive_5xx_max: passive.consecutive_5xx.value,
            consecutive_errors_max: passive.consecutive_errors.value,
            eject: passive.eject.value,
            eject_max: passive.eject_max.value,
            eject_share_max: passive.eject_share_max.value.ratio(),
        }),
        panic: written.panic.value.ratio(),
    }
}

fn active(written: &written::Active) -> Active {
    let http = |check: &written::HttpCheck| Probe::Http {
        path: match &check.path.value {
            PathPattern::Exact(path) => path.clone(),
            other => other.spell(),
        },
        host: check.host.as_ref().map(|host| host.value.clone()),
        expect: (check.expect.value.first, check.expect.value.last),
    };
    let grpc = |service: &At<String>| Probe::Grpc(service.value.clone());
    let probe = written.http.as_ref().map(|check| http(check));
    Active {
        probe: probe.or_else(|| written.grpc.as_ref().map(grpc)).unwrap_or(Probe::Tcp),
        every: written.every.value,
        timeout: written.timeout.value,
        healthy_after: written.healthy_after.value,
        unhealthy_after: written.unhealthy_after.value,
    }
}
