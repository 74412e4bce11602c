//! Every bound of the room in one table.
//!
//! A limit says what a peer may make osier hold or repeat. None is a switch: zero means zero, and a larger value
//! accepts more of the same grammar, never another grammar.

/// What a peer may ask of the parser and the decoder.
///
/// Each bound is inclusive: a value equal to it passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a whole head, from the first octet of the start line to the empty line. Beyond: 431.
    pub head_octets_max: usize,
    /// Field lines of a header section, and of a trailer section. Beyond: 431.
    pub fields_max: usize,
    /// Octets of the request-target. Beyond: 414.
    pub target_octets_max: usize,
    /// Octets of the method. Beyond: 501, as for any method nobody implements (RFC 9112 §3).
    pub method_octets_max: usize,
    /// Empty lines before a request line that are skipped (RFC 9112 §2.2). Beyond: 400.
    pub leading_lines_max: usize,
    /// Connection options over all `Connection` lines; bounds the work of stripping. Beyond: 431.
    pub connection_options_max: usize,
    /// Octets of a request's content, told by Content-Length or counted in chunks. Beyond: 413.
    /// Responses have no bound.
    pub content_octets_max: u64,
    /// Octets of one chunk-size line with its extensions, CRLF not counted. Beyond: 400.
    pub chunk_line_octets_max: usize,
    /// Octets of chunk extensions a body may be ahead of its content; two are forgiven per octet of
    /// content. Beyond: 400.
    pub chunk_overhead_octets_max: usize,
    /// Octets of a whole trailer section, the empty line included. Beyond: 431.
    pub trailer_octets_max: usize,
    /// Interim responses (1xx) of one exchange; counted by the caller.
    pub interim_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_octets_max: 16 * 1024,
            fields_max: 100,
            target_octets_max: 8 * 1024,
            method_octets_max: 64,
            leading_lines_max: 4,
            connection_options_max: 32,
            content_octets_max: u64::MAX,
            chunk_line_octets_max: 1024,
            chunk_overhead_octets_max: 16 * 1024,
            trailer_octets_max: 8 * 1024,
            interim_max: 16,
        }
    }
}
