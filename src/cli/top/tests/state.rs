use super::super::glance::Glance;
use super::super::keys::Key;
use super::super::state::{Deed, Prompt, State};
use super::glance;
use crate::cli::args::Sort;

/// Presses what is typed, and settles as a frame does: the last deed.
fn press(state: &mut State, glance: &Glance, keys: &[Key]) -> Deed {
    let mut deed = Deed::Nothing;
    for key in keys {
        deed = state.press(*key, glance, 3);
        state.settle(glance, 3);
    }
    deed
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).collect()
}

fn ids(state: &State, glance: &Glance) -> Vec<u64> {
    state.rows(glance).iter().map(|node| node.id).collect()
}

#[test]
fn rows_are_sorted_by_age_or_by_budget() {
    let glance = glance();
    let mut state = State::new(Sort::Age);
    assert_eq!(ids(&state, &glance), [1, 2, 70, 71, 72, 80]);
    press(&mut state, &glance, &[Key::Char('b')]);
    assert_eq!(ids(&state, &glance), [72, 71, 80, 1, 2, 70]);
    press(&mut state, &glance, &[Key::Char('a')]);
    assert_eq!(ids(&state, &glance), [1, 2, 70, 71, 72, 80]);
}

#[test]
fn each_of_these_is_the_end() {
    let glance = glance();
    for key in [Key::Char('q'), Key::Escape, Key::Interrupt] {
        let mut state = State::new(Sort::Age);
        assert_eq!(press(&mut state, &glance, &[key]), Deed::Quit, "{key:?}");
    }
    for prompt in ['/', 'c'] {
        let mut state = State::new(Sort::Age);
        let keys = [Key::Char(prompt), Key::Char('q')];
        assert_eq!(press(&mut state, &glance, &keys), Deed::Nothing);
        assert_eq!(press(&mut state, &glance, &[Key::Interrupt]), Deed::Quit);
    }
}

#[test]
fn the_mark_moves_and_the_screen_with_it() {
    let glance = glance();
    let mut state = State::new(Sort::Age);
    state.settle(&glance, 3);
    let mut seen = Vec::new();
    for key in [
        Key::Up,
        Key::Char('j'),
        Key::Down,
        Key::Down,
        Key::Char('k'),
        Key::Up,
        Key::Up,
        Key::End,
        Key::Down,
        Key::PageUp,
        Key::Home,
        Key::PageDown,
        Key::Char('G'),
        Key::Char('g'),
    ] {
        press(&mut state, &glance, &[key]);
        seen.push((state.selected.unwrap(), state.row, state.top));
    }
    let expected = [
        (1, 0, 0),
        (2, 1, 0),
        (70, 2, 0),
        (71, 3, 1),
        (70, 2, 1),
        (2, 1, 1),
        (1, 0, 0),
        (80, 5, 3),
        (80, 5, 3),
        (70, 2, 2),
        (1, 0, 0),
        (71, 3, 1),
        (80, 5, 3),
        (1, 0, 0),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_mark_stays_with_its_node_and_with_its_place_when_that_has_gone() {
    let mut glance = glance();
    let mut state = State::new(Sort::Age);
    press(&mut state, &glance, &[Key::Down, Key::Down, Key::Down]);
    assert_eq!((state.selected, state.row), (Some(71), 3));
    glance.nodes.remove(1);
    state.settle(&glance, 3);
    assert_eq!((state.selected, state.row), (Some(71), 2));
    press(&mut state, &glance, &[Key::Char('b')]);
    assert_eq!((state.selected, state.row), (Some(71), 1));
    glance.nodes.retain(|node| node.id != 71);
    state.settle(&glance, 3);
    assert_eq!((state.selected, state.row), (Some(80), 1));
    glance.nodes.clear();
    state.settle(&glance, 3);
    assert_eq!((state.selected, state.row, state.top), (None, 0, 0));
    press(&mut state, &glance, &[Key::Down, Key::Char('c')]);
    assert_eq!((state.prompt.as_ref(), state.selected), (None, None));
    assert_eq!(state.notice, "there is nothing to cancel here");
}

#[test]
fn a_cancel_has_a_node_and_a_reason() {
    let mut glance = glance();
    let mut state = State::new(Sort::Age);
    let keys = [Key::Down, Key::Down, Key::Down, Key::Char('c')];
    press(&mut state, &glance, &keys);
    press(&mut state, &glance, &typed("nöx"));
    press(&mut state, &glance, &[Key::Backspace]);
    press(&mut state, &glance, &typed(" q"));
    // Whatever becomes of the rows: the node is the one that was asked about.
    glance.nodes.retain(|node| node.id != 71);
    let deed = press(&mut state, &glance, &[Key::Enter]);
    let expected = Deed::Cancel {
        id: 71,
        name: "exchange#71 GET /slow".to_owned(),
        reason: "nö q".to_owned(),
    };
    assert_eq!((deed, state.prompt), (expected, None));
}

#[test]
fn a_cancel_can_be_thought_better_of() {
    let glance = glance();
    let mut state = State::new(Sort::Age);
    press(&mut state, &glance, &typed("cnot this"));
    assert!(matches!(&state.prompt, Some(Prompt::Reason { text, .. }) if text == "not this"));
    press(&mut state, &glance, &[Key::Erase]);
    assert!(matches!(&state.prompt, Some(Prompt::Reason { text, .. }) if text.is_empty()));
    assert_eq!(press(&mut state, &glance, &[Key::Escape]), Deed::Nothing);
    assert_eq!(
        (state.prompt.as_ref(), state.notice.as_str()),
        (None, "nothing was cancelled")
    );
    // Said once.
    press(&mut state, &glance, &[Key::Down]);
    assert_eq!(state.notice, "");
}

#[test]
fn a_filter_is_looked_for_in_all_that_a_row_says() {
    let mut glance = glance();
    glance.nodes[4].cause = Some("context canceled: Enough".to_owned());
    glance.nodes[4].state = "canceled".to_owned();
    for (text, expected) in [
        ("exch", vec![71, 80]),
        ("/SLOW", vec![71]),
        ("#80", vec![80]),
        ("enough", vec![72]),
        ("canceled", vec![72]),
        ("live", vec![1, 2, 70, 71, 80]),
        ("nothing like it", vec![]),
    ] {
        let mut state = State::new(Sort::Age);
        press(&mut state, &glance, &[Key::Char('/')]);
        press(&mut state, &glance, &typed(text));
        assert_eq!(ids(&state, &glance), expected, "while {text} is typed");
        assert_eq!(press(&mut state, &glance, &[Key::Enter]), Deed::Nothing);
        assert_eq!(
            (ids(&state, &glance), state.prompt.as_ref()),
            (expected, None)
        );
        press(&mut state, &glance, &[Key::Char('/'), Key::Escape]);
        assert_eq!(ids(&state, &glance).len(), 6);
    }
}

#[test]
fn a_pause_ends_with_a_look() {
    let glance = glance();
    let mut state = State::new(Sort::Age);
    assert_eq!(press(&mut state, &glance, &[Key::Char(' ')]), Deed::Nothing);
    assert!(state.is_paused);
    assert_eq!(press(&mut state, &glance, &[Key::Char(' ')]), Deed::Look);
    assert!(!state.is_paused);
}
