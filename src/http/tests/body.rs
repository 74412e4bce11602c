//! Decoding and encoding content, over every cut.

use super::{text, with_fields};
use crate::http::{BodyError, Decoder, Encoder, Fields, Framed, Limits, Version, request_framing};

/// What a decoder made of some input.
#[derive(Debug, PartialEq)]
struct Outcome {
    data: String,
    trailers: String,
    left_over: usize,
    end: String,
}

/// Decodes pieces of at most `step` octets.
fn decode(framed: &Framed, limits: &Limits, input: &[u8], step: usize) -> Outcome {
    let mut decoder = Decoder::new(framed, limits);
    let (mut data, mut position, mut end) = (Vec::new(), 0, None);
    while position < input.len() && !decoder.is_done() && end.is_none() {
        let piece = &input[position..input.len().min(position + step)];
        match decoder.decode(piece) {
            Ok(decoded) => {
                assert!(decoded.consumed > 0, "no progress at {position}");
                data.extend_from_slice(decoded.data);
                position += decoded.consumed;
            }
            Err(error) => end = Some(error),
        }
    }
    let end = end.or_else(|| decoder.finish_eof().err());
    let trailers = decoder
        .trailers()
        .map_or(String::new(), |fields| format!("{fields:?}"));
    let end = end.map_or_else(|| "done".to_owned(), |error| error.sin().to_owned());
    Outcome {
        data: text(&data),
        trailers,
        left_over: input.len() - position,
        end,
    }
}

fn check_chunked(input: &str, data: &str, end: &str) {
    let limits = Limits {
        content_octets_max: 100,
        ..Limits::default()
    };
    let framed = request_framing(&with_fields("Transfer-Encoding: chunked\r\n"), &limits).unwrap();
    for step in 1..=input.len().max(1) {
        let outcome = decode(&framed, &limits, input.as_bytes(), step);
        assert_eq!(
            (outcome.data.as_str(), outcome.end.as_str()),
            (data, end),
            "{input:?} by {step}"
        );
    }
}

