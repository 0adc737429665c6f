//! nginx as its manual says a proxy is fast: one worker, kept connections, no log or one that is written by whole buffers.

use super::site::find;
use super::{Site, Start};
use anyhow::Result;

pub(super) fn prepare(site: &Site<'_>) -> Result<Start> {
    let config = site.write("nginx.conf", &config(site))?;
    let prefix = site.folder.to_string_lossy().into_owned();
    Ok(Start {
        program: find("nginx", "nginx-light")?,
        arguments: vec![
            "-p".into(),
            prefix.clone(),
            "-c".into(),
            config,
            "-e".into(),
            format!("{prefix}/error.log"),
        ],
        tells_address: false,
    })
}

fn config(site: &Site<'_>) -> String {
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let Site { folder, listen, origin, .. } = site;
    let folder = folder.display();
    let flags = [(site.is_tls, " ssl"), (site.is_h2, " http2")];
    let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
    // Its own form of a line, and the buffer that its manual shows for busy servers.
    let log = if site.is_logged {
        format!("access_log {folder}/access.log combined buffer=64k flush=1s;")
    } else {
        "access_log off;".to_owned()
    };
    let tls = if site.is_tls {
        format!(
            "ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.3;\n    ssl_session_cache off;",
            site.material.certificate_pem.display(),
            site.material.key_pem.display()
        )
    } else {
        String::new()
    };
    format!(
        "# Generated for one run.
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections {connections}; }}
http {{
  {log}
  keepalive_requests 1000000000;
  http2_max_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  upstream origin {{
    server {origin};
    keepalive 1024;
    keepalive_requests 1000000000;
  }}
  map $http_upgrade $connection_up {{ default upgrade; '' ''; }}
  server {{
    listen {listen}{flags} backlog=4096;
    {tls}
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_up;
    }}
  }}
}}
",
        connections = 2 * site.connections,
    )
}
