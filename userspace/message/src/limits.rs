//! How large a head and the framing of a body may be.

/// Bounds on what a peer may make us hold. One value serves a whole listener or upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request line or status line, in bytes with its line end.
    pub line_max: usize,
    /// The largest head, in bytes with all line ends.
    pub head_max: usize,
    /// The most fields of one head; values above [`Limits::FIELDS_CEILING`] act as that.
    pub fields_max: usize,
    /// The most bytes of chunk extensions in one body.
    pub extensions_max: usize,
    /// The largest trailer section, in bytes.
    pub trailers_max: usize,
}

impl Limits {
    /// The parser's room for fields; no limit can be set above it.
    pub const FIELDS_CEILING: usize = 256;
    /// The longest method that is looked at.
    pub const METHOD_MAX: usize = 32;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line_max: 8 * 1024,
            head_max: 16 * 1024,
            fields_max: 100,
            extensions_max: 4 * 1024,
            trailers_max: 4 * 1024,
        }
    }
}
