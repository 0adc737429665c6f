//! Certificates, keys, authorities and revocations that are replaced while the program runs, and clients that prove who
//! they are.

use crate::process::{Weir, curl, free_port, until};
use libtest_mimic::{Failed, Trial};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("certificates::f24_replaced_files_are_taken_and_bad_ones_are_not", replaced),
        Trial::test("certificates::credentials_are_watched_as_well", credentials),
        Trial::test("certificates::b78_clients_are_known_by_their_certificate", clients),
    ]
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Issuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name until the end of a year, and its key.
fn pair(issuer: &Issuer, name: &str, until: i32, serial: u64) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params.serial_number = Some(SerialNumber::from(serial));
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn put(directory: &Path, (certificate, key): &(String, String)) {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("tls.crt"), certificate).unwrap();
    std::fs::write(directory.join("tls.key"), key).unwrap();
}

/// Leads the name `live` elsewhere in one step, as certbot and Kubernetes do.
fn lead(room: &Path, to: &str) {
    let next = room.join("next");
    symlink(to, &next).unwrap();
    std::fs::rename(next, room.join("live")).unwrap();
}

/// What a client says about the certificate that it is shown, and verifies; nothing if the handshake fails.
fn shown(authority: &Path, port: u16) -> Option<String> {
    let output = Command::new("curl")
        .args(["-sv", "--max-time", "10", "--resolve", &format!("a.test:{port}:127.0.0.1"), "--cacert"])
        .arg(authority)
        .arg(format!("https://a.test:{port}/"))
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(words)
}

/// Clients that shake hands all the time.
struct Shaking {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Shaking {
    fn start(authority: &Path, port: u16) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count, authority) = (Arc::clone(&stop), Arc::clone(&done), authority.to_owned());
        let thread = std::thread::spawn(move || {
            while !until.load(Relaxed) {
                assert!(shown(&authority, port).is_some(), "a handshake has failed");
                count.fetch_add(1, Relaxed);
            }
        });
        Self { stop, done, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("every handshake succeeds");
        self.done.load(Relaxed)
    }
}

fn config(port: u16, status: u16, rest: &str) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
telemetry: {{ metrics: \"127.0.0.1:{status}\", access_log: \"{{dir}}/access.json\" }}
{}",
        rest.replace("PORT", &port.to_string())
    )
}

fn list(weir: &Weir) -> (Option<i32>, String) {
    let output = weir.ask(&["certs", "list"]);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn metric(status: u16, name: &str) -> String {
    let (_, page) = curl(&[&format!("http://127.0.0.1:{status}/metrics")]);
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).trim().to_owned()
}

