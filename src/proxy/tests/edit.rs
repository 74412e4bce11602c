use std::net::IpAddr;

use crate::http::field::Fields;
use crate::http::head::RequestHead;
use crate::http::limits::Limits;
use crate::proxy::edit::{Edit, Edits};
use crate::proxy::facts::Facts;
use crate::proxy::rewrite::{self, Paths, Refused, Rewrite};
use crate::proxy::template::{Template, TemplateError};

fn request(line: &str) -> RequestHead {
    let mut head = RequestHead::new();
    let octets = format!("{line} HTTP/1.1\r\nHost: A.example:81\r\n\r\n");
    head.parse(octets.as_bytes(), &Limits::default()).unwrap();
    head
}

fn facts<'a>(request: &'a RequestHead, path: &'a [u8]) -> Facts<'a> {
    Facts {
        client: Some(IpAddr::from([192, 0, 2, 1])),
        request,
        path,
        request_id: b"abc",
        upstream: "app",
        scheme: "http",
        subject: None,
    }
}

fn filled(template: &str, line: &str, path: &str) -> String {
    let (head, mut out) = (request(line), Vec::new());
    facts(&head, path.as_bytes()).write(&Template::parse(template).unwrap(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn every_hole_is_filled_with_what_it_says() {
    let all =
        "{client_ip} {host} {method} {path} {query} {request_id} {scheme} {upstream} {uri} {{}}";
    assert_eq!(
        filled(all, "GET /a//b?c=d", "/a/b"),
        "192.0.2.1 A.example GET /a/b c=d abc http app /a//b?c=d {}"
    );
    assert_eq!(filled("{uri}", "GET http://b.example?x", "/"), "/?x");
    assert_eq!(filled("{uri}", "GET http://b.example/y", "/"), "/y");
}

#[test]
fn a_template_that_makes_no_sense_says_why() {
    assert_eq!(
        Template::parse("{nothing}"),
        Err(TemplateError::Unknown("nothing".to_owned()))
    );
    assert_eq!(Template::parse("{host"), Err(TemplateError::Brace));
    assert_eq!(Template::parse("host}"), Err(TemplateError::Brace));
}

#[test]
fn fields_are_removed_then_set_then_added() {
    let edit = |name: &str, text| Edit::new(name.to_owned(), Template::parse(text).unwrap());
    let edits = Edits {
        remove: vec!["X-A".to_owned()],
        set: vec![edit("X-B", "{method}")],
        add: vec![edit("X-A", "new"), edit("X-C", "2")],
    };
    let mut fields = Fields::new();
    for (name, value) in [("x-a", "old"), ("x-b", "1"), ("x-b", "2"), ("X-C", "1")] {
        fields.push(name, value).unwrap();
    }
    let head = request("GET /");
    edits.apply(&mut fields, &facts(&head, b"/")).unwrap();
    let lines: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
        .collect();
    assert_eq!(lines, ["X-B=GET", "X-C=1", "X-A=new", "X-C=2"]);
}

fn sent(rewrite: &Rewrite, paths: Paths, path: &str) -> Option<String> {
    let (head, mut out) = (request("GET /raw//x?q"), Vec::new());
    let is_rewritten = rewrite::path(rewrite, paths, &facts(&head, path.as_bytes()), &mut out);
    is_rewritten.then(|| String::from_utf8(out).unwrap())
}

#[test]
fn a_path_is_sent_as_it_came_unless_the_route_says_otherwise() {
    let strip = Rewrite::Strip("/api".to_owned());
    let to = Rewrite::To(Template::parse("/v2{path}").unwrap());
    assert_eq!(sent(&Rewrite::Keep, Paths::Raw, "/raw/x"), None);
    assert_eq!(sent(&Rewrite::Keep, Paths::Strict, "/raw/x"), None);
    assert_eq!(
        sent(&Rewrite::Keep, Paths::Normal, "/raw/x").unwrap(),
        "/raw/x"
    );
    assert_eq!(sent(&strip, Paths::Raw, "/api/x").unwrap(), "/x");
    assert_eq!(sent(&strip, Paths::Raw, "/api").unwrap(), "/");
    assert_eq!(sent(&strip, Paths::Raw, "/apix").unwrap(), "/apix");
    assert_eq!(sent(&to, Paths::Raw, "/x").unwrap(), "/v2/x");
    let doubled = Rewrite::To(Template::parse("/{path}").unwrap());
    assert_eq!(
        sent(&doubled, Paths::Raw, "/evil.example").unwrap(),
        "/evil.example"
    );
}

#[test]
fn a_strict_route_refuses_what_could_be_read_in_two_ways() {
    let judge = |path: &'static str| Paths::Strict.judge(|| path.as_bytes());
    assert_eq!(judge("/a/b"), Ok(()));
    assert_eq!(judge("/a//b"), Err(Refused("path_not_normal")));
    assert_eq!(judge("/a/../b"), Err(Refused("path_not_normal")));
    assert_eq!(judge("/a%2Fb"), Err(Refused("encoded_separator_in_path")));
    assert_eq!(Paths::Raw.judge(|| b"/a//b"), Ok(()));
}

#[test]
fn edits_concern_what_they_set_add_and_remove() {
    let value = Template::parse("x").unwrap();
    let edits = Edits {
        set: vec![Edit::new("X-Set".to_owned(), value.clone())],
        add: vec![Edit::new("X-Add".to_owned(), value)],
        remove: vec!["X-Remove".to_owned()],
    };
    for name in ["x-set", "X-ADD", "X-Remove"] {
        assert!(edits.concerns(name.as_bytes()), "{name}");
    }
    assert!(!edits.concerns(b"X-Else") && !Edits::default().concerns(b"X-Set"));
}
