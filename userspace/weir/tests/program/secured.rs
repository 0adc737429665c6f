//! The admin address behind TLS: certificates and tokens.

use crate::admin::config;
use crate::process::{Weir, curl, free_port};
use libtest_mimic::{Failed, Trial};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::net::TcpStream;
use std::path::Path;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("secured::tls_asks_for_a_certificate_and_follows_a_reload", secured),
        Trial::test("secured::a_token_may_travel_in_tls", token_in_tls),
    ]
}

/// Certificates of one authority: a server's, a client's, and a stranger's of another authority.
fn certificates(room: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(room.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(params, key)
    };
    let sign = |name: &str, issuer: &Issuer<'_, KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let names = vec![format!("{name}.test"), String::from("localhost")];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("{name}.test"));
        std::fs::write(room.join(format!("{name}.pem")), params.signed_by(&key, issuer).unwrap().pem())
            .unwrap();
        std::fs::write(room.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    };
    let ours = authority("ca");
    for name in ["server", "renewed", "ops"] {
        sign(name, &ours);
    }
    sign("stranger", &authority("other-ca"));
}

fn secured() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    certificates(room.path());
    let at = |name: &str| room.path().join(name).display().to_string();
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let with = |server: &str| {
        let tls = format!(
            "  tls: {{ certificate: \"{}\", key: \"{}\", client_ca: \"{}\" }}\n",
            at(&format!("{server}.pem")),
            at(&format!("{server}.key")),
            at("ca.pem")
        );
        let text = config(port, admin, status);
        format!("{}{tls}", text.split_once("  tokens:").unwrap().0)
    };
    let running = Weir::start(&with("server"));
    let ca = at("ca.pem");
    let url = format!("https://localhost:{admin}/v1/reload");
    let ask = |holder: &str| {
        let (certificate, key) = (at(&format!("{holder}.pem")), at(&format!("{holder}.key")));
        curl(&["--cacert", &ca, "--cert", &certificate, "--key", &key, "-X", "POST", &url]).0
    };
    assert_eq!(curl(&["--cacert", &ca, "-X", "POST", &url]).0, 0, "no certificate, no answer");
    assert_eq!(ask("stranger"), 0, "another authority's is none");
    assert_eq!(
        curl(&["-X", "POST", &format!("http://127.0.0.1:{admin}/v1/reload")]).0,
        0,
        "nor in the clear"
    );
    assert_eq!(ask("ops"), 200);
    let words = std::fs::read_to_string(running.room.path().join("stderr"))?;
    assert!(words.contains("ops.test at 127.0.0.1"), "who changed what is known: {words}");

    running.rewrite(&with("renewed"));
    assert!(running.ask(&["reload"]).status.success());
    let (_, said) = curl(&["--verbose", "--stderr", "-", "--cacert", &ca, &url]);
    assert!(said.contains("renewed.test"), "the new certificate is shown without a restart: {said}");
    assert_eq!(ask("ops"), 200);
    Ok(())
}

fn token_in_tls() -> Result<(), Failed> {
    let room = tempfile::tempdir()?;
    certificates(room.path());
    let at = |name: &str| room.path().join(name).display().to_string();
    let (port, admin, status) = (free_port(), free_port(), free_port());
    let tls = format!("  tls: {{ certificate: \"{}\", key: \"{}\" }}\n", at("server.pem"), at("server.key"));
    let _running = Weir::start(&(config(port, admin, status) + &tls));
    let (ca, url) = (at("ca.pem"), format!("https://localhost:{admin}/v1/status"));
    let ask = |field: &str| curl(&["--cacert", &ca, "-H", field, &url]).0;
    assert_eq!(ask("x: y"), 401);
    assert_eq!(ask("authorization: Bearer reader-0123456789abcdef"), 200);
    assert_eq!(
        curl(&["-H", "authorization: Bearer reader-0123456789abcdef", &url.replace("https", "http")]).0,
        0
    );
    // Whoever opens a connection and says nothing keeps nobody else out.
    let _silent: Vec<TcpStream> =
        (0..32).map(|_| TcpStream::connect(("127.0.0.1", admin)).unwrap()).collect();
    assert_eq!(ask("authorization: Bearer reader-0123456789abcdef"), 200);
    Ok(())
}
