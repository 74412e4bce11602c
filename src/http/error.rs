//! What a message can do wrong: one enum per concern, one variant per exact sin.
//!
//! Statuses are those a *request* with the sin deserves; an origin's response with any sin becomes 502, which only the
//! caller can know. Sources: RFC 9110 §15.5 and §15.6, RFC 9112 §2.2, §3, §5, §6.3, §7.1.

use std::fmt;

/// Writes an enum of sins from its table: doc, variant => name, status, sentence.
macro_rules! sins {
    ($(#[$about:meta])* $kind:ident; $($(#[$doc:meta])* $sin:ident => $name:literal, $status:literal, $says:literal;)+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $kind { $($(#[$doc])* $sin,)+ }

        impl $kind {
            /// Every sin of this kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$sin,)+];

            /// The name for logs and metrics, in snake case.
            #[must_use]
            pub fn sin(&self) -> &'static str {
                match self { $(Self::$sin => $name,)+ }
            }

            /// The status a request with this sin deserves. In a response every sin is a 502.
            #[must_use]
            pub fn status(&self) -> u16 {
                match self { $(Self::$sin => $status,)+ }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$sin => $says,)+ })
            }
        }

        impl std::error::Error for $kind {}
    };
}

sins! {
    /// Sins of a head: start line, target, field lines, Host.
    HeadError;
    /// RFC 9112 §3: the head is larger than its limit.
    HeadTooLarge => "head_too_large", 431, "head exceeds the limit of octets";
    /// More field lines than the limit.
    TooManyFields => "too_many_fields", 431, "head exceeds the limit of field lines";
    /// The `Connection` values are longer than their limit.
    ConnectionTooLong => "connection_too_long", 431, "connection options exceed the limit of octets";
    /// RFC 9112 §3: the request-target is longer than its limit.
    TargetTooLong => "target_too_long", 414, "request-target exceeds the limit of octets";
    /// RFC 9112 §2.2: more than two empty lines before the request line, or any before a status line.
    EmptyLinesFirst => "empty_lines_first", 400, "too many empty lines before the start line";
    /// RFC 9112 §2.2: LF without CR before it.
    BareLf => "bare_lf", 400, "line ends in a bare LF";
    /// RFC 9112 §2.2: CR without LF after it.
    BareCr => "bare_cr", 400, "CR is not followed by LF";
    /// RFC 9112 §3.1: the method is not a token.
    BadMethod => "bad_method", 400, "method is not a token";
    /// RFC 9112 §3.2: the target is none of the four forms.
    BadTarget => "bad_target", 400, "request-target has none of the four forms";
    /// RFC 9112 §3.2.3: authority-form, or CONNECT with another form.
    TargetNotForMethod => "target_not_for_method", 400, "form of the request-target does not fit the method";
    /// RFC 9112 §3.2.2, RFC 9110 §4.2.4: the authority in an absolute target is not `uri-host [":" port]`.
    BadAuthority => "bad_authority", 400, "authority of the request-target is malformed";
    /// RFC 9112 §3: no version after the target.
    MissingVersion => "missing_version", 400, "start line has no version";
    /// RFC 9112 §2.3: not `HTTP/` DIGIT `.` DIGIT.
    BadVersion => "bad_version", 400, "version is malformed";
    /// RFC 9110 §15.6.6: a version other than 1.0 and 1.1.
    UnsupportedVersion => "unsupported_version", 505, "version is neither 1.0 nor 1.1";
    /// RFC 9112 §4: the status is not three digits from 100 on.
    BadStatus => "bad_status", 400, "status code is malformed";
    /// RFC 9112 §4: a control in the reason phrase.
    BadReason => "bad_reason", 400, "reason phrase has a control";
    /// RFC 9112 §5.2: a line begins with whitespace.
    ObsFold => "obs_fold", 400, "field line is folded";
    /// RFC 9112 §5.1: whitespace within the name or between it and the colon.
    WhitespaceBeforeColon => "whitespace_before_colon", 400, "whitespace before the colon";
    /// RFC 9112 §5: a line begins with its colon.
    EmptyFieldName => "empty_field_name", 400, "field name is empty";
    /// RFC 9110 §5.1: a name is not a token.
    BadFieldName => "bad_field_name", 400, "field name is not a token";
    /// RFC 9112 §5: a line without a colon.
    MissingColon => "missing_colon", 400, "field line has no colon";
    /// RFC 9110 §5.5: NUL in a value.
    NulInValue => "nul_in_value", 400, "field value has a NUL";
    /// RFC 9110 §5.5: another control in a value.
    ControlInValue => "control_in_value", 400, "field value has a control";
    /// RFC 9112 §3.2: HTTP/1.1 without Host.
    MissingHost => "missing_host", 400, "no Host field";
    /// RFC 9112 §3.2: more than one Host line.
    DoubleHost => "double_host", 400, "more than one Host field";
    /// RFC 9112 §3.2: Host is not `uri-host [":" port]`.
    BadHost => "bad_host", 400, "Host is malformed";
    /// Refused by the grammar, no nearer name.
    Malformed => "malformed", 400, "head is malformed";
}

