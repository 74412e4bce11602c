//! What logs call a route.

use super::route;
use crate::proxy::route::Matchers;

#[test]
fn a_route_has_a_short_name() {
    let check = |route: &Matchers, name: &str| assert_eq!(route.to_string(), name);
    check(&route(&[], ""), "*");
    check(&route(&[], "/x"), "/x");
    check(&route(&[], "/*"), "/*");
    check(&route(&["*.example.com"], ""), "*.example.com");
    check(
        &route(&["app.example.com"], "/api/*"),
        "app.example.com/api/*",
    );
    check(
        &route(&["a.example", "b.example", "*.c"], "/x"),
        "a.example,+2/x",
    );
}

#[test]
fn methods_stand_in_front_and_what_is_beside_them_is_counted() {
    let mut route = route(&["app.example.com"], "/api/*");
    route.methods = vec!["GET".to_owned(), "POST".to_owned()];
    assert_eq!(route.to_string(), "GET,POST app.example.com/api/*");
    route.queries = [("v".to_owned(), "2".to_owned())].into();
    route.clients = vec!["10.0.0.0/8".parse().unwrap(), "fc00::/7".parse().unwrap()];
    assert_eq!(route.to_string(), "GET,POST app.example.com/api/* +2");
    assert_eq!(route.further(), 3);
    let any = Matchers {
        headers: ["a", "b"]
            .map(|name| (name.to_owned(), String::new()))
            .into(),
        ..Matchers::default()
    };
    assert_eq!(any.to_string(), "* +2");
}
