//! Values: what belongs to a request and is needed everywhere below it.
//!
//!     cargo run --example 06_values
//!
//! A key is a static with a type. A value shadows the one above, for what is below it only. Pictures of the tree show
//! keys and never values.
//!
//! Live: the lesson `value` on the page of `osier demo` shows the same with real requests.

use osier::context::{Context, Key, View, ViewOptions, background};

/// Which request a line in the log belongs to: the classic use.
static REQUEST_ID: Key<u64> = Key::new("request id");
/// Who asks. Two keys never meet, whatever they are called.
static USER: Key<String> = Key::new("user");
static LANGUAGE: Key<&str> = Key::new("language");

fn main() {
    let server = background()
        .named("language", "default")
        .with_value(&LANGUAGE, "en");
    let (request, _request) = server
        .with_value(&REQUEST_ID, 17)
        .named("request", "")
        .with_cancel();
    let ada = request.with_value(&USER, "ada".to_owned());
    let french = ada.with_value(&LANGUAGE, "fr");
    let nobody = french.without_value(&USER);

    for (name, ctx) in [
        ("server", &server),
        ("request", &request),
        ("ada", &ada),
        ("french", &french),
        ("nobody", &nobody),
    ] {
        println!("{name:>8}: {}", greeting(ctx));
    }
    println!("\n{}", View::of(&server, &ViewOptions::default()));

    assert_eq!(greeting(&server), "hello, whoever you are");
    assert_eq!(greeting(&ada), "[17] hello, ada");
    assert_eq!(greeting(&french), "[17] bonjour, ada");
    assert_eq!(greeting(&nobody), "[17] bonjour, whoever you are");
    // Below is not above.
    assert_eq!(ada.value(&LANGUAGE), Some(&"en"));
    assert!(
        !View::of(&server, &ViewOptions::default())
            .to_json()
            .contains("ada")
    );

    println!(
        "What does not belong there: parameters. A function that needs a table to work says so:"
    );
    assert_eq!(price(&request, &[("tea", 3)], "tea"), Some(3));
    println!("    fn price(ctx: &Context, table: &[(&str, u32)], item: &str) -> Option<u32>");
    println!(
        "With the table hidden in the context it would compile without one, and fail at work."
    );
}

/// Three functions further down nobody had to pass these along.
fn greeting(ctx: &Context) -> String {
    let hello = match ctx.value(&LANGUAGE) {
        Some(&"fr") => "bonjour",
        _ => "hello",
    };
    let user = ctx.value(&USER).map_or("whoever you are", String::as_str);
    match ctx.value(&REQUEST_ID) {
        Some(id) => format!("[{id}] {hello}, {user}"),
        None => format!("{hello}, {user}"),
    }
}

fn price(_ctx: &Context, table: &[(&str, u32)], item: &str) -> Option<u32> {
    let found = table.iter().find(|(name, _)| *name == item);
    found.map(|(_, price)| *price)
}
