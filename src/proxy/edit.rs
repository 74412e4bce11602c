//! A route's changes to the fields of a message, made after everything else: what is added here nobody can name away.

use super::facts::Facts;
use super::template::Template;
use crate::http::error::FieldError;
use crate::http::field::Fields;

/// Changes to a message's fields: first `remove`, then `set`, then `add`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    /// These fields get these values, whether they were there or not.
    pub set: Vec<(String, Template)>,
    /// These lines are added.
    pub add: Vec<(String, Template)>,
    /// These fields are taken out.
    pub remove: Vec<String>,
}

impl Edits {
    /// Nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Whether the route has a say in the field of that name.
    pub(super) fn concerns(&self, name: &[u8]) -> bool {
        let written = self.set.iter().chain(&self.add).map(|(name, _)| name);
        written
            .chain(&self.remove)
            .any(|other| other.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Changes `fields`.
    ///
    /// # Errors
    /// [`FieldError`]: what a template was filled with makes no field value.
    pub(super) fn apply(&self, fields: &mut Fields, facts: &Facts<'_>) -> Result<(), FieldError> {
        for name in &self.remove {
            fields.remove(name);
        }
        let mut value = Vec::new();
        for (name, template) in &self.set {
            value.clear();
            facts.write(template, &mut value);
            fields.set(name, &value)?;
        }
        for (name, template) in &self.add {
            value.clear();
            facts.write(template, &mut value);
            fields.push(name, &value)?;
        }
        Ok(())
    }
}