/// The pass mark of F24: handshakes succeed, all of them, whatever becomes of the files.
fn replaced() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let text = config(
        port,
        status,
        "listeners: [ { name: edge, bind: '127.0.0.1:PORT', tls: { certificate: '{dir}/live/tls.crt', key: '{dir}/live/tls.key' } } ]
routes: [ { match: /*, respond: { body: ok } } ]
",
    );
    let room = tempfile::tempdir()?;
    let issuer = authority("all");
    let ca = room.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem())?;
    put(&room.path().join("v1"), &pair(&issuer, "a.test", 2040, 1));
    lead(room.path(), "v1");
    let weir = Weir::start(&text.replace("{dir}/live", room.path().join("live").to_str().unwrap()));
    let expires = |year: i32| shown(&ca, port).unwrap().contains(&format!("{year} GMT"));
    assert!(expires(2040));
    let shaking = Shaking::start(&ca, port);

    lead_to(room.path(), "v2", &pair(&issuer, "a.test", 2041, 2));
    until("a link that leads elsewhere is followed", || expires(2041));
    put(&room.path().join("v2"), &pair(&issuer, "a.test", 2042, 3));
    until("files written in place are taken", || expires(2042));

    let mut refusals = 0;
    let mut refused = |why: &str| {
        refusals += 1;
        until(why, || list(&weir).1.contains(why));
        assert_eq!(list(&weir).0, Some(1), "whoever asks is told by the exit code as well");
        assert!(expires(2042), "{why}");
        assert_eq!(metric(status, "weir_certificate_files_refused "), "1");
        let counted: u32 =
            metric(status, "weir_certificate_renewals_total{result=\"refused\"} ").parse().unwrap();
        assert!(counted >= refusals, "{counted} of {refusals}");
    };
    let (certificate, _) = pair(&issuer, "a.test", 2043, 4);
    std::fs::write(room.path().join("v2/tls.crt"), certificate)?;
    refused("this certificate belongs to another key");
    lead_to(room.path(), "v3", &pair(&issuer, "a.test", 2021, 5));
    refused("this certificate expired");
    std::fs::write(room.path().join("v3/tls.crt"), "nonsense")?;
    refused("no certificate in");
    std::fs::remove_file(room.path().join("v3/tls.key"))?;
    put(&room.path().join("v3"), &(pair(&issuer, "a.test", 2043, 6).0, String::new()));
    refused("no private key in");
    std::fs::remove_dir_all(room.path().join("v3"))?;
    refused("cannot be read");

    lead_to(room.path(), "v4", &pair(&issuer, "a.test", 2044, 7));
    until("a good pair is taken again", || expires(2044));
    assert_eq!(list(&weir).0, Some(0));
    assert_eq!(metric(status, "weir_certificate_files_refused "), "0");
    assert_eq!(metric(status, "weir_config_generation "), "1", "nothing else was touched");
    assert!(shaking.stop() > 20);
    let mut stranger = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let words = format!("peer={} server_name=\"-\" why=\"protocol\"", stranger.local_addr()?);
    let log = || std::fs::read_to_string(weir.room.path().join("stderr")).unwrap();
    until("a handshake that failed is told of", || log().lines().any(|line| line.contains(&words)));
    let log = std::fs::read_to_string(weir.room.path().join("stderr"))?;
    assert_eq!(log.matches("renewed: ").count(), 3, "each is said once: {log}");
    assert_eq!(log.matches("is not used: ").count(), 5, "each is said once: {log}");
    Ok(())
}

fn lead_to(room: &Path, version: &str, pair: &(String, String)) {
    put(&room.join(version), pair);
    lead(room, version);
}

fn credentials() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let room = tempfile::tempdir()?;
    let issuer = authority("all");
    let ca = room.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem())?;
    put(room.path(), &pair(&issuer, "a.test", 2040, 1));
    let text = config(
        port,
        status,
        "listeners: [ { name: edge, bind: '127.0.0.1:PORT', tls: { certificate: '${cred:tls.crt}', key: '${cred:tls.key}' } } ]
routes: [ { match: /*, respond: { body: ok } } ]
",
    );
    let mut command = crate::process::weir();
    command.env("CREDENTIALS_DIRECTORY", room.path());
    let weir = Weir::start_by(command, &text);
    let expires = |year: i32| shown(&ca, port).unwrap().contains(&format!("{year} GMT"));
    assert!(expires(2040));
    put(room.path(), &pair(&issuer, "a.test", 2041, 2));
    until("credentials are read anew", || expires(2041));
    std::fs::remove_file(room.path().join("tls.key"))?;
    until("that one is gone is said", || list(&weir).1.contains("NOT USED"));
    assert!(expires(2041));
    Ok(())
}

/// Answers every request with its head.
fn mirror() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut one) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut one).is_ok() {
                head.push(one[0]);
            }
            let fields =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", head.len());
            // Whether the other side still listens is seen there.
            drop(stream.write_all(&[fields.as_bytes(), &head].concat()));
        }
    });
    port
}

/// A list on which these serial numbers are revoked.
fn revoked(issuer: &Issuer, serials: &[u64]) -> String {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2050, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap()
}

fn clients() -> Result<(), Failed> {
    let (port, status, origin) = (free_port(), free_port(), mirror());
    let room = tempfile::tempdir()?;
    let issuer = authority("partners");
    let at = |name: &str| room.path().join(name);
    let files = [
        ("server", pair(&issuer, "a.test", 2040, 1)),
        ("acme", pair(&issuer, "acme.test", 2040, 2)),
        ("guest", pair(&issuer, "guest.test", 2040, 3)),
        ("foreign", pair(&authority("others"), "acme.test", 2040, 2)),
    ];
    for (name, pair) in &files {
        put(&at(name), pair);
    }
    std::fs::write(at("ca.pem"), issuer.pem())?;
    std::fs::write(at("crl.pem"), revoked(&issuer, &[99]))?;
    let text = config(
        port,
        status,
        &"listeners:
  - name: edge
    bind: '127.0.0.1:PORT'
    tls: { certificate: ROOM/server/tls.crt, key: ROOM/server/tls.key, client_ca: { file: ROOM/ca.pem, crl: ROOM/crl.pem } }
consumers: { acme: { certificate: acme.test, groups: partners } }
policies: { members: { acl: { allow: partners } } }
routes:
  - { match: /open, upstream: origin }
  - { match: /*, policies: members, upstream: origin }
upstreams: { origin: { targets: '127.0.0.1:ORIGIN' } }
"
        .replace("ROOM", room.path().to_str().unwrap())
        .replace("ORIGIN", &origin.to_string()),
    );
    let weir = Weir::start(&text);
    let ask = |who: &str, path: &str| {
        let (url, resolve) = (format!("https://a.test:{port}{path}"), format!("a.test:{port}:127.0.0.1"));
        let (ca, certificate, key) = (at("ca.pem"), at(who).join("tls.crt"), at(who).join("tls.key"));
        let [ca, certificate, key] = [&ca, &certificate, &key].map(|path| path.to_str().unwrap());
        let mut words = vec!["--resolve", &resolve, "--cacert", ca, &url, "-H", "Client-Cert: :Zm9yZ2Vk:"];
        words.extend(["-H", "X-Consumer-Username: forged"]);
        if !who.is_empty() {
            words.extend(["--cert", certificate, "--key", key]);
        }
        curl(&words)
    };
    let (code, seen) = ask("acme", "/");
    assert_eq!(code, 200, "{seen}");
    let field = |name: &str| seen.lines().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
    assert_eq!(field("X-Consumer-Username: "), ["acme"], "{seen}");
    assert_eq!(field("X-Consumer-Groups: "), ["partners"], "{seen}");
    let told = field("Client-Cert: ");
    assert!(told.len() == 1 && told[0].starts_with(":MII"), "{seen}");
    assert!(!seen.contains("forged") && !seen.contains("Zm9yZ2Vk"), "{seen}");
    assert_eq!(ask("guest", "/").0, 403, "known, and in no group");
    let (code, seen) = ask("guest", "/open");
    assert!(code == 200 && !seen.contains("X-Consumer-Username"), "{seen}");
    assert_eq!(ask("", "/open").0, 0, "no certificate, no handshake");
    assert_eq!(ask("foreign", "/open").0, 0, "another authority");
    until("the numbers say why", || {
        metric(status, "weir_tls_failures_total{why=\"certificate\"} ").parse::<u32>().unwrap() >= 2
    });
    let log = || std::fs::read_to_string(weir.room.path().join("access.json")).unwrap_or_default();
    for told in ["\"client_serial\":\"03\"", "\"consumer\":\"acme\"", "\"client_subject\":"] {
        until("the log names who has asked", || log().contains(told));
    }

    std::fs::write(at("crl.pem"), revoked(&issuer, &[2]))?;
    until("who is revoked is refused without a reload", || ask("acme", "/open").0 == 0);
    assert_eq!(ask("guest", "/open").0, 200);
    std::fs::write(at("crl.pem"), "nonsense")?;
    until("a bad list is said", || list(&weir).1.contains("NOT USED"));
    assert_eq!([ask("acme", "/open").0, ask("guest", "/open").0], [0, 200], "the list before holds");
    Ok(())
}
