//! The tests of the room, one file per source file.
