//! The page: the live tree as text, refreshed every second by the browser itself. No script, no external asset.

/// The page with a tree in it.
pub(super) fn render(tree: &str) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"1\">\
         <title>osier: the live tree</title>\
         <style>:root{color-scheme:light dark}body{font:14px/1.5 ui-monospace,monospace;margin:2em}</style>\
         <h1>osier</h1><pre>",
    );
    for character in tree.chars() {
        match character {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            character => page.push(character),
        }
    }
    page.push_str("</pre>");
    page
}
