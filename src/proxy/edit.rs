//! A route's changes to the fields of a message, made after everything else: what is added here nobody can name away.

use super::facts::Facts;
use super::template::{Hole, Part, Template};
use crate::http::error::FieldError;
use crate::http::field::{Fields, ReadyLine};

/// Changes to a message's fields: first `remove`, then `set`, then `add`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    /// These fields get these values, whether they were there or not.
    pub set: Vec<Edit>,
    /// These lines are added.
    pub add: Vec<Edit>,
    /// These fields are taken out.
    pub remove: Vec<String>,
}

/// A field and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    name: String,
    template: Template,
    /// The line, where it is the same for every request.
    ready: Option<ReadyLine>,
}

impl Edit {
    /// The field of this name, with the template filled in.
    #[must_use]
    pub fn new(name: String, template: Template) -> Self {
        let text = template.as_text();
        // What makes no line is told of by whoever is asked for it.
        let ready = text.and_then(|text| ReadyLine::new(&name, text).ok());
        Self {
            name,
            template,
            ready,
        }
    }
}

impl Edits {
    /// Nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Whether the route has a say in the field of that name.
    pub(super) fn concerns(&self, name: &[u8]) -> bool {
        let written = self.set.iter().chain(&self.add).map(|edit| &edit.name);
        written
            .chain(&self.remove)
            .any(|other| other.as_bytes().eq_ignore_ascii_case(name))
    }

    /// This is asked for.
    pub(super) fn asks_for(&self, hole: Hole) -> bool {
        let mut edits = self.set.iter().chain(&self.add);
        edits.any(|edit| edit.template.parts.contains(&Part::Hole(hole)))
    }

    /// Changes `fields`.
    ///
    /// # Errors
    /// [`FieldError`]: what a template was filled with makes no field value.
    pub(super) fn apply(&self, fields: &mut Fields, facts: &Facts<'_>) -> Result<(), FieldError> {
        for name in &self.remove {
            fields.remove(name);
        }
        for Edit { name, template, .. } in &self.set {
            fields.set_by(name.as_bytes(), |octets| facts.write(template, octets))?;
        }
        for edit in &self.add {
            let Edit { name, template, .. } = edit;
            match &edit.ready {
                Some(line) => fields.push_ready(line),
                None => {
                    fields.push_by(name.as_bytes(), |octets| facts.write(template, octets))?;
                }
            }
        }
        Ok(())
    }
}
