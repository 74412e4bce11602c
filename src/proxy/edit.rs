//! A route's changes to the fields of a message, made after everything else: what is added here nobody can name away.

use super::facts::Facts;
use super::template::{Hole, Part, Template};
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

    /// This is asked for.
    pub(super) fn asks_for(&self, hole: Hole) -> bool {
        let mut templates = self.set.iter().chain(&self.add).map(|(_, it)| it);
        templates.any(|template| template.parts.contains(&Part::Hole(hole)))
    }

    /// Changes `fields`.
    ///
    /// # Errors
    /// [`FieldError`]: what a template was filled with makes no field value.
    pub(super) fn apply(&self, fields: &mut Fields, facts: &Facts<'_>) -> Result<(), FieldError> {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, template) in &self.set {
            fields.set_by(name.as_bytes(), |octets| facts.write(template, octets))?;
        }
        for (name, template) in &self.add {
            fields.push_by(name.as_bytes(), |octets| facts.write(template, octets))?;
        }
        Ok(())
    }
}
