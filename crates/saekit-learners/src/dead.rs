//! Counts the rows since each latent last fired.

use saekit_core::{State, StateTensor};

/// Rows since each latent last fired.
#[derive(Clone, Debug)]
pub(crate) struct DeadLatents {
    rows_since_fired: Vec<u64>,
    dead_after: u64,
}

const NAME: &str = "rows_since_fired";

impl DeadLatents {
    /// Counters of `d_sae` latents, all of which just fired. A latent is dead after `dead_after` rows.
    pub(crate) fn new(d_sae: usize, dead_after: u64) -> Self {
        Self { rows_since_fired: vec![0; d_sae], dead_after }
    }

    /// Counts a batch of `rows` rows in which the latents in `fired` were active.
    pub(crate) fn count(&mut self, rows: u64, fired: impl Iterator<Item = u32>) {
        for since in &mut self.rows_since_fired {
            *since += rows;
        }
        for id in fired {
            self.rows_since_fired[id as usize] = 0;
        }
    }

    /// The dead latents, ascending.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let dead = |since: &u64| *since >= self.dead_after;
        (0..).zip(&self.rows_since_fired).filter(|(_, s)| dead(s)).map(|(id, _)| id).collect()
    }

    /// Fraction of the latents that are dead.
    pub(crate) fn fraction(&self) -> f64 {
        self.ids().len() as f64 / self.rows_since_fired.len().max(1) as f64
    }

    /// Adds the counters to `state`.
    pub(crate) fn save(&self, state: &mut State) {
        let data = self.rows_since_fired.clone();
        state.insert(NAME.to_owned(), StateTensor::U64 { shape: vec![data.len()], data });
    }

    /// Restores the counters from `state`.
    pub(crate) fn restore(&mut self, state: &State) -> saekit_core::Result<()> {
        let len = self.rows_since_fired.len();
        self.rows_since_fired = StateTensor::u64s(state, NAME, len)?.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latent_dies_after_the_given_rows_and_lives_again() {
        let mut dead = DeadLatents::new(3, 20);
        dead.count(10, [0, 1].into_iter());
        dead.count(10, [1].into_iter());
        assert_eq!(dead.ids(), [2]);
        dead.count(10, [2].into_iter());
        assert_eq!(dead.ids(), [0]);
        assert!((dead.fraction() - 1.0 / 3.0).abs() < 1e-12);
    }
}
