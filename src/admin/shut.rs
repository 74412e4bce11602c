//! Tells those who are being told something that the interface shuts.

use std::convert::Infallible;

use async_channel::{Receiver, Sender};

/// Open until it is shut. A reply that goes on ends with it.
pub(super) struct Shut {
    open: Sender<Infallible>,
    waits: Receiver<Infallible>,
}

impl Shut {
    pub(super) fn new() -> Self {
        let (open, waits) = async_channel::bounded(1);
        Self { open, waits }
    }

    pub(super) fn now(&self) {
        self.open.close();
    }

    /// Until it is shut.
    pub(super) async fn wait(&self) {
        let Err(_) = self.waits.recv().await;
    }
}
