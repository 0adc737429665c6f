//! Real clients in front and a real server behind: curl, nghttp, h2load, openssl and nginx as they come from Debian.

use crate::process::{Weir, curl, free_port, until};
use libtest_mimic::{Failed, Trial};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("clients::curl_speaks_every_version_of_http_and_tls", &["curl", "nginx", "openssl"], versions),
        trial("clients::openssl_agrees_on_protocol_and_certificate", &["nginx", "openssl"], openssl),
        trial(
            "clients::nghttp_and_h2load_get_everything",
            &["nghttp", "h2load", "nginx", "openssl"],
            nghttp2,
        ),
        trial("clients::bodies_pass_unchanged_between_curl_and_nginx", &["curl", "nginx", "openssl"], bodies),
    ]
}

fn trial(name: &'static str, programs: &[&str], run: fn() -> Result<(), Failed>) -> Trial {
    let missing: Vec<&&str> = programs.iter().filter(|program| !has(program)).collect();
    if !missing.is_empty() {
        println!("skipped: {name} needs {missing:?}");
    }
    Trial::test(name, run).with_ignored_flag(!missing.is_empty())
}

/// Whether this host has a program.
pub(crate) fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(program).is_file())
}

/// nginx with a directory of its own, which ends with the test.
struct Nginx {
    room: TempDir,
    child: Child,
    port: u16,
}

