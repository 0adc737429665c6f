//! Everything that a first try needs, made on the spot: certificate, token key, configuration.

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How long the demo's token is good, in seconds.
const TOKEN_SECONDS: u64 = 24 * 3600;

/// Where the demo listens and what stands in front of it.
#[derive(Debug)]
pub(crate) struct Place {
    /// Address of the listeners.
    pub(crate) address: IpAddr,
    /// Interface to protect, if any.
    pub(crate) interface: Option<String>,
    /// Address of the demo upstream.
    pub(crate) upstream: std::net::SocketAddr,
    /// The bpffs directory for the shield's pins.
    pub(crate) pins: Option<PathBuf>,
}

/// What was made.
#[derive(Debug)]
pub(crate) struct Kit {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// The certificate, which curl is told to trust.
    pub(crate) certificate: PathBuf,
    /// A token that the protected route accepts.
    pub(crate) token: String,
    /// The admin socket.
    pub(crate) socket: PathBuf,
}

/// The plain port of the demo.
pub(crate) const HTTP_PORT: u16 = 8080;
/// The TLS port of the demo.
pub(crate) const HTTPS_PORT: u16 = 8443;
/// The port of metrics and health.
pub(crate) const STATUS_PORT: u16 = 9900;

/// The configuration of the demo; `config/quickstart.yaml` in the repository.
const TEMPLATE: &str = include_str!("../../../config/quickstart.yaml");

/// Writes certificate, key and configuration into `directory`.
pub(crate) fn make(directory: &Path, place: &Place) -> Result<Kit> {
    let directory = std::path::absolute(directory)?;
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let names = vec![String::from("localhost"), place.address.to_string()];
    let pair = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
    let certificate = write(&directory, "demo.pem", &pair.cert.pem())?;
    write(&directory, "demo.key", &pair.signing_key.serialize_pem())?;
    let secret = secret()?;
    write(&directory, "demo.secret", &secret)?;
    let config = write(&directory, "weir.yaml", &configuration(&directory, place))?;
    let socket = directory.join("admin.sock");
    Ok(Kit { config, certificate, token: token(&secret)?, socket })
}

/// The template with the demo's addresses and paths in the place of those for a real host.
fn configuration(directory: &Path, place: &Place) -> String {
    let address = bracketed(place.address);
    let mut text = TEMPLATE
        .replace("127.0.0.1:", &format!("{address}:"))
        .replace(&format!("{address}:9001"), &place.upstream.to_string())
        .replace("/etc/weir/demo/", &format!("{}/", directory.display()))
        .replace("/run/weir/", &format!("{}/", directory.display()));
    if let (Some(interface), Some(pins)) = (&place.interface, &place.pins) {
        text = text.replace("mode: off", &format!("interfaces: [ {interface} ]"));
        text = text.replace("/sys/fs/bpf/weir", &pins.display().to_string());
    }
    text
}

/// An address as it stands before a port.
pub(crate) fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Only the owner may read what is written: two of the files are secrets.
fn write(directory: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    std::io::Write::write_all(
        &mut file.with_context(|| format!("cannot write {}", path.display()))?,
        content.as_bytes(),
    )?;
    Ok(path)
}

fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gave no random bytes"))?;
    Ok(base64url(&bytes))
}

/// An HS256 token (RFC 7515, RFC 7519) for the demo's consumer.
fn token(secret: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = format!(
        r#"{{"iss":"weir-demo","sub":"visitor","aud":"demo","iat":{now},"exp":{}}}"#,
        now + TOKEN_SECONDS
    );
    let signed = format!("{}.{}", base64url(br#"{"alg":"HS256","typ":"JWT"}"#), base64url(claims.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    Ok(format!("{signed}.{}", base64url(signature.as_ref())))
}

/// Base64 with the URL alphabet and no padding (RFC 7515 §2).
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..=group.len() {
            let digit = (word >> (18 - 6 * at)) & 63;
            text.extend(ALPHABET.get(digit as usize).map(|byte| char::from(*byte)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_demo_listens_where_it_is_told_and_its_upstream_stays_where_it_is() {
        let place = Place {
            address: IpAddr::from([198, 51, 100, 2]),
            interface: Some(String::from("eth7")),
            upstream: (Ipv4Addr::LOCALHOST, 4321).into(),
            pins: Some(PathBuf::from("/pins")),
        };
        let text = configuration(Path::new("/demo"), &place);
        for line in [
            "interfaces: [ eth7 ]",
            "pin_directory: /pins",
            "198.51.100.2:8080",
            "127.0.0.1:4321",
            "/demo/demo.key",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(
            !text.contains("9001") && !text.contains("mode: off") && !text.contains("/etc/weir"),
            "{text}"
        );
    }

    #[test]
    fn base64url_agrees_with_rfc_4648_section_10() {
        let check = |bytes: &str, text: &str| assert_eq!(base64url(bytes.as_bytes()), text);
        check("", "");
        check("f", "Zg");
        check("fo", "Zm8");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
    }
}
