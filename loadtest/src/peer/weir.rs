//! weir with one worker and the shield off; with policies where the scenario asks for them.

use super::{Programs, Site, Start};
use crate::client::mix::HOST;
use anyhow::{Context, Result};
use std::path::PathBuf;

pub(super) fn prepare(site: &Site<'_>) -> Result<Start> {
    let config = site.write("weir.yaml", &config(site))?;
    let program = program(site.programs)?;
    Ok(Start { program, arguments: vec!["run".into(), "--config".into(), config], tells_address: false })
}

/// weir as given, or the one beside this program.
pub(crate) fn program(programs: &Programs) -> Result<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("weir")));
    let program = programs.weir.clone().or(beside).filter(|program| program.is_file());
    program.context("weir is not built: `cargo build --release -p weir`, or `--weir FILE`")
}

fn config(site: &Site<'_>) -> String {
    let Site { listen, origin, folder, .. } = site;
    let protocols = if site.is_h2 { "h2" } else { "http/1.1" };
    let tls = if site.is_tls {
        let (certificate, key) = (site.material.certificate_pem.display(), site.material.key_pem.display());
        format!("\n    tls: {{ certificate: {certificate}, key: {key}, min_version: \"1.3\" }}")
    } else {
        String::new()
    };
    let log = if site.is_logged {
        format!("telemetry: {{ access_log: {} }}\n", folder.join("access.json").display())
    } else {
        String::new()
    };
    let protocol = if site.h2_upstream { "h2" } else { "http/1.1" };
    let (policies, chain, targets, balance) = guard(site);
    format!(
        "# Generated for one run.
version: 1
shield: {{ mode: off }}
limits: {{ workers: 1, connections: {connections}, connections_per_ip: {connections} }}
admin: {{ socket: {socket} }}
{log}listeners:
  - bind: {listen}
    protocols: [ {protocols} ]{tls}
    limits: {{ requests_max: 1000000000, streams_max: 1000 }}
{policies}routes:
  - match: \"*\"
    upgrade: true{chain}
    upstream: origin
upstreams:
  origin:
    targets: [ {targets} ]
    protocol: {protocol}{balance}
    keep_alive: {{ connections: 1024, requests_max: 1000000000 }}
",
        connections = site.connections,
        socket = folder.join("admin.sock").display(),
        targets = if targets { format!("{origin}, {origin}") } else { origin.to_string() },
    )
}

/// Policies, the chain of the route, whether there are two targets, and how they are balanced.
fn guard(site: &Site<'_>) -> (String, String, bool, &'static str) {
    if !site.guarded {
        return (String::new(), String::new(), false, "");
    }
    let key = site.material.token_pem.display();
    let policies = format!(
        "policies:
  login:
    jwt:
      keys: [ {{ algorithm: ES256, public_key: \"${{file:{key}}}\" }} ]
      issuer: https://id.{HOST}
      audience: load
      groups_claim: groups
  members: {{ acl: {{ allow: load }} }}
  fair: {{ rate_limit: {{ by: ip, rate: 100M/s, headers: none }} }}
consumers:
  anyone: {{ groups: load, custom_id: \"1\" }}
"
    );
    (
        policies,
        "\n    policies: [ login, members, fair ]".to_owned(),
        false,
        "\n    balance: { maglev: { by: ip } }",
    )
}
