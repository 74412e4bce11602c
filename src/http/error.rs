//! The sins, each with its own name.
//!
//! One small enum per concern. A variant stands for one place that detects it, so a log line finds the code. `sin()`
//! is the name for logs, `status()` what the RFC suggests when a *client* committed it; the proxy decides in the end
//! (the same sin of an origin becomes 502). Source: RFC 9110 §15.5 and §15.6, RFC 9112 §2.2, §3, §5, §6, §7.

use std::{error, fmt};

/// Writes an error enum: variants with their status, sin and sentence, then the enums it wraps.
macro_rules! sins {
    (
        $(#[$outer:meta])*
        pub enum $enum:ident {
            $( $(#[$doc:meta])* $variant:ident $( ($payload:ty, $bind:ident) )? = $status:literal, $sin:literal, $text:literal; )+
        }
        wraps { $( $(#[$inner_doc:meta])* $wrapped:ident ( $inner:ty ); )* }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $enum {
            $( $(#[$doc])* $variant $( ($payload) )?, )+
            $( $(#[$inner_doc])* $wrapped($inner), )*
        }

        impl $enum {
            /// The name of the sin in `snake_case`, for logs and metrics.
            #[must_use]
            pub fn sin(&self) -> &'static str {
                match self {
                    $( Self::$variant { .. } => $sin, )+
                    $( Self::$wrapped(inner) => inner.sin(), )*
                }
            }

            /// The status code the RFC suggests for a client that committed it.
            #[must_use]
            pub fn status(&self) -> u16 {
                match self {
                    $( Self::$variant { .. } => $status, )+
                    $( Self::$wrapped(inner) => inner.status(), )*
                }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$variant $( ($bind) )? => write!(f, $text $(, $bind)?), )+
                    $( Self::$wrapped(inner) => fmt::Display::fmt(inner, f), )*
                }
            }
        }

        impl error::Error for $enum {}

        $( impl From<$inner> for $enum {
            fn from(inner: $inner) -> Self {
                Self::$wrapped(inner)
            }
        } )*
    };
}

sins! {
    /// Why a field line, or a whole section of them, is refused. Same in heads and trailers, requests and responses.
    pub enum FieldError {
        /// A CR that is not followed by LF (RFC 9112 §2.2).
        BareCr = 400, "bare_cr", "CR without LF";
        /// A line that ends in LF without CR (RFC 9112 §2.2: allowed to accept, refused here).
        BareLf = 400, "bare_lf", "LF without CR";
        /// A line that continues the one before it (RFC 9112 §5.2).
        ObsFold = 400, "obs_fold", "field line is folded";
        /// White space before the first field line (RFC 9112 §2.2).
        SpaceBeforeField = 400, "space_before_field", "white space before the first field line";
        /// White space between field name and colon (RFC 9112 §5.1).
        SpaceBeforeColon = 400, "space_before_colon", "white space between field name and colon";
        /// A line without a colon.
        NoColon = 400, "no_colon", "field line without a colon";
        /// A colon with nothing before it.
        EmptyName = 400, "empty_name", "field name is empty";
        /// A field name that is no token (RFC 9110 §5.1).
        BadName = 400, "bad_name", "field name is not a token";
        /// NUL in a field value (RFC 9110 §5.5).
        NulInValue = 400, "nul_in_value", "NUL in a field value";
        /// A control octet other than HTAB in a field value (RFC 9110 §5.5).
        ControlInValue = 400, "control_in_value", "control octet in a field value";
        /// More lines than [`Limits::fields_max`](super::Limits::fields_max).
        TooMany(usize, max) = 431, "too_many_fields", "more than {} field lines";
        /// More octets than the section may have.
        TooLarge(usize, max) = 431, "section_too_large", "field section exceeds {} octets";
        /// A connection option that is no token (RFC 9110 §7.6.1).
        BadOption = 400, "bad_connection_option", "connection option is not a token";
        /// More options than [`Limits::connection_options_max`](super::Limits::connection_options_max).
        TooManyOptions(usize, max) = 431, "too_many_connection_options", "more than {} connection options";
    }
    wraps {}
}

sins! {
    /// Why a head is refused.
    pub enum HeadError {
        /// More empty lines before the request line than are skipped.
        LeadingLines(usize, max) = 400, "leading_lines", "more than {} empty lines before the start line";
        /// An empty line before a status line: what is left of the message before is not this message's.
        LeadingLineInResponse = 400, "leading_line_in_response", "empty line before the status line";
        /// Not `method SP request-target SP HTTP-version` (RFC 9112 §3).
        BadRequestLine = 400, "bad_request_line", "request line is malformed";
        /// The method is no token (RFC 9110 §9.1).
        BadMethod = 400, "bad_method", "method is not a token";
        /// The method is longer than any that is implemented (RFC 9112 §3).
        MethodTooLong(usize, max) = 501, "method_too_long", "method exceeds {} octets";
        /// Not `HTTP/` DIGIT `.` DIGIT (RFC 9112 §2.3).
        BadVersion = 400, "bad_version", "HTTP version is malformed";
        /// A version with a major number other than 1.
        UnsupportedVersion = 505, "unsupported_version", "HTTP version is not supported";
        /// Not `HTTP-version SP status-code SP [reason-phrase]` (RFC 9112 §4).
        BadStatusLine = 400, "bad_status_line", "status line is malformed";
        /// Not three digits from 100 up (RFC 9110 §15).
        BadStatus = 400, "bad_status", "status code is not three digits from 100 up";
        /// The head does not fit [`Limits::head_octets_max`](super::Limits::head_octets_max).
        TooLarge(usize, max) = 431, "head_too_large", "head exceeds {} octets";
        /// An HTTP/1.1 request without Host (RFC 9112 §3.2).
        HostMissing = 400, "host_missing", "Host is missing";
        /// Two or more Host lines (RFC 9112 §3.2).
        HostTwice = 400, "host_twice", "more than one Host line";
        /// Host is not `uri-host [ ":" port ]` (RFC 9110 §7.2).
        BadHost = 400, "bad_host", "Host is not a host with an optional port";
        /// A value that is refused although no rule of ours names why.
        Malformed = 400, "malformed_head", "head is malformed";
    }
    wraps {
        /// A field line is at fault.
        Field(FieldError);
        /// The request-target is at fault.
        Target(TargetError);
    }
}

sins! {
    /// Why a request-target is refused.
    pub enum TargetError {
        /// No octet at all.
        Empty = 400, "empty_target", "request-target is empty";
        /// Longer than [`Limits::target_octets_max`](super::Limits::target_octets_max).
        TooLong(usize, max) = 414, "target_too_long", "request-target exceeds {} octets";
        /// White space, a control, `#`, or an octet above 0x7e.
        BadOctet = 400, "bad_target_octet", "octet not allowed in a request-target";
        /// `%` in the path without two HEXDIG after it.
        BadPercent = 400, "bad_percent", "percent sign without two hexadecimal digits in the path";
        /// None of the four forms.
        BadForm = 400, "bad_target_form", "request-target has none of the four forms";
        /// absolute-form with a scheme that is neither `http` nor `https`.
        BadScheme = 400, "bad_scheme", "scheme is neither http nor https";
        /// Not `uri-host [ ":" port ]`.
        BadAuthority = 400, "bad_authority", "authority is not a host with an optional port";
        /// `user@` before the host (RFC 9110 §4.2.4).
        Userinfo = 400, "userinfo", "userinfo in the authority";
        /// `*` with a method other than OPTIONS (RFC 9112 §3.2.4).
        AsteriskNotOptions = 400, "asterisk_not_options", "asterisk-form without OPTIONS";
        /// CONNECT with anything but `host:port` (RFC 9112 §3.2.3).
        ConnectNotAuthority = 400, "connect_not_authority", "CONNECT without host and port";
    }
    wraps {}
}

sins! {
    /// Why the framing of a message is refused.
    pub enum FramingError {
        /// Content-Length together with Transfer-Encoding (RFC 9112 §6.3 rule 3).
        LengthAndCoding = 400, "length_and_coding", "both Content-Length and Transfer-Encoding";
        /// Two Content-Length lines that differ (rule 5).
        UnequalLengths = 400, "unequal_lengths", "Content-Length lines differ";
        /// A list in one Content-Length line (rule 5: may be refused, is refused).
        LengthList = 400, "length_list", "Content-Length is a list";
        /// Not `1*DIGIT`.
        BadLength = 400, "bad_length", "Content-Length is not a number";
        /// More than a signed number of 64 bits holds: some recipients would read another.
        LengthOverflow = 400, "length_overflow", "Content-Length does not fit 63 bits";
        /// More than [`Limits::content_octets_max`](super::Limits::content_octets_max).
        ContentTooLarge(u64, max) = 413, "content_too_large", "content exceeds {} octets";
        /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 §6.1).
        CodingInHttp10 = 400, "coding_in_http10", "Transfer-Encoding in an HTTP/1.0 message";
        /// Transfer-Encoding without any coding.
        NoCoding = 400, "no_coding", "Transfer-Encoding is empty";
        /// `chunked` twice (RFC 9112 §6.1).
        ChunkedTwice = 400, "chunked_twice", "chunked is applied twice";
        /// `chunked` before another coding (rule 4).
        ChunkedNotLast = 400, "chunked_not_last", "chunked is not the last coding";
        /// `chunked` with parameters (RFC 9112 §7.1).
        ChunkedParameter = 400, "chunked_parameter", "chunked has a parameter";
        /// A coding other than `chunked` (RFC 9112 §6.1).
        UnknownCoding = 501, "unknown_coding", "transfer coding is not supported";
    }
    wraps {}
}

sins! {
    /// Why content cannot be decoded, or cannot be written as its framing says.
    pub enum BodyError {
        /// A chunk-size line that does not begin with HEXDIG.
        BadChunkSize = 400, "bad_chunk_size", "chunk size is not hexadecimal";
        /// More than sixteen digits.
        ChunkSizeOverflow = 400, "chunk_size_overflow", "chunk size has more than 16 digits";
        /// White space after the size that no extension follows.
        SpaceAfterChunkSize = 400, "space_after_chunk_size", "white space after the chunk size";
        /// Not `";" name [ "=" value ]`, or a quoted string that the line end cuts (RFC 9112 §7.1.1).
        BadChunkExtension = 400, "bad_chunk_extension", "chunk extension is malformed";
        /// Longer than [`Limits::chunk_line_octets_max`](super::Limits::chunk_line_octets_max).
        ChunkLineTooLong(usize, max) = 400, "chunk_line_too_long", "chunk-size line exceeds {} octets";
        /// More than [`Limits::chunk_overhead_octets_max`](super::Limits::chunk_overhead_octets_max).
        ChunkOverhead(usize, max) = 400, "chunk_overhead", "chunk extensions exceed {} octets beyond the content";
        /// A chunk-size line that ends in LF without CR, or in CR without LF.
        BadChunkLineEnd = 400, "bad_chunk_line_end", "chunk-size line does not end in CRLF";
        /// Chunk data that CRLF does not follow.
        BadChunkDataEnd = 400, "bad_chunk_data_end", "chunk data is not followed by CRLF";
        /// More content than allowed.
        ContentTooLarge(u64, max) = 413, "content_too_large", "content exceeds {} octets";
        /// The connection ended inside the content.
        Truncated = 400, "truncated", "connection ended before the content did";
        /// To write: more content than the length announced.
        TooMuch = 500, "content_beyond_length", "more content than Content-Length announced";
        /// To write: less content than the length announced.
        TooLittle = 500, "content_below_length", "less content than Content-Length announced";
    }
    wraps {
        /// A field line of the trailer section is at fault.
        Trailer(FieldError);
    }
}