#[test]
fn chunks_are_exact() {
    check_chunked("0\r\n\r\n", "", "done");
    check_chunked("5\r\nhello\r\n0\r\n\r\n", "hello", "done");
    check_chunked("1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "ab", "done");
    check_chunked("A\r\n0123456789\r\n000\r\n\r\n", "0123456789", "done");
    check_chunked("0000000000000001\r\na\r\n0\r\n\r\n", "a", "done");
    check_chunked("1;a=b;c=\"d\"\r\na\r\n0;x\r\n\r\n", "a", "done");
    check_chunked("1 \t;a\r\na\r\n0\r\n\r\n", "a", "done");
    check_chunked("00000000000000001\r\na", "", "chunk_size_overflow");
    check_chunked("FFFFFFFFFFFFFFFFF\r\n", "", "chunk_size_overflow");
    check_chunked("\r\n", "", "bad_chunk_size");
    check_chunked("+1\r\na\r\n", "", "bad_chunk_size");
    check_chunked("-1\r\na\r\n", "", "bad_chunk_size");
    check_chunked("0x1\r\na\r\n", "", "bad_chunk_size");
    check_chunked(" 1\r\na\r\n", "", "bad_chunk_size");
    check_chunked("1_0\r\na\r\n", "", "bad_chunk_size");
    check_chunked(";a\r\n", "", "bad_chunk_size");
    check_chunked("1 \r\na\r\n", "", "space_after_chunk_size");
    check_chunked("1 1\r\na\r\n", "", "space_after_chunk_size");
    check_chunked("1\na\r\n", "", "bad_chunk_line_end");
    check_chunked("1\r\r\na\r\n", "", "bad_chunk_line_end");
    check_chunked("1;\na\r\n", "", "bad_chunk_line_end");
    check_chunked("1;a\0b\r\na\r\n", "", "bad_chunk_extension");
    check_chunked("1\r\na\n0\r\n\r\n", "a", "bad_chunk_data_end");
    check_chunked("1\r\nab\r\n", "a", "bad_chunk_data_end");
    check_chunked("1\r\na\r\r\n", "a", "bad_chunk_data_end");
    check_chunked("0\r\n\n", "", "bare_lf");
    check_chunked("0\r\n\rA", "", "bare_cr");
    check_chunked("65\r\na", "", "content_too_large");
    check_chunked("5\r\nhel", "hel", "truncated");
    check_chunked("5\r\nhello\r\n0\r\n", "hello", "truncated");
    check_chunked("", "", "truncated");
}

#[test]
fn extensions_are_held_to_their_grammar() {
    for good in [
        ";a",
        ";a=b",
        ";a=\"b\"",
        " ; a = b\t; c",
        ";a=\"\\\"\\\\;,\tb\";c=d",
        ";a=\"\"",
    ] {
        check_chunked(&format!("1{good}\r\na\r\n0{good}\r\n\r\n"), "a", "done");
    }
    for bad in [
        ";",
        ";;a",
        ";=b",
        ";a=",
        ";a=;b",
        ";a ",
        ";a=b ",
        ";a b",
        ";a=b c",
        ";a=\"b",
        ";a=\"b\\\"",
        ";a=\"b\"c",
        ";a=b\"c\"",
        ";\"a\"",
        ";a=\"b\r",
        ";a\r",
    ] {
        let input = format!("1{bad}\r\na\r\n0\r\n\r\n");
        let end = if bad == ";a\r" {
            "bad_chunk_line_end"
        } else {
            "bad_chunk_extension"
        };
        check_chunked(&input, "", end);
    }
}

#[test]
fn trailers_are_held_to_the_rules_of_fields() {
    let check = |section: &str, trailers: &str, end: &str| {
        let input = format!("1\r\na\r\n0\r\n{section}NEXT");
        for step in 1..=input.len() {
            let outcome = decode(
                &Framed::chunked(),
                &Limits::default(),
                input.as_bytes(),
                step,
            );
            assert_eq!(
                (outcome.trailers.as_str(), outcome.end.as_str()),
                (trailers, end),
                "{section:?} by {step}"
            );
            assert!(
                end != "done" || outcome.left_over == 4,
                "{section:?} by {step}"
            );
        }
    };
    check("\r\n", "", "done");
    check("A: b\r\n\r\n", r#"{"A": "b"}"#, "done");
    check("A: b\r\nC:  d \r\n\r\n", r#"{"A": "b", "C": "d"}"#, "done");
    check("A: b\n\r\n\r\n", "", "bare_lf");
    check("A: b\r\n c\r\n\r\n", "", "obs_fold");
    check("A : b\r\n\r\n", "", "space_before_colon");
    check("A\r\n\r\n", "", "no_colon");
    check(" A: b\r\n\r\n", "", "space_before_field");
    check(": b\r\n\r\n", "", "empty_name");
    check("A: b\0\r\n\r\n", "", "nul_in_value");
    check(
        &format!("A: {}\r\n\r\n", "x".repeat(9000)),
        "",
        "section_too_large",
    );
}

#[test]
fn extensions_are_bounded_but_small_chunks_are_not() {
    let limits = Limits::default();
    let end = |input: &str| decode(&Framed::chunked(), &limits, input.as_bytes(), 4096).end;
    let long = format!("1;{}\r\n", "a".repeat(1024));
    assert_eq!(end(&long), "chunk_line_too_long");
    let greedy = format!("1;{}\r\na\r\n", "a".repeat(100)).repeat(1000) + "0\r\n\r\n";
    assert_eq!(end(&greedy), "chunk_overhead");
    let small = "1\r\na\r\n".repeat(100_000) + "0\r\n\r\n";
    assert_eq!(end(&small), "done");
    let signed =
        format!("1000;{}\r\n{}\r\n", "s".repeat(85), "a".repeat(4096)).repeat(1000) + "0\r\n\r\n";
    assert_eq!(end(&signed), "done");
}

#[test]
fn what_follows_a_message_is_not_touched() {
    let check = |framed: Framed, input: &str, left_over: usize| {
        for step in 1..=input.len() {
            let outcome = decode(&framed, &Limits::default(), input.as_bytes(), step);
            assert_eq!(
                (outcome.left_over, outcome.end.as_str()),
                (left_over, "done"),
                "{input:?} by {step}"
            );
        }
    };
    check(Framed::none(), "GET /", 5);
    check(Framed::length(3), "abcGET /", 5);
    check(Framed::chunked(), "3\r\nabc\r\n0\r\n\r\nGET /", 5);
}

#[test]
fn the_end_is_known_with_the_last_octet() {
    let mut decoder = Decoder::new(&Framed::chunked(), &Limits::default());
    let input = b"3\r\nabc\r\n0\r\n\r\n";
    let decoded = decoder.decode(input).unwrap();
    assert_eq!(
        (decoded.consumed, decoded.data, decoder.is_done()),
        (input.len(), &b"abc"[..], true)
    );
    assert_eq!(decoder.decode(b"more").unwrap().consumed, 0);
}

#[test]
fn an_error_behind_content_comes_after_it_and_stays() {
    let mut decoder = Decoder::new(&Framed::chunked(), &Limits::default());
    let decoded = decoder.decode(b"1\r\naX").unwrap();
    assert_eq!(decoded.data, b"a");
    for _ in 0..2 {
        assert_eq!(decoder.decode(b"X"), Err(BodyError::BadChunkDataEnd));
    }
    assert_eq!(decoder.finish_eof(), Err(BodyError::BadChunkDataEnd));
}

#[test]
fn lengths_and_closes_end_as_they_should() {
    let mut decoder = Decoder::new(&Framed::length(5), &Limits::default());
    assert_eq!(decoder.decode(b"abc").unwrap().data, b"abc");
    assert_eq!(
        (decoder.remaining(), decoder.finish_eof()),
        (Some(2), Err(BodyError::Truncated))
    );
    let mut decoder = Decoder::new(
        &Framed::chunked().recode(Version::Http10),
        &Limits::default(),
    );
    assert_eq!(decoder.decode(b"abc").unwrap().data, b"abc");
    assert!(!decoder.is_done() && decoder.remaining().is_none());
    assert_eq!(decoder.finish_eof(), Ok(()));
    assert!(decoder.is_done());
}

#[test]
fn the_encoder_frames_pieces() {
    let mut encoder = Encoder::new(&Framed::chunked());
    let mut out = Vec::new();
    for piece in ["hello", "", "0123456789abcdef0"] {
        out.extend_from_slice(&encoder.chunk_head(piece.len()).unwrap());
        out.extend_from_slice(piece.as_bytes());
        out.extend_from_slice(encoder.chunk_tail(piece.len()));
    }
    encoder.finish(None, &mut out).unwrap();
    assert_eq!(
        text(&out),
        "5\\r\\nhello\\r\\n11\\r\\n0123456789abcdef0\\r\\n0\\r\\n\\r\\n"
    );
    assert_eq!(
        &*encoder.chunk_head(usize::MAX).unwrap(),
        b"ffffffffffffffff\r\n"
    );
    assert_eq!(&*encoder.chunk_head(16).unwrap(), b"10\r\n");
}

#[test]
fn the_encoder_keeps_the_length() {
    let mut encoder = Encoder::new(&Framed::length(5));
    assert!(encoder.chunk_head(3).unwrap().is_empty());
    assert_eq!(
        encoder.finish(None, &mut Vec::new()),
        Err(BodyError::TooLittle)
    );
    assert_eq!(encoder.chunk_head(3), Err(BodyError::TooMuch));
    assert!(encoder.chunk_head(2).is_ok());
    assert_eq!(
        (encoder.chunk_tail(2), encoder.finish(None, &mut Vec::new())),
        (&b""[..], Ok(()))
    );
}

#[test]
fn trailers_that_fool_are_left_out() {
    let mut trailers = Fields::new();
    for name in [
        "X-Sum",
        "Content-Length",
        "Host",
        "Set-Cookie",
        "content-md5",
        "Via",
        "Grpc-Status",
        "Transfer-Encoding",
    ] {
        trailers.push(name, "1").unwrap();
    }
    let mut out = Vec::new();
    Encoder::new(&Framed::chunked())
        .finish(Some(&trailers), &mut out)
        .unwrap();
    assert_eq!(
        text(&out),
        "0\\r\\nX-Sum: 1\\r\\nGrpc-Status: 1\\r\\n\\r\\n"
    );
    out.clear();
    Encoder::new(&Framed::length(0))
        .finish(Some(&trailers), &mut out)
        .unwrap();
    assert!(out.is_empty());
}
