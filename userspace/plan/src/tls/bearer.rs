//! Who a client is by the certificate that it has shown, after that was verified.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// What an upstream is told of a client's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// The certificate, in `Client-Cert` (RFC 9440, section 2.2).
    Certificate,
    /// Those between it and the authority as well, in `Client-Cert-Chain` (section 2.3).
    Chain,
}

/// The bearer of a verified certificate.
#[derive(Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The subject, as in RFC 4514.
    pub subject: Box<str>,
    /// The serial number in hexadecimal, by which its authority revokes it.
    pub serial: Box<str>,
    /// What it is called: alternative names first, DNS names in lower case, then the common name.
    pub names: Vec<Box<str>>,
    /// The value of `Client-Cert`; empty if the upstream is not told.
    pub certificate: Box<[u8]>,
    /// The value of `Client-Cert-Chain`; empty if the upstream is not told, or there is nothing to tell.
    pub chain: Box<[u8]>,
}

impl Bearer {
    /// Reads what a client has shown, its own certificate first. None if that cannot be read, which no verified one is.
    #[must_use]
    pub fn parse(shown: &[CertificateDer<'_>], told: Told) -> Option<Self> {
        let (own, between) = shown.split_first()?;
        let (_, parsed) = X509Certificate::from_der(own).ok()?;
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let alternatives = alternatives.iter().flat_map(|names| &names.value.general_names);
        let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let certificates = |some: &[CertificateDer<'_>]| {
            let values: Vec<String> = some.iter().map(|der| format!(":{}:", base64(der))).collect();
            values.join(", ").into_bytes().into_boxed_slice()
        };
        Some(Self {
            subject: parsed.subject().to_string().into(),
            serial: parsed.raw_serial_as_string().replace(':', "").into(),
            names: alternatives.filter_map(name).chain(common.map(Into::into)).collect(),
            certificate: if told == Told::Nothing {
                Box::default()
            } else {
                certificates(std::slice::from_ref(own))
            },
            chain: if told == Told::Chain { certificates(between) } else { Box::default() },
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<Box<str>> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
        GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some((*name).into()),
        _ => None,
    }
}

/// RFC 4648, section 4, as byte sequences of structured fields want it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = DIGITS.get(usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0));
            text.push(if at <= group.len() { digit.copied().map_or('=', char::from) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    #[test]
    fn bytes_are_written_as_rfc_4648_has_them() {
        let check = |bytes: &str, expect: &str| assert_eq!(base64(bytes.as_bytes()), expect);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foob", "Zm9vYg==");
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn b21_a_bearer_has_names_and_a_field_for_the_upstream() {
        let mut params = CertificateParams::new(vec!["Acme.Example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://a/B".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "Acme Inc");
        params.serial_number = Some(vec![0x0a, 0xff].into());
        let cert = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let shown = [cert.der().clone(), cert.der().clone()];
        let bearer = Bearer::parse(&shown, Told::Certificate).unwrap();
        assert_eq!(bearer.names, ["acme.example", "spiffe://a/B", "Acme Inc"].map(Box::from));
        assert!(bearer.subject.contains("CN=Acme Inc"), "{}", bearer.subject);
        assert_eq!(&*bearer.serial, "0aff");
        assert!(bearer.certificate.starts_with(b":MII") && bearer.certificate.ends_with(b":"));
        assert!(bearer.chain.is_empty());
        let whole = Bearer::parse(&shown, Told::Chain).unwrap();
        assert_eq!(whole.chain, bearer.certificate);
        assert!(Bearer::parse(&shown, Told::Nothing).unwrap().certificate.is_empty());
        assert_eq!(Bearer::parse(&[CertificateDer::from(vec![1, 2])], Told::Chain), None);
    }
}
