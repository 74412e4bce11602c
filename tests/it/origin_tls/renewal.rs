use std::fs;

use super::World;
use super::peer::{Peer, answer_path, config};
use crate::reload::Gateway;
use crate::support::wait_for;

#[test]
fn a_reload_keeps_connections_unless_what_they_were_made_by_has_changed() {
    let world = World::new();
    let peer = Peer::that_answers(&world.authority, "a.example");
    let keys = "sni = \"a.example\"";
    // One worker, whose connection it is.
    let head =
        "workers = 1\nadmin = { listen = \"127.0.0.1:0\" }\n[[listen]]\naddr = \"127.0.0.1:0\"\n";
    let text = world.text(&peer, keys, "");
    let gateway = Gateway::started(format!("{head}{text}"), &[]);
    assert_eq!(gateway.get("/1").text(), "/1");
    gateway.write(&world.text(&peer, keys, "slow_start = \"1s\"\n"));
    assert_eq!(gateway.reload().status(), 200);
    assert_eq!(gateway.get("/2").text(), "/2");
    let count = |what: &str, count: usize| {
        assert_eq!(peer.agreed().len(), count, "{what}: {:?}", peer.agreed());
    };
    count("the same", 1);
    // The session is resumed as long as the terms are the same ones; these are others.
    gateway.write(&world.text(&peer, &format!("{keys}, min_version = \"1.3\""), ""));
    let said = gateway.reload();
    assert!(said.text().contains("upstream app changed"), "{said:?}");
    assert_eq!(gateway.get("/3").text(), "/3");
    count("another version", 2);
    assert!(!peer.agreed()[1].is_resumed);
}

#[test]
fn an_authority_that_is_replaced_holds_from_then_on() {
    let (world, other) = (World::new(), World::new());
    let shown = other.authority.server(&["a.example"]);
    let peer = Peer::start(config(&shown, rustls::ALL_VERSIONS, None), answer_path);
    let gateway = world.gateway(&peer, "");
    assert_eq!(gateway.get("/").status(), 502);
    // By itself, with a file that changes.
    world.files.write("ca.pem", &other.authority.pem);
    wait_for("the other authority to be believed", || {
        (gateway.get("/").status() == 200).then_some(())
    });
    // One that is none is said, and changes nothing.
    fs::write(&world.ca, "nothing").unwrap();
    assert_eq!(gateway.reload().status(), 422);
    assert_eq!(gateway.get("/").status(), 200);
    // By a reload at once.
    world.files.write("ca.pem", &world.authority.pem);
    assert_eq!(gateway.reload().status(), 200);
    assert_eq!(
        gateway.get("/").status(),
        502,
        "what idles is of another time"
    );
}
