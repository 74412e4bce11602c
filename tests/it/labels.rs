//! Text that a peer chose stays text: in every form of the tree, in every form of the log, in answers and in the terminal.
//! What a label may hold at worst is tested in the room of the tree; here is what comes through a gateway.

use osier::log::Format;

use crate::support::{House, Message, Origin, Osier, Wire, json};

/// A target of everything that the parser lets through and some reader would rather not see.
const TARGET: &str =
    "/<b>\"q\"'`c`[a](b){c}|d\\e;&lt;%0a%0D%1b[2J%22$(x)=--?%%{init}%%\"]:::x,\\N<script>";

/// What no output may have in it.
fn assert_inert(text: &str) {
    let acts = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(acts), "{text:?}");
}

/// A gateway in which an exchange waits for its origin.
struct Waiting {
    osier: Osier,
    _client: Wire,
    _at_origin: Wire,
}

impl Waiting {
    fn start() -> Self {
        let origin = Origin::bind();
        let osier = Osier::serving_to(&origin.address(), &[]);
        let mut client = osier.connect();
        client.send(format!("GET {TARGET} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut at_origin = origin.accept();
        let request = at_origin.read_request();
        assert!(request.start().contains(TARGET), "{request:?}");
        Self {
            osier,
            _client: client,
            _at_origin: at_origin,
        }
    }

    fn says(&self, arguments: &[&str]) -> String {
        let admin = self.osier.admin();
        let arguments = [arguments, &["--admin", &admin]].concat();
        let output = Osier::command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn asked(&self, path: &str) -> Message {
        let admin = self.osier.admin();
        let address = admin.strip_prefix("http://").unwrap().parse().unwrap();
        Wire::connect(address).ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }
}

fn label() -> String {
    format!("GET {TARGET}")
}

#[test]
fn a_target_is_one_line_of_the_tree_and_of_top() {
    let waiting = Waiting::start();
    for arguments in [&["tree"][..], &["top"]] {
        let text = waiting.says(arguments);
        assert_inert(&text);
        let mut lines = text.lines();
        let line = lines.find(|line| line.contains("exchange")).unwrap();
        let line = if line.starts_with("in flight") {
            lines.find(|line| line.contains("exchange")).unwrap()
        } else {
            line
        };
        assert!(line.contains(&label()), "{text}");
    }
}

#[test]
fn a_target_is_one_string_of_the_json() {
    let waiting = Waiting::start();
    let text = waiting.says(&["tree", "--json"]);
    assert!(!text.contains('<'), "{text}");
    let mut labels = Vec::new();
    let mut nodes = vec![json(&text)];
    while let Some(node) = nodes.pop() {
        labels.push(node["label"].text().to_owned());
        nodes.extend(node["children"].items().to_vec());
    }
    assert!(labels.contains(&label()), "{labels:?}");
}

#[test]
fn a_target_is_one_label_of_the_graphs() {
    let waiting = Waiting::start();
    let dot = waiting.says(&["tree", "--dot"]);
    let escaped = label().replace('\\', "\\\\").replace('"', "\\\"");
    let escaped = escaped.replace('&', "&amp;");
    assert_inert(&dot);
    assert!(dot.contains(&format!(" {escaped}\\n")), "{dot}");

    let mermaid = waiting.says(&["tree", "--mermaid"]);
    assert_inert(&mermaid);
    let mut line = mermaid.lines().filter(|line| line.contains("exchange"));
    let line = line.next().unwrap();
    let text = line.split("[\"").nth(1).unwrap().split("<br/>").next();
    let mut read = text.unwrap().to_owned();
    for part in text.unwrap().split('#').skip(1) {
        let number = part.split(';').next().unwrap();
        let c = char::from_u32(number.parse().unwrap()).unwrap();
        // What is no entity is plain.
        assert!(!c.is_alphanumeric());
        if c != '#' && c != ';' {
            read = read.replace(&format!("#{number};"), &c.to_string());
        }
    }
    let read = read.replace("#59;", ";").replace("#35;", "#");
    assert!(read.ends_with(&label()), "{read}");
}

#[test]
fn a_target_is_one_field_of_the_table() {
    let waiting = Waiting::start();
    let answer = waiting.asked("/tree.tsv");
    let expected = "text/tab-separated-values; charset=utf-8";
    assert_eq!(answer.field("content-type"), Some(expected));
    let text = answer.text();
    let mut lines = text.lines();
    let line = lines.find(|line| line.contains("\texchange\t")).unwrap();
    let fields: Vec<_> = line.split('\t').collect();
    assert_eq!((fields.len(), fields[0]), (9, "3"));
    assert_eq!(fields[8], label().replace('\\', "\\u{5c}"));
    // Cut as the other forms are.
    let top = waiting.asked("/tree.tsv?depth=0");
    assert_eq!(top.text().lines().count(), 1);
    assert_eq!(waiting.asked("/tree.tsv?root=99999999").status(), 404);
    assert_eq!(waiting.asked("/tree.tsv?max=x").status(), 400);
}

#[test]
fn a_target_is_text_of_the_page() {
    let waiting = Waiting::start();
    let page = waiting.asked("/");
    assert_eq!(page.status(), 200);
    for markup in ["<b>", "%%\"]:::x,\\N<script>", "/<b>\"q\""] {
        assert!(!page.text().contains(markup), "{markup}");
    }
}

#[test]
fn a_target_is_one_value_of_the_log() {
    let quoted = |with: fn(char) -> String| -> String { TARGET.chars().map(with).collect() };
    let backslashed = quoted(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c => c.to_string(),
    });
    let hex = quoted(|c| match c {
        '"' | '\\' => format!("\\x{:02X}", u32::from(c)),
        c => c.to_string(),
    });
    for (format, said) in [
        (Format::Logfmt, format!(" target=\"{backslashed}\" ")),
        (Format::Json, format!(",\"target\":\"{backslashed}\",")),
        (Format::Combined, format!("\"GET {hex} HTTP/1.1\" 200 ")),
    ] {
        let origin = Origin::that_answers();
        let house = House::with(origin.endpoint(), |options| {
            options.log.format = format;
        });
        house.connect().get(TARGET);
        let line = house.wait_for_record(&[&said]);
        assert_inert(&line);
        if format == Format::Json {
            assert_eq!(json(&line)["target"].text(), TARGET);
        }
    }
}

#[test]
fn what_the_parser_does_not_let_through_is_inert_where_it_is_told_of() {
    let octets =
        b"GET /\x1b]0;x\x07\x1b[2J\xff\xc2\x9b\xe2\x80\xae\\\" HTTP/1.1\r\nHost: a\r\n\r\n";
    for format in [Format::Logfmt, Format::Json, Format::Combined] {
        let origin = Origin::that_answers();
        let house = House::with(origin.endpoint(), |options| {
            options.log.format = format;
        });
        let answer = house.connect().ask(octets);
        assert_eq!(answer.status(), 400);
        assert!(
            answer.head.is_ascii() && answer.body.is_ascii(),
            "{answer:?}"
        );
        assert_inert(&answer.head.replace('\r', ""));
        assert_inert(answer.text());
        let line = house.wait_for_record(&["400"]);
        assert!(line.is_ascii(), "{line}");
        assert_inert(&line);
        if format == Format::Json {
            assert_eq!(json(&line)["status"].number(), 400.0);
        }
    }
}

#[test]
fn a_reason_is_one_line_of_the_answer_and_of_proxy_status() {
    const REASON: &str = "no\r\nSet-Cookie: a=b\r\n\r\n\u{1b}[2J \"q\" \\ ü";
    for format in [Format::Logfmt, Format::Json, Format::Combined] {
        let origin = Origin::bind();
        let house = House::with(origin.endpoint(), |options| {
            options.log.format = format;
        });
        let mut client = house.connect();
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        let _at_origin = origin.accept();
        let id = house.wait_for_node(&["exchange", "GET /x"]);
        assert_eq!(house.cancel(id, REASON).status(), 200);
        let answer = client.read_response();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.all("set-cookie"), [""; 0]);
        let status = answer.field("proxy-status").unwrap();
        assert!(
            status.ends_with("; details=\"admin:noSet-Cookie: a=b[2J \\\"q\\\" \\\\ \""),
            "{status}"
        );
        let expected = "503 Service Unavailable: admin:no\\r\\nSet-Cookie: a=b\\r\\n\\r\\n\\u{1b}[2J \"q\" \\ ü\n";
        assert_eq!(answer.text(), expected);
        let line = house.wait_for_record(&["503"]);
        assert!(line.is_ascii(), "{line}");
        assert_inert(&line);
        if format == Format::Json {
            assert_eq!(json(&line)["cause"].text(), format!("admin:{REASON}"));
        }
    }
}
