//! Every bound of the room in one table. RFC 9110 §2.3 leaves them to the recipient.
//!
//! It owns numbers only; each place that enforces one names its own sin.

/// The bounds a message must keep.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most octets of a head, from its first octet to the empty line, both included. Beyond: 431.
    pub head_octets_max: usize,
    /// Most field lines of a head or a trailer section, at most [`FIELDS_CEILING`]. Beyond: 431.
    pub fields_max: usize,
    /// Most octets of a request-target. Beyond: 414.
    pub target_octets_max: usize,
    /// Most octets of all `Connection` values together; each option costs a look at every field. Beyond: 431.
    pub connection_octets_max: usize,
    /// Most octets of one chunk line: size and extensions. Beyond: 400.
    pub chunk_line_octets_max: usize,
    /// Most octets of chunk lines that the data between them does not justify. Beyond: 400.
    pub chunk_overhead_octets_max: usize,
    /// Most octets of a trailer section. Beyond: 431.
    pub trailer_octets_max: usize,
    /// Most interim responses before the final one. The caller counts.
    pub interim_max: usize,
    /// Most octets of content; `None` for no bound. Beyond: 413.
    pub content_max: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_octets_max: 16 * 1024,
            fields_max: 100,
            target_octets_max: 8 * 1024,
            connection_octets_max: 1024,
            chunk_line_octets_max: 1024,
            chunk_overhead_octets_max: 16 * 1024,
            trailer_octets_max: 8 * 1024,
            interim_max: 16,
            content_max: None,
        }
    }
}

/// Most field lines any [`Limits::fields_max`] can allow: the room for them is on the stack.
pub const FIELDS_CEILING: usize = 256;
