use std::path::Path;

use crate::cli::learn::promises;

/// A lesson shows what the contract says, in its words, and names an example that is there.
#[test]
fn every_lesson_shows_a_promise_that_was_made() {
    let laws = include_str!("../../context/laws.md");
    let contract = include_str!("../../context/mod.rs");
    for (law, number, example) in promises() {
        match number {
            Some(number) => {
                let words = law.trim_end_matches('.').to_lowercase();
                let words = words.replace(' ', "_").replace('\'', "");
                let name = format!("`law_{number:03}_{words}`");
                assert!(laws.contains(&name), "{name}");
            }
            None => assert!(contract.contains(law), "{law}"),
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        assert!(file.exists(), "{example}");
    }
}
