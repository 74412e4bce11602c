use super::ServerNames;
use crate::proxy::route::HostPattern::{Below, Exact};

#[test]
fn a_name_itself_comes_first_then_the_longest_wildcard_then_the_rest() {
    let some = |name: &str| name.to_owned();
    let names = ServerNames::new([
        (Some(Exact(some("a.example"))), 1),
        (Some(Below(some("example"))), 2),
        (Some(Below(some("b.example"))), 3),
        (None, 4),
    ]);
    for (name, upstream) in [
        ("a.example", 1),
        ("x.a.example", 2),
        ("b.example", 2),
        ("x.b.example", 3),
        ("x.y.b.example", 3),
        ("example", 4),
        ("other", 4),
    ] {
        assert_eq!(names.find(Some(name)), Some(upstream), "{name}");
    }
    assert_eq!(names.find(None), Some(4));
    let without = ServerNames::new([(Some(Exact(some("a.example"))), 1)]);
    assert_eq!(without.find(Some("b.example")), None);
    assert_eq!(without.find(None), None);
}
