use proptest::prelude::*;

use super::{Hello, OCTETS_MAX, Parsed, Sin, parse};

fn vector16(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes(), content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(content)].concat()
}

fn named(name: &[u8]) -> Vec<u8> {
    extension(0, &vector16(&[&[0][..], &vector16(name)].concat()))
}

/// The handshake message, with these extensions.
fn message(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[4, 1, 2, 3, 4]);
    body.extend_from_slice(&vector16(&[0x13, 1, 0x13, 2]));
    body.extend_from_slice(&[1, 0]);
    body.extend_from_slice(&vector16(extensions));
    let mut message = vec![1];
    message.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    message.extend_from_slice(&body);
    message
}

/// `message` in records of at most so many octets.
fn records(message: &[u8], octets: usize) -> Vec<u8> {
    let fragments = message.chunks(octets);
    fragments
        .flat_map(|fragment| [&[22, 3, 1][..], &vector16(fragment)].concat())
        .collect()
}

fn name_in(octets: &[u8]) -> Result<Option<String>, Sin> {
    match parse(octets)? {
        Parsed::Complete(Hello { server_name }) => Ok(server_name),
        Parsed::Partial => panic!("not whole"),
    }
}

fn of(extensions: &[u8]) -> Result<Option<String>, Sin> {
    name_in(&records(&message(extensions), 16_384))
}

#[test]
fn the_name_is_found_among_the_extensions() {
    let others = [extension(16, b"\0\x03\x02h2"), extension(0x0a0a, b"")].concat();
    let all = [
        &others[..],
        &named(b"A.Example"),
        &extension(43, b"\x02\x03\x04"),
    ]
    .concat();
    assert_eq!(of(&all), Ok(Some("a.example".to_owned())));
    assert_eq!(of(&named(b"a.example.")), Ok(Some("a.example".to_owned())));
    assert_eq!(
        of(&named(b"_x-1.example")),
        Ok(Some("_x-1.example".to_owned()))
    );
    assert_eq!(of(&others), Ok(None));
    assert_eq!(of(b""), Ok(None));
    // None at all, as SSL 3 had it.
    let mut old = message(b"");
    old.truncate(old.len() - 2);
    let length = old.len() as u32 - 4;
    old[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    assert_eq!(name_in(&records(&old, 100)), Ok(None));
}

#[test]
fn what_breaks_the_grammar_is_malformed() {
    let twice = [named(b"a"), named(b"b")].concat();
    let long = [b'a'; 256];
    for extensions in [
        named(b""),
        named(b"."),
        named(b"a b"),
        named(b"a\0b"),
        named("ä".as_bytes()),
        named(&long),
        twice,
        extension(0, b""),
        extension(0, &vector16(b"")),
        extension(0, &vector16(b"\x01\0\x01a")),
        extension(0, &[&vector16(b"\0\0\x01a")[..], b"x"].concat()),
        extension(0, &vector16(b"\0\0\x01a\0\0\x01b")),
        b"\0".to_vec(),
        b"\0\0\0\x09abc".to_vec(),
    ] {
        assert_eq!(of(&extensions), Err(Sin::Malformed), "{extensions:?}");
    }
    let mut behind = message(b"");
    behind.push(0);
    behind[3] += 1;
    assert_eq!(name_in(&records(&behind, 1000)), Err(Sin::Malformed));
    // A ServerHello; a record of nothing; an alert between the halves.
    assert_eq!(parse(b"\x16\x03\x01\0\x04\x02\0\0\0"), Err(Sin::Malformed));
    assert_eq!(parse(b"\x16\x03\x01\0\0"), Err(Sin::Malformed));
    let halves = records(&message(b""), 30);
    let alert = [&halves[..35], b"\x15\x03\x01\0\x02\x01\0"].concat();
    assert_eq!(parse(&alert), Err(Sin::Malformed));
}

#[test]
fn other_protocols_are_told_apart_by_their_first_octets() {
    for octets in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"SSH-2.0-x",
        b"\0",
        b"\x16\x02",
        b"\x80\x2e\x01\x03\x01",
    ] {
        assert_eq!(parse(octets), Err(Sin::NotTls), "{octets:?}");
    }
    assert_eq!(parse(b""), Ok(Parsed::Partial));
    assert_eq!(parse(b"\x16"), Ok(Parsed::Partial));
    assert_eq!(parse(b"\x16\x03"), Ok(Parsed::Partial));
}

#[test]
fn no_more_than_so_much_is_waited_for() {
    let padded =
        |octets: usize| message(&[named(b"a.b"), extension(21, &vec![0; octets])].concat());
    assert_eq!(
        name_in(&records(&padded(12_000), 16_000)),
        Ok(Some("a.b".to_owned()))
    );
    assert_eq!(
        parse(&records(&padded(OCTETS_MAX), 16_000)),
        Err(Sin::TooLong)
    );
    // In records of one octet each, six octets are one.
    assert_eq!(parse(&records(&padded(4000), 1)), Err(Sin::TooLong));
    assert_eq!(parse(b"\x16\x03\x01\x40\0\x01\x01\0\0"), Err(Sin::TooLong));
}

/// Extensions as clients send them, nearly.
fn extensions() -> impl Strategy<Value = (Option<String>, Vec<u8>)> {
    let other = (1..60_u16, prop::collection::vec(any::<u8>(), 0..200));
    let others = prop::collection::vec(other, 0..6);
    let name = prop::option::of("[a-z0-9_-]{1,20}(\\.[a-z0-9]{1,9}){0,3}");
    (others.clone(), name, others).prop_map(|(before, name, behind)| {
        let all = |list: Vec<(u16, Vec<u8>)>| -> Vec<u8> {
            list.iter()
                .flat_map(|(kind, content)| extension(*kind, content))
                .collect()
        };
        let own = name.as_ref().map(|name| named(name.as_bytes()));
        (
            name,
            [all(before), own.unwrap_or_default(), all(behind)].concat(),
        )
    })
}

proptest! {
    #[test]
    fn however_it_is_split_it_is_the_same(
        (name, extensions) in extensions(),
        octets in 1..400_usize,
        behind: Vec<u8>,
    ) {
        let hello = records(&message(&extensions), octets);
        prop_assume!(hello.len() < OCTETS_MAX);
        for cut in 0..hello.len() {
            prop_assert_eq!(parse(&hello[..cut]), Ok(Parsed::Partial));
        }
        let whole = [hello, behind].concat();
        prop_assert_eq!(parse(&whole), Ok(Parsed::Complete(Hello { server_name: name })));
    }

    #[test]
    fn more_octets_change_nothing(
        (_, extensions) in extensions(),
        at: prop::sample::Index,
        octet: u8,
        size in 1..400_usize,
    ) {
        let mut octets = records(&message(&extensions), size);
        let at = at.index(octets.len());
        octets[at] = octet;
        let mut settled = None;
        for cut in 0..=octets.len() {
            let parsed = parse(&octets[..cut]);
            match &settled {
                None if parsed != Ok(Parsed::Partial) => settled = Some(parsed),
                None => {}
                Some(settled) => prop_assert_eq!(&parsed, settled),
            }
        }
    }

    #[test]
    fn nothing_panics(octets: Vec<u8>, front in prop::sample::select(vec![&b"\x16\x03\x01"[..], b""])) {
        let _ = parse(&[front, &octets].concat());
    }
}
