//! HAProxy as its manual says a proxy is fast: one thread, connections kept and shared, no log.

use super::site::find;
use super::{Site, Start};
use anyhow::Result;

pub(super) fn prepare(site: &Site<'_>) -> Result<Start> {
    let config = site.write("haproxy.cfg", &config(site))?;
    let arguments = ["-db", "-f", &config].map(str::to_owned).to_vec();
    Ok(Start { program: find("haproxy", "haproxy")?, arguments, tells_address: false })
}

fn config(site: &Site<'_>) -> String {
    let Site { listen, origin, connections, .. } = site;
    let protocol = if site.is_h2 { "h2" } else { "http/1.1" };
    let bind = match (site.is_tls, site.is_h2) {
        (true, _) => {
            let file = site.material.certificate_pem.display();
            format!(" ssl crt {file} alpn {protocol} ssl-min-ver TLSv1.3")
        }
        (false, true) => " proto h2".to_owned(),
        (false, false) => String::new(),
    };
    format!(
        "# Generated for one run.
global
  nbthread 1
  maxconn {connections}
defaults
  mode http
  timeout client 1m
  timeout server 1m
  timeout connect 5s
  timeout tunnel 1m
  http-reuse always
frontend all
  bind {listen}{bind} backlog 4096
  default_backend origin
backend origin
  server origin {origin} pool-max-conn 1024
"
    )
}