sins! {
    /// Sins of the fields that delimit content.
    FramingError;
    /// RFC 9112 §6.1: Content-Length and Transfer-Encoding together.
    LengthAndCoding => "length_and_coding", 400, "both content-length and transfer-encoding";
    /// RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0.
    CodingInHttp10 => "coding_in_http10", 400, "transfer-encoding in http/1.0";
    /// RFC 9112 §6.1: a coding other than chunked.
    UnknownCoding => "unknown_coding", 501, "transfer coding is not implemented";
    /// RFC 9112 §6.3 rule 4: chunked is not the final coding.
    ChunkedNotLast => "chunked_not_last", 400, "chunked is not the final transfer coding";
    /// RFC 9112 §7.1: chunked is applied twice.
    ChunkedTwice => "chunked_twice", 400, "chunked is applied twice";
    /// A Transfer-Encoding field without a coding.
    EmptyCoding => "empty_coding", 400, "transfer-encoding names no coding";
    /// RFC 9110 §8.6: a length with a sign.
    LengthSigned => "length_signed", 400, "content-length has a sign";
    /// RFC 9110 §8.6: a list of lengths in one line.
    LengthList => "length_list", 400, "content-length is a list";
    /// RFC 9112 §6.3 rule 5: two lines that differ.
    LengthsDiffer => "lengths_differ", 400, "content-length lines differ";
    /// A Content-Length field without a value.
    LengthEmpty => "length_empty", 400, "content-length is empty";
    /// RFC 9110 §8.6: not digits.
    LengthNotDigits => "length_not_digits", 400, "content-length is not digits";
    /// RFC 9110 §8.6: more than 64 bits.
    LengthOverflow => "length_overflow", 400, "content-length exceeds 64 bits";
}

sins! {
    /// Sins of a body, in either direction.
    BodyError;
    /// RFC 9110 §15.5.14: the content is larger than its limit.
    ContentTooLarge => "content_too_large", 413, "content exceeds the limit of octets";
    /// RFC 9112 §7.1: the chunk size does not begin with a HEXDIG.
    ChunkSizeMissing => "chunk_size_missing", 400, "chunk line has no size";
    /// RFC 9112 §7.1: something other than HEXDIG in or after the size.
    ChunkSizeInvalid => "chunk_size_invalid", 400, "chunk size is not hexadecimal digits";
    /// RFC 9112 §7.1: the size exceeds 64 bits.
    ChunkSizeOverflow => "chunk_size_overflow", 400, "chunk size exceeds 64 bits";
    /// RFC 9112 §7.1.1: a control in an extension.
    ChunkExtensionInvalid => "chunk_extension_invalid", 400, "chunk extension has a control";
    /// The chunk line is longer than its limit.
    ChunkLineTooLong => "chunk_line_too_long", 400, "chunk line exceeds the limit of octets";
    /// Much more framing than data.
    ChunkOverhead => "chunk_overhead", 400, "chunk lines outweigh their data";
    /// RFC 9112 §2.2: a chunk line that ends in a bare LF.
    ChunkBareLf => "chunk_bare_lf", 400, "chunk line ends in a bare LF";
    /// RFC 9112 §2.2: CR in a chunk line without LF after it.
    ChunkBareCr => "chunk_bare_cr", 400, "CR in a chunk line is not followed by LF";
    /// RFC 9112 §7.1: chunk data is not followed by CRLF.
    ChunkDataNotEnded => "chunk_data_not_ended", 400, "chunk data is not followed by CRLF";
    /// The trailer section is larger than its limit.
    TrailerTooLarge => "trailer_too_large", 431, "trailer section exceeds the limit of octets";
    /// More trailer lines than the limit.
    TooManyTrailers => "too_many_trailers", 431, "trailer section exceeds the limit of field lines";
    /// RFC 9112 §7.1.2: a trailer line that is no field line.
    TrailerInvalid => "trailer_invalid", 400, "trailer section is malformed";
    /// RFC 9112 §8: the connection ended before the length.
    LengthCutShort => "length_cut_short", 400, "connection ended before the content's length";
    /// RFC 9112 §8: the connection ended before the last chunk.
    ChunkedCutShort => "chunked_cut_short", 400, "connection ended before the last chunk";
    /// Fewer octets written than the head announced.
    WrittenShort => "written_short", 502, "less content was written than announced";
    /// More octets written than the head announced.
    WrittenLong => "written_long", 502, "more content was written than announced";
}
