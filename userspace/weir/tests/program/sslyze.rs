//! What a scanner finds: Mozilla's "intermediate" profile, as sslyze has it.

use crate::process::{Weir, free_port};
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version whose rules the listener is measured by.
const SSLYZE: &str = "sslyze==6.3.1";

pub(crate) fn trials() -> Vec<Trial> {
    let scanner = scanner();
    if let Err(why) = &scanner {
        println!("skipped: the scan by sslyze, because {why}");
    }
    ["ecdsa", "rsa"]
        .map(|kind| {
            let scanner = scanner.clone();
            let ignored = scanner.is_err();
            let scan = move || scan(&scanner?, kind);
            Trial::test(format!("sslyze::mozilla_intermediate_{kind}"), scan).with_ignored_flag(ignored)
        })
        .into()
}

/// Python with sslyze in a place of its own, installed the first time.
fn scanner() -> Result<PathBuf, String> {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join(SSLYZE);
    let python = room.join("bin/python");
    let works = || run(Command::new(&python).args(["-m", "sslyze", "--help"]));
    if works().is_ok() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&room))
        .map_err(|why| format!("python3 -m venv fails: {why}"))?;
    let pip = ["-m", "pip", "install", "--quiet", "--timeout", "10", "--retries", "1", SSLYZE];
    run(Command::new(&python).args(pip)).map_err(|why| format!("PyPI is not reached: {why}"))?;
    works().map(|()| python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdout(Stdio::null()).output().map_err(|error| error.to_string())?;
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().last().unwrap_or_default().to_owned();
    if output.status.success() { Ok(()) } else { Err(last) }
}

/// An authority and a certificate from it for `localhost`, as the profile wants them: not longer than a year.
const MAKE: &str = r#"
case "$1" in ecdsa) new="ec -pkeyopt ec_paramgen_curve:prime256v1" ;; rsa) new="rsa:2048" ;; esac
openssl req -x509 -newkey $new -nodes -days 90 -subj /CN=authority -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
openssl req -newkey $new -nodes -subj /CN=localhost -keyout tls.key -out tls.csr
cat > extensions <<END
subjectAltName=DNS:localhost
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
authorityKeyIdentifier=keyid
subjectKeyIdentifier=hash
END
openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile extensions -out tls.crt
"#;

fn scan(python: &Path, kind: &str) -> Result<(), Failed> {
    let (room, port) = (tempfile::tempdir()?, free_port());
    let made = Command::new("sh").args(["-ec", MAKE, "sh", kind]).current_dir(&room).output()?;
    assert!(made.status.success(), "{made:?}");
    let text = "version: 1
shield: { mode: off }
admin: { socket: '{dir}/admin.sock' }
listeners: [ { bind: '127.0.0.1:PORT', tls: { certificate: ROOM/tls.crt, key: ROOM/tls.key, min_version: '1.2' } } ]
routes: [ { match: /*, respond: {} } ]
";
    let text = text.replace("PORT", &port.to_string()).replace("ROOM", &room.path().to_string_lossy());
    let _weir = Weir::start(&text);
    let output = Command::new(python)
        .args(["-m", "sslyze", "--mozilla_config=intermediate", "--certinfo_ca_file"])
        .arg(room.path().join("ca.pem"))
        .arg(format!("localhost:{port}{{127.0.0.1}}"))
        .output()?;
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && words.contains("OK - Compliant"), "{words}");
    Ok(())
}
