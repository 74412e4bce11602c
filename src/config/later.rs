//! What a later version will have: it is named, so that whoever writes it is told so and not that there is no such
//! thing. What is there by now is taken out of these lists, and needs no other farewell.

/// Keys: the kind of table, as it is opened in `raw`, and the key.
pub(super) const KEYS: &[(&str, &str)] = &[];

/// What is said of them.
pub(super) fn message(name: &str) -> String {
    format!("`{name}` is not in this version yet")
}
