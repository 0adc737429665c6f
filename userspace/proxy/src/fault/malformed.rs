//! Requests that break a rule: what the client is told. It names the rule and never what the request said.
use weir_message::Error;
use weir_wire::Reason;

/// The status for a request that breaks this rule.
pub(super) fn status(error: Error) -> u16 {
    match error {
        Error::TargetTooLong => 414,
        Error::HeadTooLarge | Error::TooManyFields => 431,
        Error::MethodRefused => 405,
        Error::MethodTooLong => 501,
        Error::Version => 505,
        Error::Expectation => 417,
        _ => 400,
    }
}

/// What it counts as.
pub(super) fn reason(error: Error) -> Reason {
    match error {
        Error::TargetTooLong | Error::HeadTooLarge | Error::TooManyFields => Reason::TooLarge,
        _ => Reason::BadFraming,
    }
}

/// One sentence that says which rule, so that the sender can keep it.
pub(super) fn detail(error: Error) -> &'static str {
    match error {
        Error::TargetTooLong => "The request target is longer than allowed.",
        Error::HeadTooLarge => "The request head is larger than allowed.",
        Error::TooManyFields => "The request has more fields than allowed.",
        Error::MethodRefused | Error::MethodTooLong => "The method is not offered.",
        Error::Version => "The HTTP version is not supported; 1.0, 1.1 and 2 are.",
        Error::Expectation => "The only expectation that can be met is 100-continue.",
        Error::RequestLine => {
            "The request line is not a method, a target and a version with one space between them."
        }
        Error::LineEnd => "A line of the request head does not end with CR LF.",
        Error::FieldName => {
            "A field of the request has no valid name, or one that HTTP/2 does not allow; no space may stand before the colon."
        }
        Error::FieldValue => "The value of a request field holds a control character.",
        Error::Target => {
            "The request target is not a path, or holds a character that must be written with a percent sign."
        }
        Error::Escape => {
            "The path holds a percent sign without two hexadecimal digits, or an overlong encoding."
        }
        Error::EscapedSeparator => {
            "The path holds an escaped slash, backslash or NUL, which is not accepted here."
        }
        Error::DotSegment => {
            "The path has dot segments that lead above its root, or that are not accepted here."
        }
        Error::HostCount => "The request must name its host exactly once.",
        Error::Host => "Host is not a host name with an optional port.",
        Error::HostMismatch => "Host differs from the host or scheme in the request target.",
        Error::BothFramings => "Content-Length and Transfer-Encoding exclude each other.",
        Error::ContentLength => {
            "Content-Length must be one decimal number, given once, and the length of the body."
        }
        Error::TransferEncoding => "The only transfer coding is chunked, given once.",
        Error::OldTransferEncoding => "Transfer-Encoding needs HTTP/1.1.",
        Error::Chunk => "A chunk of the request body is malformed.",
        Error::ChunkExtension => "A chunk extension of the request body is malformed or too long.",
        Error::Trailer => "The trailers of the request body are malformed or too long.",
        Error::StatusLine | Error::Unwritable => "The request is malformed.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentence goes into JSON and HTML as it is.
    #[test]
    fn what_is_told_needs_no_quotes() {
        for error in
            [Error::RequestLine, Error::FieldName, Error::Target, Error::Escape, Error::ContentLength]
        {
            let told = detail(error);
            assert!(told.ends_with('.') && !told.contains(['"', '\\', '<', '>', '&']), "{told}");
        }
    }
}
