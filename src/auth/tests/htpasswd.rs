use proptest::prelude::*;

use crate::auth::{Problem, Users, Why};

const A: &str = "$5$rounds=1000$ab$bw4PhTdETPYycBP1S/MfHGVqzf4cldTXkxqJJ2X8w.3";
const B: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

fn said(text: &str) -> Vec<String> {
    let problems = Users::parse(text.as_bytes()).err().unwrap_or_default();
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn a_file_has_comments_empty_lines_and_users() {
    let text = format!("# first\r\n\r\nbob:{B}\r\n  \n  ann:{A}:her comment  \n#bob:x");
    let users = Users::parse(text.as_bytes()).unwrap();
    assert_eq!(users.count(), 2);
    assert!(users.has(b"ann", b"secret") && users.has(b"bob", b"secret"));
    assert!(!users.has(b"ann", b"Secret") && !users.has(b"bob", b""));
}

#[test]
fn who_is_not_there_is_not_let_in_by_the_password_of_who_is() {
    let users = Users::parse(format!("ann:{A}\n").as_bytes()).unwrap();
    for user in ["", "an", "ann ", "anna", "Ann", "zoe", "#"] {
        assert!(!users.has(user.as_bytes(), b"secret"), "{user:?}");
    }
}

#[test]
fn all_that_is_wrong_is_said_in_the_order_of_lines() {
    let text = format!(
        "zoe:secret\nann:{A}\nnobody\n:{A}\nann:{B}\nbob:$2y$15${}\ncid:$6$x",
        &B[7..]
    );
    let expected = [
        "line 1, user `zoe`: a plain password or DES crypt is not taken",
        "line 3: expected `USER:HASH`",
        "line 4: expected `USER:HASH`",
        "line 5, user `ann`: that user has a line already",
        "line 6, user `bob`: the hash costs too much",
        "line 7, user `cid`: the hash is malformed",
    ];
    assert_eq!(said(&text), expected);
    for empty in ["", "# nobody\n\n"] {
        assert_eq!(said(empty), ["there is no user in it"]);
    }
}

#[test]
fn files_are_equal_that_let_in_the_same() {
    let parse = |text: String| Users::parse(text.as_bytes()).unwrap();
    let one = parse(format!("ann:{A}\nbob:{B}\n"));
    assert_eq!(one, parse(format!("# moved\nbob:{B}\nann:{A}:x\n")));
    assert_ne!(one, parse(format!("ann:{A}\nbob:{A}\n")));
    assert_ne!(one, parse(format!("ann:{A}\n")));
    assert_ne!(one.generation(), parse(format!("ann:{A}\n")).generation());
    let shown = format!("{one:?}");
    assert!(!shown.contains("ann") && !shown.contains('$'), "{shown}");
}

proptest! {
    #[test]
    fn lines_are_users_comments_or_named(octets in prop::collection::vec(prop::sample::select(b"a:#\n\r$26y/ \xff\0".to_vec()), 0..80)) {
        let lines = octets.split(|octet| *octet == b'\n').count();
        match Users::parse(&octets) {
            Ok(users) => prop_assert!(users.count() > 0),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|it| it.line <= lines && (it.line > 0 || it.why == Why::Empty)));
            }
        }
    }

    #[test]
    fn every_user_of_a_good_file_is_there(names in prop::collection::btree_set("[^:#\\p{Cc}\\s]{1,20}", 1..9)) {
        let text: String = names.iter().map(|name| format!("{name}:{B}\n")).collect();
        let users = Users::parse(text.as_bytes());
        prop_assert_eq!(users.map(|users| users.count()), Ok(names.len()));
    }
}
