//! ROOM 3: choose an endpoint. Pure: no sockets, no tasks; the time comes in as a value.
//!
//! A [`State`] is what the whole process knows of one endpoint: how much it has to do, how fast it is, whether it is
//! well. A [`Picker`] is one worker's: it picks among the endpoints of one upstream by a [`Policy`].

mod hash;
mod load;
mod picker;
pub mod policy;
mod state;

#[cfg(test)]
mod tests;

pub use picker::{Ask, Candidate, Picker};
pub use policy::Policy;
pub use state::{Eject, InFlight, Open, State};
