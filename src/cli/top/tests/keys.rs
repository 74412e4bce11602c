use super::super::keys::Key::{
    Backspace, Char, Down, End, Enter, Erase, Escape, Home, Interrupt, PageDown, PageUp, Up,
};
use super::super::keys::{Key, Keys};

/// The keys of these octets, when nothing follows them.
fn keys(octets: &[u8]) -> Vec<Key> {
    let mut keys = Keys::default();
    let mut all = keys.push(octets);
    all.extend(keys.nothing_follows());
    assert!(!keys.is_undecided());
    all
}

const CASES: [(&[u8], &[Key]); 20] = [
    (b"q", &[Char('q')]),
    (b"a b", &[Char('a'), Char(' '), Char('b')]),
    (b"\r\n", &[Enter, Enter]),
    (b"\x7f\x08", &[Backspace, Backspace]),
    (b"\x03\x15", &[Interrupt, Erase]),
    (b"\x1b", &[Escape]),
    (b"\x1b\x1b", &[Escape, Escape]),
    (b"\x1b\x1b[A", &[Escape, Up]),
    (b"\x1b[A\x1b[B", &[Up, Down]),
    (b"\x1bOA\x1bOB\x1bOH\x1bOF", &[Up, Down, Home, End]),
    (b"\x1b[H\x1b[F\x1b[1~\x1b[4~", &[Home, End, Home, End]),
    (b"\x1b[5~\x1b[6~", &[PageUp, PageDown]),
    // What means nothing here is passed over whole.
    (b"\x1b[200~x\x1b[1;5C\x1b[<0;1;1M", &[Char('x')]),
    (b"\x1bqj", &[Char('j')]),
    (b"\x00\x01\x1f", &[]),
    (
        "é日\u{1f600}".as_bytes(),
        &[Char('é'), Char('日'), Char('\u{1f600}')],
    ),
    (b"\xc2\x9bx", &[Char('x')]),
    (b"\xffx\xc3(", &[Char('x'), Char('(')]),
    (b"\xe6\x97", &[]),
    (b"\x1b[1", &[]),
];

#[test]
fn octets_become_keys() {
    for (octets, expected) in CASES {
        assert_eq!(keys(octets), expected, "{octets:?}");
    }
}

#[test]
fn it_does_not_matter_where_they_are_cut() {
    for (octets, expected) in CASES {
        let mut one_by_one = Keys::default();
        let mut all: Vec<Key> = octets
            .iter()
            .flat_map(|octet| one_by_one.push(&[*octet]))
            .collect();
        all.extend(one_by_one.nothing_follows());
        assert_eq!(all, expected, "{octets:?}");
    }
}

#[test]
fn an_endless_sequence_is_not_kept() {
    let mut keys = Keys::default();
    assert_eq!(keys.push(b"\x1b["), []);
    for _ in 0..1000 {
        assert!(
            keys.push(b"1;")
                .iter()
                .all(|key| matches!(key, Char('1' | ';')))
        );
    }
    assert!(!keys.push(b"q").is_empty());
}
