//! Which upstream a TLS client's name leads to.

use std::collections::HashMap;

use crate::proxy::route::HostPattern;

/// Names, and the upstreams they lead to. A name itself comes before the longest wildcard, and that before the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerNames {
    exact: HashMap<String, usize>,
    below: HashMap<String, usize>,
    rest: Option<usize>,
}

impl ServerNames {
    /// `None` in place of a pattern: every name, and none.
    pub fn new(all: impl IntoIterator<Item = (Option<HostPattern>, usize)>) -> Self {
        let mut names = Self::default();
        for (pattern, upstream) in all {
            match pattern {
                Some(HostPattern::Exact(name)) => drop(names.exact.insert(name, upstream)),
                Some(HostPattern::Below(name)) => drop(names.below.insert(name, upstream)),
                None => names.rest = Some(upstream),
            }
        }
        names
    }

    /// The upstream for a name in lower case. `None`: there is none for it.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> Option<usize> {
        let known = name.and_then(|name| {
            let exact = self.exact.get(name);
            exact.or_else(|| {
                // From the longest part to the shortest.
                let mut dots = name.match_indices('.');
                dots.find_map(|(at, _)| self.below.get(name.get(at + 1..)?))
            })
        });
        known.copied().or(self.rest)
    }
}
