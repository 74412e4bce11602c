//! "Did you mean": the nearest of some names, if one is near enough.

/// Longer names are not compared: the work grows with the product of the lengths.
const OCTETS_MAX: usize = 64;

/// Shorter beginnings say nothing.
const BEGINNING_MIN: usize = 3;

/// The one of `names` that `word` was likely meant to be: at most a third of its letters are wrong, missing, too many
/// or swapped, or half of them where the two begin alike, or one begins with the other. Of equally near ones the first.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| name.len() <= OCTETS_MAX && word.len() <= OCTETS_MAX;
    names
        .into_iter()
        .filter(near)
        .map(|name| (distance(word, name), name))
        .filter(|(distance, name)| {
            let letters = name.chars().count().max(word.chars().count());
            let same = name.chars().zip(word.chars());
            let same = same.take_while(|(one, other)| one == other).count();
            let is_begun = name.len().min(word.len()) >= BEGINNING_MIN
                && (name.starts_with(word) || word.starts_with(name));
            let wrong_max = if same >= BEGINNING_MIN {
                letters / 2
            } else {
                (letters / 3).max(1)
            };
            is_begun || (*distance <= wrong_max && *distance < letters)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be changed, added, removed or swapped with their neighbour; case does not count.
pub(super) fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().flat_map(char::to_lowercase).collect();
    let to: Vec<char> = to.chars().flat_map(char::to_lowercase).collect();
    // Rows of the table of optimal string alignment: the one before the last, the last, and this one.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut this = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let at =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, column) + usize::from(letter != other))
                .min(at(&last, column + 1) + 1)
                .min(at(&this, column) + 1);
            let swapped = row > 0
                && column > 0
                && from.get(row - 1) == Some(other)
                && to.get(column - 1) == Some(letter);
            if swapped {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            this.push(cost);
        }
        before = std::mem::replace(&mut last, this);
    }
    last.last().copied().unwrap_or_default()
}
