//! What went wrong, for whoever operates what is in front of us (RFC 9209): said only where the listener says so.
use crate::fault::Fault;
use std::io::ErrorKind;

/// The field's name.
pub(crate) const NAME: &str = "Proxy-Status";

/// Its value for a fault, with one of the error types of section 2.3; none where nobody can read it.
pub(crate) fn of(fault: &Fault) -> Option<&'static str> {
    Some(match fault {
        Fault::ClientGone | Fault::Denied(_) => return None,
        Fault::Request(_)
        | Fault::ClientSlow
        | Fault::BodyTooLarge
        | Fault::Method(_)
        | Fault::Misdirected => "weir; error=http_request_error",
        Fault::NoRoute => "weir; error=destination_not_found",
        Fault::Loop => "weir; error=proxy_loop_detected",
        Fault::NoTarget | Fault::UpstreamRefused => "weir; error=destination_unavailable",
        Fault::UpstreamFull => "weir; error=connection_limit_reached",
        Fault::Connect(error) => match error.kind() {
            ErrorKind::ConnectionRefused => "weir; error=connection_refused",
            ErrorKind::NotFound => "weir; error=dns_error",
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                "weir; error=destination_ip_unroutable"
            }
            ErrorKind::InvalidData => "weir; error=tls_protocol_error",
            _ => "weir; error=destination_unavailable",
        },
        Fault::ConnectSlow => "weir; error=connection_timeout",
        Fault::UpstreamGone => "weir; error=connection_terminated",
        Fault::NoTunnel => "weir; error=http_upgrade_failed",
        Fault::Answer(_) | Fault::AnswerUnexpected | Fault::AnswerRefused(_) => {
            "weir; error=http_protocol_error"
        }
        Fault::UpstreamSlow => "weir; error=http_response_timeout",
        Fault::Overloaded | Fault::Overdue | Fault::Internal(_) => "weir; error=proxy_internal_error",
    })
}
