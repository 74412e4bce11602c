use proptest::prelude::*;

use crate::auth::Why;
use crate::auth::hash::Hash;

/// Made by `openssl passwd -6` and `-5`, and by `crypt` of libxcrypt 4.4, which is what `htpasswd -B` writes.
const VECTORS: [(&str, &str); 17] = [
    (
        "secret",
        "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    ),
    (
        "secret",
        "$2a$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
    ),
    (
        "secret",
        "$2b$04$....................../dCAsp4PpJoDgv6BeaLP6BKrXlBV1oi",
    ),
    (
        "pässword",
        "$2y$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG",
    ),
    (
        "pässword",
        "$2a$05$abcdefghijklmnopqrstuucZGbUxuMlEqps0qcu2pjhO7vaatQZIC",
    ),
    (
        "pässword",
        "$2b$04$......................zGba3rUzo6RobFnEbJ3ZOnvxLsnfNBK",
    ),
    (
        "X80",
        "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i",
    ),
    (
        "X72",
        "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i",
    ),
    (
        "X71",
        "$2y$04$abcdefghijklmnopqrstuu.gc7UY/21CSNJGJg21jJzx9QiOpJ9bO",
    ),
    (
        "",
        "$2y$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq",
    ),
    (
        "secret",
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
    ),
    (
        "secret",
        "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    ),
    (
        "secret",
        "$5$rounds=1000$ab$bw4PhTdETPYycBP1S/MfHGVqzf4cldTXkxqJJ2X8w.3",
    ),
    (
        "pässword",
        "$6$rounds=1000$0123456789abcdef$GHZaz7cjHnv7MEmYmXLYG.GZD8XsXIkd1/jpyfrzWji3J3J/EhfUmV4lWFhj6CpLt8.LDkJOt0chIAT07I///1",
    ),
    (
        "X100",
        "$6$rounds=1000$saltsalt$/SCs4O.xNTXjXYtULwdmkAhxcJgg8rb2VcV/0.5uA/eTqAuceREjy9.ibxcrZpbc0FwMYH8Sb9MBj9V0zd85I1",
    ),
    (
        "X100",
        "$5$rounds=1000$saltsalt$JNOV7s7vjB0PhhHN66UrF2vaTAa/vNtrNtsDt.YBfh6",
    ),
    (
        "secret",
        "$5$rounds=5000$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    ),
];

/// `X80` stands for that many.
fn password(text: &str) -> Vec<u8> {
    match text.strip_prefix('X').and_then(|count| count.parse().ok()) {
        Some(count) => vec![b'x'; count],
        None => text.into(),
    }
}

fn why(text: &str) -> Option<Why> {
    Hash::parse(text.as_bytes()).err()
}

#[test]
fn what_others_made_is_verified() {
    for (text, hash) in VECTORS {
        let Ok(parsed) = Hash::parse(hash.as_bytes()) else {
            panic!("{hash} is not taken");
        };
        assert!(parsed.is_of(&password(text)), "{text} {hash}");
        assert!(!parsed.is_of(b"Secret"), "{hash}");
        // From 72 octets on bcrypt sees no difference.
        let mut longer = password(text);
        longer.push(b'x');
        let is_cut = hash.starts_with("$2") && longer.len() > 72;
        assert_eq!(parsed.is_of(&longer), is_cut, "{text} {hash}");
    }
}

#[test]
fn no_part_of_a_hash_is_a_hash() {
    for (_, hash) in VECTORS {
        for end in 0..hash.len() {
            assert!(why(&hash[..end]).is_some(), "{}", &hash[..end]);
        }
        assert!(why(&format!("{hash}x")).is_some());
        assert!(why(&format!("{hash}$")).is_some());
    }
}

#[test]
fn weak_hashes_are_called_by_their_names() {
    let md5 = Some(Why::Weak("MD5 (apr1)"));
    assert_eq!(why("$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0"), md5);
    assert_eq!(why("$1$s$g6MVG540q1A9FJTwmPkOH0"), Some(Why::Weak("MD5")));
    let sha = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    assert_eq!(why(sha), Some(Why::Weak("{SHA}")));
    for plain in ["secret", "", "rqXexS6ZhobKA"] {
        let expected = Some(Why::Weak("a plain password or DES crypt"));
        assert_eq!(why(plain), expected);
    }
    let flawed = "$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    assert_eq!(why(flawed), Some(Why::Weak("a bcrypt with a known flaw")));
    assert_eq!(why("$y$j9T$abc$def"), Some(Why::Weak("an unknown hash")));
}

#[test]
fn what_would_cost_too_much_is_refused() {
    let bcrypt = |cost: &str| why(&VECTORS[0].1.replace("$04$", &format!("${cost}$")));
    let sha = |rounds: &str| why(&VECTORS[12].1.replace("=1000", &format!("={rounds}")));
    assert_eq!((bcrypt("14"), sha("1000000")), (None, None));
    for cost in ["15", "31", "99"] {
        assert_eq!(bcrypt(cost), Some(Why::Costly), "{cost}");
    }
    for rounds in ["1000001", "999999999", "99999999999999999999"] {
        assert_eq!(sha(rounds), Some(Why::Costly), "{rounds}");
    }
    for (cost, rounds) in [("03", "999"), ("+4", "+1000"), ("4", ""), ("004", "-1")] {
        assert_eq!(bcrypt(cost), Some(Why::Malformed), "{cost}");
        assert_eq!(sha(rounds), Some(Why::Malformed), "{rounds}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_a_hash_or_not(
        front in prop::sample::select(vec!["", "$2y$04$", "$6$", "$5$rounds=", "$6$rounds=1000$", "{SHA}"]),
        rest in prop::collection::vec(any::<u8>(), 0..99),
    ) {
        let _ = Hash::parse(&[front.as_bytes(), &rest].concat());
    }
}
