//! The eight properties of the codec. A failure prints a seed that replays.

use crate::http::forward::request as forward;
use crate::http::{
    Decoder, Encoder, Fields, Forwarding, Framed, Framing, HeadError, Limits, Name, Parsed,
    RequestHead, ResponseHead, TargetError, request_framing, write_request,
};
use proptest::prelude::*;

/// Decodes over given cuts; the content, what was consumed, and how it ended.
fn decode(
    framed: &Framed,
    input: &[u8],
    cuts: &[usize],
) -> (Vec<u8>, usize, Option<&'static str>, usize) {
    let mut decoder = Decoder::new(framed, &Limits::default());
    let (mut data, mut position, mut turns, mut sizes) = (Vec::new(), 0, 0, cuts.iter().cycle());
    while position < input.len() && !decoder.is_done() {
        let size = sizes.next().copied().unwrap_or(usize::MAX).max(1);
        let end = position.saturating_add(size).min(input.len());
        let mut piece = &input[position..end];
        while !piece.is_empty() && !decoder.is_done() {
            turns += 1;
            match decoder.decode(piece) {
                Ok(decoded) => {
                    data.extend_from_slice(decoded.data);
                    position += decoded.consumed;
                    piece = &piece[decoded.consumed..];
                    if decoded.consumed == 0 {
                        return (data, position, Some("stuck"), turns);
                    }
                }
                Err(error) => return (data, position, Some(error.sin()), turns),
            }
        }
    }
    let end = decoder.finish_eof().err().map(|error| error.sin());
    (data, position, end, turns)
}

/// Chunked content as a transcription of RFC 9112 §7.1.3: the oracle. None: not well formed, or cut.
fn oracle(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut data, mut position) = (Vec::new(), 0);
    loop {
        let line_octets = input[position..]
            .windows(2)
            .position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&input[position..position + line_octets]).ok()?;
        position += line_octets + 2;
        let size = line.split(';').next()?;
        let has_sign = size.starts_with(['+', '-']);
        let size = usize::from_str_radix(size.trim_end_matches([' ', '\t']), 16)
            .ok()
            .filter(|_| !has_sign)?;
        let mut extensions = line.split(';').skip(1);
        if (!line.contains(';') && line.ends_with([' ', '\t'])) || !extensions.all(is_extension) {
            return None;
        }
        if size == 0 {
            return input[position..]
                .starts_with(b"\r\n")
                .then_some((data, position + 2));
        }
        data.extend_from_slice(input.get(position..position + size)?);
        position += size;
        input[position..].starts_with(b"\r\n").then_some(())?;
        position += 2;
    }
}

/// Whether an extension that has no value is a name, as far as the parts below go.
fn is_extension(text: &str) -> bool {
    let name = text.trim_start_matches([' ', '\t']);
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'+';
    !name.is_empty() && name.bytes().all(is_name)
}

/// Encodes `pieces` in chunks.
fn encode(pieces: &[Vec<u8>]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(&Framed::chunked()), Vec::new());
    for piece in pieces {
        out.extend_from_slice(&encoder.chunk_head(piece.len()).unwrap());
        out.extend_from_slice(piece);
        out.extend_from_slice(encoder.chunk_tail(piece.len()));
    }
    encoder.finish(None, &mut out).unwrap();
    out
}

/// Fields that matter, with values that hurt.
fn hostile_lines() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "Connection",
        "connection",
        "Content-Length",
        "Transfer-Encoding",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "X-A",
        "x-b",
        "Proxy-Authorization",
        "X-Forwarded-For",
        "Via",
        "Trailer",
        "Forwarded",
        "Expect",
        "Max-Forwards",
    ]);
    let value = prop::sample::select(vec![
        "",
        "5",
        "5, 5",
        "+5",
        "chunked",
        "gzip, chunked",
        "x-a",
        "X-B, close",
        "keep-alive",
        "upgrade",
        "websocket",
        "host, content-length",
        "trailers",
        "\"a, b\"",
        "a,,b",
        ", x-a ,",
        "100-continue",
    ]);
    prop::collection::vec((name, value), 0..8).prop_map(|lines| {
        // A connection option is a token: with a quote the head would not parse.
        let is_odd = |name: &str, value: &str| {
            name.eq_ignore_ascii_case("connection") && value.contains('"')
        };
        lines
            .iter()
            .filter(|(name, value)| !is_odd(name, value))
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect()
    })
}

/// A request head that parses, from hostile lines.
fn head_of(lines: &str, version: &str) -> RequestHead {
    let octets = format!("POST /a?b HTTP/{version}\r\nHost: h\r\n{lines}\r\n");
    let mut head = RequestHead::new();
    assert_eq!(
        head.parse(octets.as_bytes(), &Limits::default()),
        Ok(Parsed::Complete(octets.len()))
    );
    head
}

