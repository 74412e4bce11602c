use proptest::prelude::*;

use super::super::columns::width;
use super::super::frame::{Look, frame, octets, rows_shown, table};
use super::super::glance::Glance;
use super::super::keys::Key;
use super::super::state::{Size, State};
use super::{glance, node, size};
use crate::cli::args::Sort;

fn lines(glance: &Glance, state: &mut State, size: Size) -> Vec<String> {
    state.settle(glance, rows_shown(size));
    let lines = frame(glance, state, size);
    lines.into_iter().map(|line| line.text).collect()
}

#[test]
fn a_frame_has_all_there_is_to_say() {
    let mut glance = glance();
    glance.nodes[5].state = "canceled".to_owned();
    glance.nodes[5].cause = Some("context canceled: enough".to_owned());
    let mut state = State::new(Sort::Age);
    state.settle(&glance, 6);
    state.press(Key::Down, &glance, 6);
    let expected = "\
osier 1.2.3, up 3m02s, serving, 12.3 requests/s
in flight: 1 server, 1 listener, 1 session, 1 exchange, 1 attempt
6 of 6 nodes, oldest first
  KIND          ID     AGE    LEFT   OWNER  WAIT  LABEL               CAUSE
  server         1   3m02s       -       -     1  osier               -
> listener       2   3m01s       -       -     1  127.0.0.1:8086      -
  session       70   9.00s       -       -     1  127.0.0.1:5000      -
  exchange      71   4.00s  56.00s      71     1  GET /slow           -
  attempt       72   3.90s   900ms      72     1  127.0.0.1:1         -
  exchange      80    40ms  59.96s      80     1  POST /new           context canceled:…

q quit  a by age  b by budget  j/k select  c cancel  / filter  space pause";
    let lines = lines(&glance, &mut state, size(88, 12));
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn a_small_screen_shows_what_matters_and_scrolls() {
    let glance = glance();
    let mut state = State::new(Sort::Age);
    state.settle(&glance, 2);
    for _ in 0..3 {
        state.press(Key::Down, &glance, 2);
    }
    let expected = "\
osier 1.2.3, up 3m02s, serving, 12.3 req…
in flight: 1 server, 1 listener, 1 sessi…
6 of 6 nodes, oldest first
  KIND          ID     AGE    LEFT  LABEL
  session       70   9.00s       -  127.…
> exchange      71   4.00s  56.00s  GET …
q quit  c cancel";
    let lines = lines(&glance, &mut state, size(41, 7));
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn what_is_asked_and_what_is_wrong_stands_above_the_rows() {
    let glance = glance();
    let mut state = State::new(Sort::Budget);
    let third = |state: &mut State| lines(&glance, state, size(60, 12))[2].clone();
    assert_eq!(third(&mut state), "6 of 6 nodes, least time left first");
    state.press(Key::Char(' '), &glance, 7);
    state.press(Key::Char('/'), &glance, 7);
    state.press(Key::Char('z'), &glance, 7);
    assert_eq!(third(&mut state), "filter: z_");
    state.press(Key::Enter, &glance, 7);
    let expected = "0 of 6 nodes, least time left first, with \"z\", paused";
    assert_eq!(third(&mut state), expected);
    state.filter.clear();
    state.row = 0;
    state.selected = None;
    state.press(Key::Char('c'), &glance, 7);
    for c in "because \u{9b}it takes much too long to wait for".chars() {
        state.press(Key::Char(c), &glance, 7);
    }
    let asked = third(&mut state);
    let front = "cancel attempt#72 127.0.0.1:1, because: ";
    assert!(
        asked.starts_with(front) && asked.ends_with(" to wait for_"),
        "{asked}"
    );
    state.trouble = "127.0.0.1:8087: Connection refused\u{1b}[2J; trying again".to_owned();
    let second = lines(&glance, &mut state, size(100, 12))[1].clone();
    assert_eq!(
        second,
        "127.0.0.1:8087: Connection refused\\u{1b}[2J; trying again"
    );
}

#[test]
fn a_table_for_a_file_is_not_cut() {
    let mut glance = glance();
    let long = format!("GET /{}", "x".repeat(300));
    glance.nodes[3].label.clone_from(&long);
    glance.nodes[5].label = "a\n\u{1b}b".to_owned();
    glance.nodes[0].more = 4;
    let text = table(&glance, &State::new(Sort::Budget));
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[1].ends_with("2 exchange, 1 attempt, 4 or more not shown"),
        "{text}"
    );
    assert!(lines[3].starts_with("attempt "), "{text}");
    assert!(
        lines[4].contains(&long) && lines[4].ends_with("  -"),
        "{text}"
    );
    assert!(lines[5].contains("a\\u{a}\\u{1b}b"), "{text}");
    assert_eq!(lines.len(), 9);
    assert!(!text.replace('\n', "").contains(char::is_control));
}

#[test]
fn a_frame_is_written_over_the_last_one() {
    let glance = glance();
    let mut state = State::new(Sort::Age);
    state.settle(&glance, 1);
    let lines = frame(&glance, &state, size(30, 6));
    let plain = octets(&lines, false);
    assert!(plain.starts_with("\x1b[Hosier 1.2.3") && plain.ends_with("\x1b[K\x1b[J"));
    assert_eq!(plain.matches("\r\n").count(), 5);
    // Nothing clears the screen in between, and without colours nothing sets one.
    assert!(!plain.contains("\x1b[2J"));
    let sequences = |text: &str| {
        let ends = text.split('\x1b').skip(1);
        ends.map(|rest| rest.chars().find(char::is_ascii_alphabetic).unwrap())
            .collect::<String>()
    };
    assert!(!sequences(&plain).contains('m'));
    let coloured = octets(&lines, true);
    assert!(sequences(&coloured).contains('m'));
    assert!(coloured.contains("\x1b[7m> server"));
}

#[test]
fn rows_look_as_their_nodes_are() {
    let mut glance = glance();
    glance.nodes[2].state = "draining".to_owned();
    glance.nodes[3].state = "expired".to_owned();
    let mut state = State::new(Sort::Age);
    state.settle(&glance, 10);
    let looks: Vec<_> = frame(&glance, &state, size(80, 15))[4..10]
        .iter()
        .map(|line| line.look)
        .collect();
    let expected = [
        Look::Marked,
        Look::Plain,
        Look::Late,
        Look::Ended,
        Look::Late,
        Look::Plain,
    ];
    assert_eq!(looks, expected);
}

proptest! {
    #[test]
    fn whatever_the_labels_columns_stand_below_each_other(
        labels in proptest::collection::vec((any::<String>(), any::<String>(), any::<Option<u32>>()), 0..6),
        columns in 0..200_usize,
        height in 0..12_usize,
        filter in "[a-z]{0,1}",
    ) {
        let nodes = labels.iter().enumerate().map(|(id, (label, cause, left))| {
            let mut node = node(id as u64, label, label, id as u64, left.map(u64::from));
            node.cause = Some(cause.clone());
            node
        });
        let glance = Glance { nodes: nodes.collect(), ..Glance::default() };
        let mut state = State::new(Sort::Budget);
        state.filter = filter;
        let size = size(columns, height);
        state.settle(&glance, rows_shown(size));
        let lines = frame(&glance, &state, size);
        prop_assert!(lines.len() <= height);
        for line in &lines {
            prop_assert!(!line.text.contains(char::is_control));
            prop_assert!(width(&line.text) <= columns);
        }
        // The heads and all rows are equally wide, to the column.
        let shown = rows_shown(size).min(state.rows(&glance).len());
        if height > 5 && columns > 60 {
            for line in &lines[3..4 + shown] {
                prop_assert_eq!(width(&line.text), width(&lines[3].text));
            }
        }
    }
}
