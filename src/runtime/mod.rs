//! ROOM 4: one worker thread per core, each with its own tasks, reactor, timers and buffers.
//!
//! Nothing on the request path crosses threads or takes a contended lock. A [`Worker`](worker::Worker) is one turn
//! after another of: run what is ready, ask epoll what became ready, fire the timers that are due. What comes from
//! another thread (a cancel by id, a message from the control side) reaches a sleeping worker through its
//! [`Unpark`](unpark::Unpark), and costs nothing while it runs.

pub mod buffer;
pub(crate) mod inherited;
pub mod pipe;
pub mod reactor;
mod tasks;
pub mod timer;
pub mod trim;
mod unchecked;
pub mod unpark;
pub mod worker;

#[cfg(test)]
mod tests;
