//! Contexts of any length: which vectors begin one, from the repetition levels.

use super::super::contexts::Contexts;
use super::levels::{Odd, Shape, bits};
use super::runs::{Run, Runs, unpack};

/// Counts contexts and their vectors, page after page of a row group.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) contexts: Contexts,
    /// Vectors so far of the context that is not over yet; 0 before the first.
    open: u64,
}

impl Counter {
    /// Takes `times` vectors, each of which begins a context (`level` 0) or goes on with one.
    fn take(&mut self, level: u32, times: u64) -> Result<(), &'static str> {
        if level > 0 && self.open > 0 {
            self.open = self.open.saturating_add(times);
            return Ok(());
        }
        if level > 0 {
            return Err("goes on with a list that does not begin in its row group");
        }
        self.finish()?;
        self.contexts.push(1, times - 1).ok_or("has too many rows")?;
        self.open = 1;
        Ok(())
    }

    /// The last context is over.
    pub(super) fn finish(&mut self) -> Result<(), &'static str> {
        let is_open = u64::from(self.open > 0);
        self.contexts.push(self.open, is_open).ok_or("has too many rows")?;
        self.open = 0;
        Ok(())
    }
}

impl Shape {
    /// Compares the repetition levels of `count` values from number `first` on with what they should
    /// be where contexts may have any length: vectors are all as wide. Gives them to `counter`.
    pub(super) fn count_contexts(
        &self,
        bytes: &[u8],
        (first, count): (u64, u64),
        mut counter: Option<&mut Counter>,
    ) -> Result<Option<Odd>, &'static str> {
        let bits = bits(self.lists);
        let mut runs = Runs::new(bytes, bits, count);
        let mut at = first;
        let mut take = |level: u32, times: u64| match counter.as_deref_mut() {
            Some(counter) => counter.take(level, times),
            None => Ok(()),
        };
        while let Some(run) = runs.next()? {
            let place = at % self.width;
            match run {
                Run::Same { value, len } if self.width == 1 && value <= 1 => take(value, len)?,
                Run::Same { value, len } => {
                    let goes_on = value == self.lists && place > 0 && place + len <= self.width;
                    if value <= 1 && place == 0 && len == 1 {
                        take(value, 1)?;
                    } else if !goes_on {
                        let left = if place == 0 { 0 } else { self.width - place };
                        let odd = if value == self.lists { left } else { u64::from(place == 0) };
                        return Ok(Some(Odd { at: at + odd - first, level: value }));
                    }
                }
                Run::Packed { bytes, len } => {
                    for index in 0..len {
                        let level = unpack(bytes, bits, index as usize);
                        let begins = (at + index).is_multiple_of(self.width);
                        if begins && level <= 1 {
                            take(level, 1)?;
                        } else if begins || level != self.lists {
                            return Ok(Some(Odd { at: at + index - first, level }));
                        }
                    }
                }
            }
            let (Run::Same { len, .. } | Run::Packed { len, .. }) = run;
            at += len;
        }
        Ok(None)
    }
}
