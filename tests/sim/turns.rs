//! An executor of one thread that runs one task at a time, whichever the dice say of those that can run.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_task::{Runnable, Task};

use super::dice::Dice;

/// The tasks of one run. Cloned, they are the same.
#[derive(Clone)]
pub(crate) struct Turns {
    /// Those that were woken.
    woken: Arc<Mutex<Vec<Runnable>>>,
    dice: Dice,
}

impl Turns {
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            woken: Arc::default(),
            dice,
        }
    }

    /// Begins a task. Dropping what this gives ends it.
    pub(crate) fn spawn<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> Task<T> {
        let woken = self.woken.clone();
        let schedule = move |runnable| {
            woken
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(runnable);
        };
        let (runnable, task) = async_task::spawn_local(work, schedule);
        runnable.schedule();
        task
    }

    /// Runs one of those that can run. False: none can.
    pub(crate) fn step(&self) -> bool {
        let runnable = {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            match woken.len() {
                0 => return false,
                1 => woken.remove(0),
                several => woken.remove(self.dice.below(several)),
            }
        };
        runnable.run();
        true
    }
}
