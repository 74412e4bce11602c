use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::{read, write};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::runtime::buffer::Budget;
use crate::runtime::pipe::Pipes;

/// A connection in one direction: where it is read, and where it is written.
fn pair() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::NONBLOCK).unwrap()
}

fn pipes(octets: usize) -> (Pipes, Arc<Budget>) {
    let budget = Arc::new(Budget::new(octets));
    (Pipes::new(budget.clone()), budget)
}

#[test]
fn what_goes_in_comes_out_and_no_more_than_was_asked_for() {
    let (pipes, _budget) = pipes(usize::MAX);
    let (from, writer) = pair();
    let (reader, to) = pair();
    write(&writer, b"content, and the next message").unwrap();
    let mut pipe = pipes.take().unwrap();
    assert_eq!(pipe.fill(from.as_fd(), 7).unwrap(), 7);
    assert_eq!(pipe.held(), 7);
    assert_eq!(pipe.drain(to.as_fd()).unwrap(), 7);
    assert_eq!(pipe.held(), 0);
    let mut octets = [0; 32];
    assert_eq!(read(&reader, &mut octets).unwrap(), 7);
    assert_eq!(&octets[..7], b"content");
}

#[test]
fn there_are_only_so_many_and_they_count() {
    let (pipes, budget) = pipes(600 * 1024);
    let first = pipes.take().unwrap();
    let second = pipes.take().unwrap();
    assert!(pipes.take().is_none(), "the budget is used up");
    drop(first);
    assert!(pipes.take().is_some());
    drop(second);
    assert_eq!(budget.used(), 0);
    let (pipes, _budget) = self::pipes(usize::MAX);
    let out: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
    assert_eq!(out.len(), 64);
}

#[test]
fn a_pipe_with_something_left_in_it_is_not_used_again() {
    let (pipes, _budget) = pipes(usize::MAX);
    let (from, writer) = pair();
    write(&writer, b"cut short").unwrap();
    let mut pipe = pipes.take().unwrap();
    assert_eq!(pipe.fill(from.as_fd(), 9).unwrap(), 9);
    drop(pipe);
    let (_reader, to) = pair();
    let mut next = pipes.take().unwrap();
    assert_eq!(next.held(), 0);
    assert_eq!(next.drain(to.as_fd()).ok(), Some(0));
}