/// Octets that look like chunks more often than not.
fn almost_chunked() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "1\r\n",
        "a\r\n",
        "\r\n",
        "0\r\n\r\n",
        "3;x\r\n",
        "abc",
        "2 ;y\r\n",
        "g",
        "\n",
        "\r",
        "+",
        "F",
        "0",
        " ",
        ";",
    ]);
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat().into_bytes())
}

/// Heads that are right, wrong or long, for limits that are small.
fn heads_of_all_kinds() -> impl Strategy<Value = Vec<u8>> {
    let select = |of: &[&'static str]| prop::sample::select(of.to_vec());
    let word = select(&[
        "GET",
        "%%%%%%%%%%",
        "HTTP/1.1",
        "HTTP/1.7",
        "HTTP/1.[",
        "HTTP/2",
        "HTTP/1",
        "200",
        "2",
        "",
        "\0",
        "\u{e4}",
        "0123456789abcdef0",
        "http://b/",
        "/a",
    ]);
    let gap = select(&[" ", " ", " ", " ", "", "\t", "\r"]);
    let end = select(&["\r\n", "\r\n", "\r\n", "\n", "\r", ""]);
    let line = (
        word.clone(),
        gap.clone(),
        word.clone(),
        gap,
        word,
        end.clone(),
    );
    let line = line.prop_map(|(a, b, c, d, e, end)| [a, b, c, d, e, end].concat());
    let start = prop_oneof![
        line,
        select(&["GET / HTTP/1.1\r\n", "HTTP/1.1 200 \r\n"]).prop_map(str::to_owned)
    ];
    let part = select(&["Host", ":", " ", "h", "h", "\0", "\r", "0123456789abcdef"]);
    let field = (prop::collection::vec(part, 0..5), end.clone());
    let field = field.prop_map(|(parts, end)| parts.concat() + end);
    (
        prop::collection::vec(end, 0..3),
        start,
        prop::collection::vec(field, 0..6),
    )
        .prop_map(|(before, start, fields)| {
            [before.concat(), start, fields.concat()]
                .concat()
                .into_bytes()
        })
}

proptest! {
    /// 1, for heads that are none: what is refused stays refused, whatever comes behind it.
    #[test]
    fn what_is_refused_stays_refused(octets in heads_of_all_kinds()) {
        let limits = Limits {
            head_octets_max: 96,
            fields_max: 3,
            method_octets_max: 8,
            target_octets_max: 16,
            leading_lines_max: 2,
            ..Limits::default()
        };
        let (mut request, mut response) = (None, None);
        for count in 0..=octets.len() {
            let here = &octets[..count];
            for (refused, parsed) in [
                (&mut request, RequestHead::new().parse(here, &limits)),
                (&mut response, ResponseHead::new().parse(here, &limits)),
            ] {
                if let Some((before, sin)) = refused {
                    prop_assert!(parsed.is_err(), "{:?} at {} octets, then {:?} at {}", sin, before, parsed, count);
                    if let HeadError::MethodTooLong(_) | HeadError::Target(TargetError::TooLong(_)) = sin {
                        prop_assert_eq!(parsed.as_ref().err(), Some(&*sin));
                    }
                }
                *refused = parsed.err().map(|error| (count, error));
            }
        }
    }

    /// 1, for heads: a cut head is Partial until whole, or refused as the whole is.
    #[test]
    fn a_cut_head_gives_the_same_as_the_whole(lines in hostile_lines()) {
        let octets = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        let mut head = RequestHead::new();
        for count in 0..octets.len() {
            prop_assert_eq!(head.parse(&octets.as_bytes()[..count], &Limits::default()), Ok(Parsed::Partial));
        }
        prop_assert_eq!(head.parse(octets.as_bytes(), &Limits::default()), Ok(Parsed::Complete(octets.len())));
    }

    /// 1, for content: any cutting gives the same content, end and sin.
    #[test]
    fn cuts_do_not_matter(input in almost_chunked(), cuts in prop::collection::vec(1_usize..9, 1..5)) {
        let whole = decode(&Framed::chunked(), &input, &[]);
        let cut = decode(&Framed::chunked(), &input, &cuts);
        prop_assert_eq!((&whole.0, whole.2), (&cut.0, cut.2));
        if whole.2.is_none() {
            prop_assert_eq!(whole.1, cut.1);
        }
    }

    /// 2: what is encoded is decoded again, in whatever pieces.
    #[test]
    fn encoding_is_undone_by_decoding(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        cuts in prop::collection::vec(1_usize..20, 1..5),
    ) {
        let wire = encode(&pieces);
        let (data, consumed, end, _) = decode(&Framed::chunked(), &wire, &cuts);
        prop_assert_eq!((data, consumed, end), (pieces.concat(), wire.len(), None));
    }

    /// 3: a head that was written once is written the same again.
    #[test]
    fn writing_is_stable(lines in hostile_lines()) {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        write_request(&head_of(&lines, "1.1"), &Framed::none(), &mut once);
        let mut head = RequestHead::new();
        prop_assert_eq!(head.parse(&once, &Limits::default()), Ok(Parsed::Complete(once.len())));
        write_request(&head, &Framed::none(), &mut twice);
        prop_assert_eq!(once, twice);
    }

    /// 4: one framing or an error, and for requests never until close.
    #[test]
    fn a_request_has_one_framing(lines in hostile_lines(), version in prop::sample::select(vec!["1.0", "1.1"])) {
        let head = head_of(&lines, version);
        if let Ok(framed) = request_framing(&head, &Limits::default()) {
            prop_assert_ne!(framed.framing(), Framing::UntilClose);
            let has = |name| head.fields().has(name);
            prop_assert!(!(has(Name::ContentLength) && has(Name::TransferEncoding)));
        }
    }

    /// 5: what follows a message is never consumed.
    #[test]
    fn nothing_beyond_the_end_is_consumed(
        piece in prop::collection::vec(any::<u8>(), 0..40),
        after in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(1_usize..20, 1..5),
    ) {
        let length = piece.len();
        for (framed, wire) in [(Framed::chunked(), encode(std::slice::from_ref(&piece))), (Framed::length(length as u64), piece)] {
            let input = [wire.as_slice(), &after].concat();
            prop_assert_eq!(decode(&framed, &input, &cuts).1, wire.len());
        }
    }

    /// 6: after forwarding nothing of the hop before is left, and at most one framing field is written.
    #[test]
    fn forwarding_is_clean(lines in hostile_lines()) {
        let (head, mut out) = (head_of(&lines, "1.1"), RequestHead::new());
        forward(&head, &mut out, &Forwarding::default()).unwrap();
        for name in [
            Name::Connection, Name::KeepAlive, Name::ProxyAuthorization, Name::ProxyConnection, Name::TransferEncoding,
            Name::ContentLength,
        ] {
            prop_assert!(!out.fields().has(name), "{:?}", name);
        }
        for (name, _) in out.fields().iter().filter(|(name, _)| Name::of(name) == Name::Other) {
            prop_assert!(!head.fields().contains_token("Connection", name));
        }
        prop_assert_eq!(out.fields().all(Name::Host).count(), 1);
        if let Ok(framed) = request_framing(&head, &Limits::default()) {
            let mut wire = Vec::new();
            write_request(&out, &framed, &mut wire);
            let mut read = RequestHead::new();
            prop_assert_eq!(read.parse(&wire, &Limits::default()), Ok(Parsed::Complete(wire.len())));
            let count = |name| read.fields().all(name).count();
            prop_assert!(count(Name::ContentLength) + count(Name::TransferEncoding) <= 1);
            prop_assert_eq!(request_framing(&read, &Limits::default()).unwrap().framing(), framed.framing());
        }
    }

    /// 7: chunks mean what the transcription of the RFC says they mean.
    #[test]
    fn chunks_agree_with_the_oracle(input in almost_chunked()) {
        let (data, consumed, end, _) = decode(&Framed::chunked(), &input, &[]);
        match oracle(&input) {
            Some(expected) => prop_assert_eq!(((data, consumed), end), (expected, None)),
            None => prop_assert!(end.is_some()),
        }
    }

    /// 8: no octets panic, and the work is linear in them.
    #[test]
    fn arbitrary_octets_do_no_harm(input in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = RequestHead::new().parse(&input, &Limits::default());
        let _ = ResponseHead::new().parse(&input, &Limits::default());
        let (_, _, end, turns) = decode(&Framed::chunked(), &input, &[1]);
        prop_assert!(turns <= input.len() + 1 && end != Some("stuck"));
        let mut fields = Fields::new();
        let _ = fields.push(&input, &input);
        crate::http::normalise_path(&input, &mut Vec::new());
    }

    /// 8 again, with heads that are nearly right: what parses is what the writer writes.
    #[test]
    fn nearly_right_heads_do_no_harm(
        mut octets in hostile_lines().prop_map(|lines| format!("GET /a HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes()),
        place in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let place = place.index(octets.len());
        octets[place] = octet;
        let mut head = RequestHead::new();
        if let Ok(Parsed::Complete(consumed)) = head.parse(&octets, &Limits::default()) {
            prop_assert!(!crate::http::diagnose::has_loose_line_end(&octets[..consumed]));
            let mut wire = Vec::new();
            write_request(&head, &Framed::none(), &mut wire);
            prop_assert!(!crate::http::diagnose::has_loose_line_end(&wire) && !wire.contains(&0));
        }
    }
}
