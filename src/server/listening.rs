//! What a server listens on, as its control side holds it: addresses come and go while it runs.

use super::Order;
use crate::context::Context;
use crate::net::address::Address;
use crate::net::listener::Bound;

/// The addresses that are open.
#[derive(Debug, Default)]
pub(super) struct Listening {
    places: Vec<Place>,
    /// Theirs, in the same order.
    addresses: Vec<Address>,
    /// Every address that was ever asked for: its place is its number.
    numbers: Vec<Address>,
}

/// One address that is open.
#[derive(Debug)]
struct Place {
    id: usize,
    bound: Bound,
}

impl Listening {
    /// Takes an address up, with a node of its own below `server`. Every worker has to be given the order.
    pub(super) fn open(&mut self, server: &Context, bound: Bound) -> Order {
        let id = self.number(&bound.asked);
        let label = bound.address.to_string();
        let (ctx, handle) = server.named("listener", label).with_cancel();
        // The node goes with the last session below it.
        handle.detach();
        self.addresses.push(bound.address.clone());
        self.places.push(Place {
            id,
            bound: bound.clone(),
        });
        Order::Listen { id, bound, ctx }
    }

    /// The number of the address that is asked for so, which it keeps for good.
    pub(super) fn number(&mut self, asked: &Address) -> usize {
        let known = self.numbers.iter().position(|it| it == asked);
        known.unwrap_or_else(|| {
            self.numbers.push(asked.clone());
            self.numbers.len() - 1
        })
    }

    /// The number of an address that is open.
    pub(super) fn number_of(&self, address: &Address) -> Option<usize> {
        let mut places = self.places.iter();
        let place = places.find(|place| place.bound.address == *address)?;
        Some(place.id)
    }

    /// Gives up the address that was asked for so, and removes its file. Every worker has to be given the order.
    pub(super) fn shut(&mut self, asked: &Address) -> Option<Order> {
        let is_it = |place: &Place| place.bound.asked == *asked;
        let index = self.places.iter().position(is_it)?;
        let Place { id, bound } = self.places.remove(index);
        self.addresses.remove(index);
        if let Some(file) = bound.file() {
            file.remove();
        }
        Some(Order::Unlisten { id })
    }

    /// The same for all addresses.
    pub(super) fn shut_all(&mut self) -> Vec<Order> {
        let asked: Vec<_> = self.asked().cloned().collect();
        asked.iter().filter_map(|asked| self.shut(asked)).collect()
    }

    /// Lets go of all addresses: somebody else listens there, and has the files.
    pub(super) fn leave(&mut self) {
        self.places.clear();
        self.addresses.clear();
    }

    /// What is open.
    pub(super) fn bound(&self) -> impl Iterator<Item = &Bound> {
        self.places.iter().map(|place| &place.bound)
    }

    /// What is open, as it was asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = &Address> {
        self.places.iter().map(|place| &place.bound.asked)
    }

    /// Where it listens, with the ports that were really given.
    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}
