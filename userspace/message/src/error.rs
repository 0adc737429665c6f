//! Why a message is refused. The proxy turns these into a status and a reason; here they only name the rule.

/// A rule of RFC 9110 or RFC 9112, or one of our limits, that a peer's message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// RFC 9112, section 3: not `method SP target SP version CRLF`.
    #[error("malformed request line")]
    RequestLine,
    /// RFC 9112, section 4: not a status line, or an answer of HTTP/0.9.
    #[error("malformed status line")]
    StatusLine,
    /// RFC 9112, section 2.3: another version than 1.0 or 1.1.
    #[error("unsupported HTTP version")]
    Version,
    /// RFC 9112, section 2.2: a line that does not end in CR LF, or a CR on its own.
    #[error("bare CR or LF")]
    LineEnd,
    /// RFC 9112, section 5.1: empty or invalid name, no colon, white space before it.
    #[error("malformed field name")]
    FieldName,
    /// RFC 9110, section 5.5: a control byte in a value.
    #[error("malformed field value")]
    FieldValue,
    /// The line of the request is longer than allowed.
    #[error("request target too long")]
    TargetTooLong,
    /// The method is longer than any that is registered.
    #[error("method too long")]
    MethodTooLong,
    /// The head has more bytes than allowed.
    #[error("head too large")]
    HeadTooLarge,
    /// The head has more fields than allowed.
    #[error("too many fields")]
    TooManyFields,
    /// RFC 9110, sections 9.3.6 and 9.3.8: `CONNECT` and `TRACE` are not offered.
    #[error("method not offered")]
    MethodRefused,
    /// RFC 9112, section 3.2: not origin-form, absolute-form or, for `OPTIONS`, `*`; a fragment; a forbidden byte.
    #[error("malformed request target")]
    Target,
    /// RFC 3986, section 2.1: `%` without two hexadecimal digits, or an overlong encoding.
    #[error("malformed escape in the path")]
    Escape,
    /// An escaped slash, backslash or NUL in the path.
    #[error("escaped separator in the path")]
    EscapedSeparator,
    /// Dot segments that lead above the root, or that carry parameters.
    #[error("dot segment leaves the path")]
    DotSegment,
    /// RFC 9112, section 3.2: no `Host`, or more than one.
    #[error("missing or repeated Host")]
    HostCount,
    /// RFC 9110, section 7.2: `Host` is not a host with an optional port.
    #[error("malformed Host")]
    Host,
    /// RFC 9112, section 3.2.2: `Host` and the target's authority differ.
    #[error("Host differs from the request target")]
    HostMismatch,
    /// RFC 9112, section 6.1: `Content-Length` and `Transfer-Encoding` together.
    #[error("both Content-Length and Transfer-Encoding")]
    BothFramings,
    /// RFC 9112, section 6.3: not a number, too large, or more than one.
    #[error("malformed Content-Length")]
    ContentLength,
    /// RFC 9112, section 6.1: anything other than `chunked`, once.
    #[error("unsupported Transfer-Encoding")]
    TransferEncoding,
    /// RFC 9112, section 6.1: `Transfer-Encoding` in a message of HTTP/1.0.
    #[error("Transfer-Encoding in HTTP/1.0")]
    OldTransferEncoding,
    /// RFC 9110, section 10.1.1: an expectation other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// RFC 9112, section 7.1: the size line of a chunk, or the line end after its data.
    #[error("malformed chunk")]
    Chunk,
    /// RFC 9112, section 7.1.1: an extension that is malformed or too long.
    #[error("malformed or oversized chunk extension")]
    ChunkExtension,
    /// RFC 9112, section 7.1.2: the trailer section is malformed or too long.
    #[error("malformed or oversized trailer section")]
    Trailer,
    /// A field edited by us has a name or value that may not be sent.
    #[error("field cannot be written")]
    Unwritable,
}