impl Nginx {
    fn start() -> Self {
        let (room, port) = (tempfile::tempdir().unwrap(), free_port());
        let at = room.path().display();
        let text = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi; client_max_body_size 64m; keepalive_requests 100000;
  server {{
    listen 127.0.0.1:{port};
    root {at}/www;
    location = /packed {{ alias {at}/www/large; gzip on; gzip_types *; gzip_proxied any; }}
    location = /small {{ return 200 'small'; }}
    location /echo {{ proxy_pass http://127.0.0.1:{port}/kept; proxy_http_version 1.1; }}
    location /kept {{ client_body_in_single_buffer on; client_body_buffer_size 8m; return 200 'kept'; }}
  }}
}}
"
        );
        std::fs::create_dir(room.path().join("www")).unwrap();
        std::fs::write(room.path().join("www/large"), large()).unwrap();
        std::fs::write(room.path().join("nginx.conf"), text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(room.path()).arg("-c").arg(room.path().join("nginx.conf"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let nginx = Self { room, child, port };
        until("nginx answers", || curl(&[&format!("http://127.0.0.1:{port}/small")]).0 == 200);
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Three megabytes, no two blocks of which are alike.
fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// weir in front of nginx: in the clear with both versions of HTTP, and encrypted.
struct Front {
    weir: Weir,
    plain: u16,
    secure: u16,
}

impl Front {
    fn start(nginx: &Nginx) -> Self {
        let (plain, secure, at) = (free_port(), free_port(), nginx.room.path());
        certificate(at);
        let weir = Weir::start(&format!(
            "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
listeners:
  - {{ name: plain, bind: \"127.0.0.1:{plain}\", protocols: [ h2, http/1.1 ] }}
  - {{ name: secure, bind: \"127.0.0.1:{secure}\", tls: {{ certificate: \"{0}/cert.pem\", key: \"{0}/key.pem\", hsts: 365d, min_version: \"1.2\" }} }}
routes: [ {{ match: {{ path: /* }}, upstream: nginx }} ]
upstreams: {{ nginx: {{ targets: [ \"127.0.0.1:{1}\" ] }} }}
",
            at.display(),
            nginx.port
        ));
        Self { weir, plain, secure }
    }

    fn plain(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.plain)
    }

    /// The address by the name that stands in the certificate, and how curl finds that.
    fn secure(&self, path: &str) -> (String, String) {
        let port = self.secure;
        (format!("https://edge.test:{port}{path}"), format!("edge.test:{port}:127.0.0.1"))
    }
}

/// A certificate for `edge.test` and its key: `cert.pem` and `key.pem`.
pub(crate) fn certificate(at: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=edge.test", "-addext", "subjectAltName=DNS:edge.test"])
        .arg("-keyout")
        .arg(at.join("key.pem"))
        .arg("-out")
        .arg(at.join("cert.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn versions() -> Result<(), Failed> {
    let nginx = Nginx::start();
    let front = Front::start(&nginx);
    let ca = nginx.room.path().join("cert.pem");
    let (url, resolve) = front.secure("/small");
    let shown = ["--write-out", " %{http_version}\n%{http_code}"];
    let plain = |more: &[&str]| curl(&[&shown[..], more, &[&front.plain("/small")]].concat());
    assert_eq!(plain(&["--http1.0"]).1, "small 1.1");
    assert_eq!(plain(&["--http1.1"]).1, "small 1.1");
    assert_eq!(plain(&["--http2-prior-knowledge"]).1, "small 2");
    // An offer of h2c is not taken up.
    assert_eq!(plain(&["--http2"]).1, "small 1.1");
    for (tls, http, version) in [
        ("1.2", "--http1.1", "1.1"),
        ("1.2", "--http2", "2"),
        ("1.3", "--http1.1", "1.1"),
        ("1.3", "--http2", "2"),
    ] {
        let only = format!("--tlsv{tls}");
        let own =
            [&only, "--tls-max", tls, http, "--cacert", ca.to_str().unwrap(), "--resolve", &resolve, &url];
        let (status, body) = curl(&[&shown[..], &own].concat());
        assert_eq!((status, body), (200, format!("small {version}")), "TLS {tls} {http}");
    }
    let old = ["--tlsv1.1", "--tls-max", "1.1", "--insecure", "--resolve", &resolve, &url];
    assert_eq!(curl(&old).0, 0, "TLS 1.1 is not spoken");
    Ok(())
}

fn openssl() -> Result<(), Failed> {
    let nginx = Nginx::start();
    let front = Front::start(&nginx);
    let ca = nginx.room.path().join("cert.pem");
    for (version, alpn, expect) in [("-tls1_2", "h2", "h2"), ("-tls1_3", "http/1.1", "http/1.1")] {
        let output = Command::new("openssl")
            .args([
                "s_client",
                "-connect",
                &format!("127.0.0.1:{}", front.secure),
                "-servername",
                "edge.test",
            ])
            .args([version, "-alpn", alpn, "-verify_return_error", "-CAfile"])
            .arg(&ca)
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Verify return code: 0 (ok)"), "{version}: {said}");
        assert!(said.contains(&format!("ALPN protocol: {expect}")), "{version}: {said}");
    }
    let refused = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", front.secure), "-alpn", "spdy/3"])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(!refused.status.success() && said.contains("no application protocol"), "{said}");
    Ok(())
}

fn nghttp2() -> Result<(), Failed> {
    let nginx = Nginx::start();
    let front = Front::start(&nginx);
    let one = Command::new("nghttp").args(["-s", "-n", &front.plain("/large")]).output()?;
    let said = String::from_utf8_lossy(&one.stdout).into_owned();
    assert!(one.status.success() && said.contains("200   2M /large"), "{one:?}");
    let secure = format!("https://127.0.0.1:{}/small", front.secure);
    for (url, protocol) in [
        (front.plain("/small"), "h2c"),
        (front.plain("/large"), "h2c"),
        (secure.clone(), "h2"),
        (secure, "http/1.1"),
    ] {
        let requests = if url.ends_with("/large") { "20" } else { "400" };
        let own = [format!("--no-tls-proto={protocol}"), format!("--npn-list={protocol}")];
        let own = if url.starts_with("https") { &own[1] } else { &own[0] };
        let load =
            Command::new("h2load").args(["-n", requests, "-c", "4", "-m", "10", own, &url]).output()?;
        let said = String::from_utf8_lossy(&load.stdout).into_owned();
        let line = format!(
            "requests: {requests} total, {requests} started, {requests} done, {requests} succeeded, 0 failed, 0 errored, 0 timeout"
        );
        assert!(said.contains(&line), "{url} {protocol}: {said}");
        assert!(said.contains(&format!("status codes: {requests} 2xx")), "{url} {protocol}: {said}");
    }
    Ok(())
}

fn bodies() -> Result<(), Failed> {
    let nginx = Nginx::start();
    let front = Front::start(&nginx);
    let (url, resolve) = front.secure("/large");
    let got = nginx.room.path().join("got");
    let to = ["--output", got.to_str().unwrap(), "--insecure", "--resolve", &resolve];
    for (http, url) in [
        ("--http1.1", front.plain("/large")),
        ("--http2-prior-knowledge", front.plain("/large")),
        ("--http1.1", url.clone()),
        ("--http2", url),
    ] {
        let (status, _) = curl(&[&to[..], &[http, &url]].concat());
        assert_eq!(status, 200, "{http} {url}");
        assert!(std::fs::read(&got)? == large(), "{http} {url}: the body has changed");
    }
    // A part of it, and what nginx says to a question about its age.
    let (status, _) = curl(&[&to[..], &["--range", "1000-1999", &front.plain("/large")]].concat());
    assert_eq!((status, std::fs::read(&got)?), (206, large()[1000..2000].to_vec()));
    let file = nginx.room.path().join("www/large");
    for http in ["--http1.1", "--http2-prior-knowledge"] {
        for framing in ["Expect:", "Transfer-Encoding: chunked"] {
            let data = format!("@{}", file.display());
            let (status, body) = curl(&[
                http,
                "--request",
                "POST",
                "--header",
                framing,
                "--data-binary",
                &data,
                &front.plain("/echo"),
            ]);
            assert_eq!((status, body.as_str()), (200, "kept"), "{http} {framing}");
        }
    }
    // What the server has compressed stays as it is, and so does its mark.
    let gzip = |url: &str| {
        curl(
            &[
                &to[..],
                &[
                    "--header",
                    "Accept-Encoding: gzip",
                    "--write-out",
                    "%header{content-encoding}\n%{http_code}",
                    url,
                ],
            ]
            .concat(),
        )
    };
    let direct = gzip(&format!("http://127.0.0.1:{}/packed", nginx.port));
    let bytes = std::fs::read(&got)?;
    assert_eq!(direct, (200, "gzip".to_owned()));
    for url in [front.plain("/packed"), front.secure("/packed").0] {
        assert_eq!(gzip(&url), direct, "{url}");
        assert!(std::fs::read(&got)? == bytes, "{url}: other bytes");
    }
    let told = ["--write-out", "%header{strict-transport-security}\n%{http_code}"];
    for (url, hsts) in [(front.plain("/small"), ""), (front.secure("/small").0, "max-age=31536000")] {
        assert_eq!(curl(&[&to[..], &told, &[&url]].concat()), (200, hsts.to_owned()), "{url}");
    }
    assert!(front.weir.ask(&["status"]).status.success());
    Ok(())
}
