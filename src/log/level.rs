//! How much osier says of itself.

/// How bad a line is. What is less so than the configured level is not even put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Something has ended that should not have.
    Error,
    /// Something went wrong, and osier goes on.
    Warn,
    /// Something that whoever runs osier wants to know.
    #[default]
    Info,
    /// Something that only a search for a mistake wants to know.
    Debug,
}
