//! A view printed piece by piece: the way through its nodes, which may be left and taken up again.

use super::{Step, View, json, text, tsv};

/// A way through a view, as far as it was gone.
#[derive(Default)]
pub(super) struct Trail {
    /// It has begun.
    is_begun: bool,
    /// The nodes that were entered and not left, each with how many of its children were entered.
    path: Vec<(usize, usize)>,
}

impl Trail {
    pub(super) fn next<'a>(&mut self, view: &'a View) -> Option<Step<'a>> {
        if !self.is_begun {
            self.is_begun = true;
            self.path.push((0, 0));
            let node = view.nodes.first()?;
            return Some(Step::Enter {
                node,
                is_first: true,
                follows: false,
            });
        }
        let (at, entered) = self.path.last_mut()?;
        let above = view.nodes.get(*at)?;
        let next = above.children.get(*entered);
        *entered += 1;
        let (is_first, follows) = (
            *entered == 1,
            *entered < above.children.len() || above.more > 0,
        );
        let Some((at, node)) = next.and_then(|at| Some((*at, view.nodes.get(*at)?))) else {
            self.path.pop();
            return Some(Step::Leave { node: above });
        };
        self.path.push((at, 0));
        Some(Step::Enter {
            node,
            is_first,
            follows,
        })
    }
}

/// Prints one step. The rails tell text what follows on the levels above.
type Print = fn(&mut String, &mut Vec<bool>, Step<'_>);

/// A view that is printed in pieces, so that it is never there a second time as one long text.
pub(crate) struct Pieces {
    view: View,
    trail: Trail,
    rails: Vec<bool>,
    print: Print,
}

impl Pieces {
    pub(crate) fn json(view: View) -> Self {
        Self::new(view, |out, _, step| json::write_step(out, step))
    }

    pub(crate) fn text(view: View) -> Self {
        Self::new(view, text::write_step)
    }

    pub(crate) fn tsv(view: View) -> Self {
        Self::new(view, |out, _, step| tsv::write_step(out, step))
    }

    fn new(view: View, print: Print) -> Self {
        Self {
            view,
            trail: Trail::default(),
            rails: Vec::new(),
            print,
        }
    }
}

impl Iterator for Pieces {
    type Item = String;

    /// The next piece, of some ten thousand octets.
    fn next(&mut self) -> Option<String> {
        const OCTETS: usize = 16 << 10;
        let mut out = String::new();
        while out.len() < OCTETS {
            let Some(step) = self.trail.next(&self.view) else {
                break;
            };
            (self.print)(&mut out, &mut self.rails, step);
        }
        Some(out).filter(|out| !out.is_empty())
    }
}
