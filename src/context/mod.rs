//! The context tree.
