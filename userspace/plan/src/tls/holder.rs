//! What the holder of a certificate is called where an operator reads it.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The first name in the certificate: an alternative one (RFC 9525, section 2), else the common name, else its serial number.
/// What is not printable is escaped.
#[must_use]
pub fn holder(certificate: &CertificateDer<'_>) -> String {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return String::from("unreadable") };
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let alternative = alternatives.iter().flat_map(|names| &names.value.general_names).find_map(text);
    let common = || parsed.subject().iter_common_name().find_map(|name| name.as_str().ok());
    let name = alternative.or_else(common).map(|name| name.escape_debug().to_string());
    name.unwrap_or_else(|| format!("serial {}", parsed.raw_serial_as_string()))
}

fn text<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn a_holder_is_called_by_the_first_name() {
        let check = |alternatives: &[&str], common: Option<&str>, expect: &str| {
            let names: Vec<String> = alternatives.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.serial_number = Some(rcgen::SerialNumber::from(0x2a_u64));
            if let Some(common) = common {
                params.distinguished_name.push(DnType::CommonName, common);
            }
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(holder(certificate.der()), expect);
        };
        check(&["ops.example"], Some("Ops"), "ops.example");
        check(&[], Some("Ops\nroot"), "Ops\\nroot");
        check(&[], None, "serial 2a");
        assert_eq!(holder(&CertificateDer::from(vec![1, 2, 3])), "unreadable");
    }
}
