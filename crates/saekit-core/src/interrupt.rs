use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::{Error, Result};

/// A shared flag that asks long work to stop at the next safe point.
///
/// Whoever raises it may end the process soon after, wherever the work is: files are written whole or
/// not at all. [`hold`](Self::hold) asks for the time to finish what would be lost.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    raised: AtomicBool,
    holds: AtomicUsize,
}

/// Work in hand that would be lost if the process ended now; made by [`Interrupt::hold`].
#[derive(Debug)]
pub struct Hold(Interrupt);

impl Interrupt {
    /// Asks to stop.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
    }

    /// True once somebody asked.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// [`Error::Interrupted`] once somebody asked.
    pub fn check(&self) -> Result<()> {
        if self.is_raised() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Asks whoever would end the process to wait until the [`Hold`] is dropped: for short work whose
    /// result is still to be saved, such as a training step and its checkpoint.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::SeqCst);
        Hold(self.clone())
    }

    /// True while there is a [`Hold`].
    pub fn is_held(&self) -> bool {
        self.0.holds.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.holds.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_held_while_there_is_a_hold() {
        let interrupt = Interrupt::default();
        let (one, other) = (interrupt.hold(), interrupt.clone().hold());
        drop(one);
        assert!(interrupt.is_held());
        drop(other);
        assert!(!interrupt.is_held());
    }
}
