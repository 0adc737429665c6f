//! What gRPC asks of a proxy: errors as its clients read them, and its deadlines.
use crate::fault::grpc_status;
use std::time::Duration;
use weir_message::{Head, Name, Response};

/// Whether a message is one of gRPC. gRPC-Web, which browsers speak, has trailers of its own kind and is not.
pub(crate) fn is_grpc(head: &Head) -> bool {
    let kind = head.known(Name::ContentType).and_then(|kind| kind.strip_prefix(b"application/grpc"));
    kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Fills in an answer that is trailers only: one head that ends the stream.
pub(crate) fn write(status: u16, detail: &str, response: &mut Response) {
    response.begin(200);
    let mut message = Vec::with_capacity(detail.len());
    for &byte in detail.as_bytes() {
        match byte {
            b'%' | ..b' ' | 0x7f.. => message.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => message.push(byte),
        }
    }
    let fields: [(&str, &[u8]); 3] = [
        ("Content-Type", b"application/grpc"),
        ("Grpc-Status", grpc_status(status)),
        ("Grpc-Message", &message),
    ];
    for (name, value) in fields {
        let written = response.head.append(name, value);
        debug_assert!(written.is_ok(), "a field of ours must be writable");
    }
}

/// How long the client is willing to wait: at most eight digits and a unit.
pub(crate) fn timeout(head: &Head) -> Option<Duration> {
    let (unit, digits) = head.value("grpc-timeout")?.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &str, value: &str) -> Head {
        let mut head = Head::default();
        head.append(name, value.as_bytes()).unwrap();
        head
    }

    #[test]
    fn messages_of_grpc_are_known_by_their_type() {
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
            assert!(is_grpc(&head("content-type", kind)), "{kind}");
        }
        for kind in ["application/grpc-web", "application/grpcs", "application/json"] {
            assert!(!is_grpc(&head("content-type", kind)), "{kind}");
        }
        assert!(!is_grpc(&Head::default()));
    }

    #[test]
    fn deadlines_have_a_unit() {
        let check = |text: &str, expect| assert_eq!(timeout(&head("grpc-timeout", text)), expect, "{text}");
        check("1H", Some(Duration::from_secs(3600)));
        check("99999999S", Some(Duration::from_secs(99_999_999)));
        check("250m", Some(Duration::from_millis(250)));
        check("5u", Some(Duration::from_micros(5)));
        for bad in ["", "5", "S", "-1S", "1s", "123456789S", "1.5S"] {
            check(bad, None);
        }
    }

    #[test]
    fn b36_errors_are_trailers_only() {
        let mut response = Response::default();
        write(600, "50% of\nthem", &mut response);
        assert_eq!(response.status, 200);
        assert_eq!(response.head.value("grpc-status"), Some(&b"2"[..]));
        assert_eq!(response.head.value("grpc-message"), Some(&b"50%25 of%0Athem"[..]));
    }
}
