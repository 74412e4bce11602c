//! How many connections one client has, over all workers.
//!
//! A client is a [`Network`]. Whoever has none is not remembered, so the memory is bounded by the connections there are.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use super::Network;
use super::sync::{Mutex, lock};

/// The connections per client. Cloned, it is the same count.
#[derive(Clone)]
pub struct PerAddress {
    shared: Arc<Shared>,
}

impl PerAddress {
    /// Nobody is connected.
    #[must_use]
    pub fn new() -> Self {
        let hasher = RandomState::new();
        let shard = || Mutex::new(HashMap::with_hasher(hasher.clone()));
        let shards = std::array::from_fn(|_| shard());
        Self {
            shared: Arc::new(Shared { hasher, shards }),
        }
    }

    /// Counts a connection from `ip`. `None`, and nothing is counted, where its client has `max` already.
    #[must_use]
    pub fn enter(&self, ip: IpAddr, max: usize) -> Option<Entered> {
        let network = Network::from(ip);
        let mut shard = lock(self.shared.shard(&network));
        if shard.get(&network).copied().unwrap_or(0) >= max {
            return None;
        }
        *shard.entry(network).or_insert(0) += 1;
        Some(Entered {
            shared: self.shared.clone(),
            network,
        })
    }

    /// How many clients are connected.
    #[must_use]
    pub fn client_count(&self) -> usize {
        let shards = self.shared.shards.iter();
        shards.map(|shard| lock(shard).len()).sum()
    }

    /// For how many there is room without more memory.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        let shards = self.shared.shards.iter();
        shards.map(|shard| lock(shard).capacity()).sum()
    }
}

impl Default for PerAddress {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerAddress")
    }
}

/// A connection that counts until this is dropped.
#[must_use = "dropping it says that the connection has ended"]
pub struct Entered {
    /// Where it is counted.
    shared: Arc<Shared>,
    /// For whom.
    network: Network,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut shard = lock(self.shared.shard(&self.network));
        let Some(count) = shard.get_mut(&self.network) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            shard.remove(&self.network);
            // Memory goes with those that it was for, and so seldom that it costs each of them little.
            if shard.capacity() > CAPACITY_KEPT && shard.len() < shard.capacity() / 8 {
                let keep = (shard.len() * 2).max(CAPACITY_KEPT);
                shard.shrink_to(keep);
            }
        }
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entered").field(&self.network).finish()
    }
}

/// The connections of the clients that have some: never zero.
type Shard = Mutex<HashMap<Network, usize, RandomState>>;

struct Shared {
    /// Nobody can choose where a client is counted.
    hasher: RandomState,
    /// LOCK: one at a time, and nothing else is locked while it is.
    shards: [Shard; SHARDS],
}

impl Shared {
    fn shard(&self, network: &Network) -> &Shard {
        // The map uses other bits of the same hash: the top seven and the lowest.
        let index = (self.hasher.hash_one(network) >> 32) as usize % SHARDS;
        &self.shards[index]
    }
}

/// How many: some times as many as there are workers on what osier runs on.
const SHARDS: usize = 16;

/// Room for so many clients is not given back.
const CAPACITY_KEPT: usize = 28;
