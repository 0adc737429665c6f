//! Sessions of TLS that are taken along: to another name, to another listener, to a listener that demands a certificate.

use crate::process::{Weir, free_port};
use libtest_mimic::{Failed, Trial};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("sessions::d3_a_session_counts_only_where_it_began", taken_along),
        Trial::test("sessions::b77_an_answer_of_ocsp_is_stapled_and_renewed", stapled),
        Trial::test("sessions::b77_an_answer_of_ocsp_is_not_shown_beyond_its_time", stale),
    ]
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Issuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes a certificate for a name with this serial number, and its key, and says where.
fn pair(room: &Path, issuer: &Issuer, name: &str, serial: u64) -> [PathBuf; 2] {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.serial_number = Some(serial.into());
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let paths = ["pem", "key"].map(|kind| room.join(format!("{name}.{kind}")));
    std::fs::write(&paths[0], params.signed_by(&key, issuer).unwrap().pem()).unwrap();
    std::fs::write(&paths[1], key.serialize_pem()).unwrap();
    paths
}

/// One connection of `openssl s_client` that asks once for a host; everything that it says.
fn asks(port: u16, name: &str, host: &str, more: &[&str]) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", name, "-ign_eof"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A server that has refused the handshake takes nothing.
    drop(write!(client.stdin.take().unwrap(), "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    let output = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// nginx CVE-2025-23419: whoever has shown one host what it demands must not be taken for known by another.
fn taken_along() -> Result<(), Failed> {
    let [open, closed] = [free_port(), free_port()];
    let room = tempfile::tempdir()?;
    let issuer = authority();
    let at = |path: &Path| path.to_str().unwrap().to_owned();
    let ca = room.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem())?;
    for (name, serial) in [("a.test", 1), ("b.test", 2), ("client.test", 3)] {
        pair(room.path(), &issuer, name, serial);
    }
    let weir = Weir::start(&format!(
        "version: 1
shield: {{ mode: off }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
tls:
  min_version: \"1.2\"
  certificates:
    - {{ certificate: '{0}/a.test.pem', key: '{0}/a.test.key' }}
    - {{ certificate: '{0}/b.test.pem', key: '{0}/b.test.key' }}
listeners:
  - {{ name: open, bind: '127.0.0.1:{open}', protocols: [ http/1.1 ], tls: true }}
  - {{ name: closed, bind: '127.0.0.1:{closed}', protocols: [ http/1.1 ], tls: {{ client_ca: '{1}' }} }}
routes: [ {{ match: /*, respond: {{ body: welcome }} }} ]
",
        at(room.path()),
        at(&ca),
    ));
    let file = |name: &str| at(&room.path().join(name));
    let (free, known) = (file("free"), file("known"));
    let (certificate, key) = (file("client.test.pem"), file("client.test.key"));
    let shown = ["-cert", certificate.as_str(), "-key", key.as_str()];
    let resumed = |said: &str| {
        assert!(said.contains("New, TLS") != said.contains("Reused, TLS"), "{said}");
        said.contains("Reused, TLS")
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let first = asks(open, "a.test", "a.test", &[version, "-sess_out", &free]);
        assert!(!resumed(&first) && first.contains("welcome"), "{first}");
        let again = asks(open, "a.test", "a.test", &[version, "-sess_in", &free]);
        assert!(resumed(&again) && again.contains("welcome"), "where it began it counts: {again}");
        let host = asks(open, "a.test", "b.test", &[version, "-sess_in", &free]);
        assert!(resumed(&host) && host.contains("HTTP/1.1 421 "), "another host: {host}");
        let name = asks(open, "b.test", "b.test", &[version, "-sess_in", &free]);
        assert!(!resumed(&name) && name.contains("welcome"), "another name shakes hands anew: {name}");
        let demanded = asks(closed, "a.test", "a.test", &[version, "-sess_in", &free]);
        assert!(!demanded.contains("welcome") && demanded.contains("alert"), "nothing was shown: {demanded}");

        let first = asks(closed, "a.test", "a.test", &[&[version, "-sess_out", &known], &shown[..]].concat());
        assert!(!resumed(&first) && first.contains("welcome"), "{first}");
        let again = asks(closed, "a.test", "a.test", &[version, "-sess_in", &known]);
        assert!(resumed(&again) && again.contains("welcome"), "what was shown counts here: {again}");
        let name = asks(closed, "b.test", "b.test", &[version, "-sess_in", &known]);
        assert!(!name.contains("welcome"), "and not by another name: {name}");
        let host = asks(closed, "a.test", "b.test", &[version, "-sess_in", &known]);
        assert!(resumed(&host) && host.contains("HTTP/1.1 421 "), "nor for another host: {host}");
    }
    drop(weir);
    Ok(())
}

/// Has the authority say that the certificate with this serial number is good.
fn answer(room: &Path, serial: u64, to: &Path) {
    answer_of(Command::new("openssl"), &["-ndays", "7"], (room, serial, to));
}

fn answer_of(mut openssl: Command, lasts: &[&str], (room, serial, to): (&Path, u64, &Path)) {
    let index = format!("V\t400101000000Z\t\t{serial:04X}\tunknown\t/CN=a.test\n");
    std::fs::write(room.join("index.txt"), index).unwrap();
    let file = |name: &str| room.join(name);
    let done = openssl
        .arg("ocsp")
        .args(lasts)
        .args([Path::new("-index"), &file("index.txt"), Path::new("-CA"), &file("ca.pem")])
        .args([Path::new("-rsigner"), &file("ca.pem"), Path::new("-rkey"), &file("ca.key")])
        .args([Path::new("-issuer"), &file("ca.pem"), Path::new("-CAfile"), &file("ca.pem")])
        .args([Path::new("-respout"), to])
        .args(["-serial", &format!("0x{serial:04X}")])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A room with an authority, and a certificate of it with an answer about it.
fn staples() -> Result<(TempDir, Issuer, PathBuf), Failed> {
    let room = tempfile::tempdir()?;
    let key = KeyPair::generate()?;
    std::fs::write(room.path().join("ca.key"), key.serialize_pem())?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::self_signed(params, key)?;
    std::fs::write(room.path().join("ca.pem"), issuer.pem())?;
    let staple = room.path().join("a.test.ocsp");
    pair(room.path(), &issuer, "a.test", 0x1234);
    answer(room.path(), 0x1234, &staple);
    Ok((room, issuer, staple))
}

fn serve(room: &Path, port: u16) -> Weir {
    Weir::start(
        &"version: 1
shield: { mode: off }
admin: { socket: \"{dir}/admin.sock\" }
listeners: [ { name: edge, bind: '127.0.0.1:PORT', tls: { certificate: '{room}/a.test.pem', key: '{room}/a.test.key', ocsp: '{room}/a.test.ocsp', min_version: '1.2' } } ]
routes: [ { match: /*, respond: { body: welcome } } ]
"
        .replace("{room}", room.to_str().unwrap())
        .replace("PORT", &port.to_string()),
    )
}

/// RFC 6960, section 3.2: a client turns away from an answer that has expired, and not from none.
fn stale() -> Result<(), Failed> {
    let port = free_port();
    let (room, _issuer, staple) = staples()?;
    let of = (room.path(), 0x1234, staple.as_path());
    let before = |span: &str| {
        let mut faketime = Command::new("faketime");
        faketime.args(["-f", span, "openssl"]);
        faketime
    };
    let weir = serve(room.path(), port);
    let told = || asks(port, "a.test", "a.test", &["-tls1_3", "-status"]);
    let listed = |why: &str| String::from_utf8_lossy(&weir.ask(&["certs", "list"]).stdout).contains(why);
    answer_of(before("-3d"), &["-ndays", "1"], of);
    crate::process::until("an old answer takes the place of none", || listed("it has expired"));
    assert!(told().contains("OCSP Response Status: successful"), "what was there before is used on");
    drop(weir);
    // One that ends soon, or has ended before it was read, if the machine is slow.
    answer_of(before("-55s"), &["-nmin", "1"], of);
    let _weir = serve(room.path(), port);
    crate::process::until("the answer is shown no more", || {
        let said = told();
        assert!(said.contains("welcome"), "the certificate is as good as before: {said}");
        !said.contains("OCSP Response Status: successful")
    });
    Ok(())
}

fn stapled() -> Result<(), Failed> {
    let port = free_port();
    let (room, issuer, staple) = staples()?;
    let weir = serve(room.path(), port);
    let told = |version| asks(port, "a.test", "a.test", &[version, "-status"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let said = told(version);
        assert!(said.contains("OCSP Response Status: successful"), "{said}");
        assert!(said.contains("Serial Number: 1234") && said.contains("welcome"), "{said}");
    }
    let refused = |why: &str| {
        crate::process::until(why, || {
            String::from_utf8_lossy(&weir.ask(&["certs", "list"]).stdout).contains(why)
        });
        assert!(told("-tls1_3").contains("Serial Number: 1234"), "what was there before is used on");
    };
    std::fs::write(&staple, "nonsense")?;
    refused("no answer of OCSP");
    answer(room.path(), 0x4321, &staple);
    refused("about another certificate");
    pair(room.path(), &issuer, "a.test", 0x4321);
    crate::process::until("both are taken once they belong together", || {
        told("-tls1_3").contains("Serial Number: 4321")
    });
    Ok(())
}
