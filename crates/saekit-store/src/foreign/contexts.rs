//! Contexts: the rows of a file that are lists of vectors, such as documents with their tokens.

use std::ops::Range;

use super::Input;
use crate::error::Result;

/// Vectors whose numbers are read at once, at most.
const MOST_READ: u64 = 1 << 28;

/// The contexts of a file in their order, each with its number of vectors. Memory grows with how often
/// that number changes, not with how many contexts there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contexts {
    runs: Vec<Run>,
    rows: u64,
    count: u64,
}

/// Contexts that follow each other and have as many vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Vectors before.
    first_row: u64,
    /// Contexts before.
    first: u64,
    /// Vectors per context.
    len: u64,
}

impl Contexts {
    /// `count` contexts of `len` vectors each; `None` where they are too many to count.
    pub(super) fn regular(len: u64, count: u64) -> Option<Self> {
        let mut contexts = Self::default();
        contexts.push(len, count).map(|()| contexts)
    }

    /// Adds `count` contexts of `len` vectors each; `None` where they are too many to count.
    pub(super) fn push(&mut self, len: u64, count: u64) -> Option<()> {
        let rows = len.checked_mul(count).and_then(|rows| self.rows.checked_add(rows))?;
        let all = self.count.checked_add(count)?;
        if count > 0 && self.runs.last().is_none_or(|run| run.len != len) {
            self.runs.push(Run { first_row: self.rows, first: self.count, len });
        }
        (self.rows, self.count) = (rows, all);
        Some(())
    }

    /// Adds the contexts of `others`; `None` where they are too many to count.
    pub(super) fn extend(&mut self, others: &Self) -> Option<()> {
        let ends = others.runs.iter().skip(1).map(|run| run.first).chain([others.count]);
        for (run, end) in others.runs.iter().zip(ends) {
            self.push(run.len, end - run.first)?;
        }
        Some(())
    }

    /// Whether all are equally long.
    pub(super) fn is_regular(&self) -> bool {
        self.runs.len() <= 1
    }

    /// Vectors of all contexts.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// How many contexts there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Vectors before the context number `context`; all vectors where there are fewer contexts.
    pub(super) fn first_row(&self, context: u64) -> u64 {
        match self.runs.partition_point(|run| run.first <= context).checked_sub(1) {
            Some(run) if context < self.count => {
                let Run { first_row, first, len } = self.runs[run];
                first_row + (context - first) * len
            }
            _ => self.rows,
        }
    }

    /// The numbers of the vectors of each of `contexts`, which `read` reads for a range of vectors.
    pub(super) fn read(
        &self,
        input: &Input,
        contexts: Range<u64>,
        read: impl FnOnce(Range<u64>, &mut [u32]) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let rows = self.first_row(contexts.start)..self.first_row(contexts.end);
        if rows.end - rows.start > MOST_READ {
            return Err(input.damaged(format!("{} tokens in {contexts:?}", rows.end - rows.start)));
        }
        let mut all = vec![0; (rows.end - rows.start) as usize];
        read(rows.clone(), &mut all)?;
        let part = |context| {
            let [from, to] =
                [context, context + 1].map(|c| (self.first_row(c) - rows.start) as usize);
            all[from..to].to_vec()
        };
        Ok(contexts.map(part).collect())
    }

    /// Writes the context, counted from `first_sequence` on, and the position in it of each of the
    /// vectors `rows`, of which there is each.
    pub(super) fn number(
        &self,
        rows: Range<u64>,
        first_sequence: u32,
        out: (&mut [u32], &mut [u32]),
    ) {
        let mut run =
            self.runs.partition_point(|run| run.first_row <= rows.start).saturating_sub(1);
        for (row, (sequence, position)) in rows.zip(out.0.iter_mut().zip(out.1)) {
            while self.runs.get(run + 1).is_some_and(|next| next.first_row <= row) {
                run += 1;
            }
            let Some(Run { first_row, first, len }) = self.runs.get(run).copied() else { return };
            let (context, place) = ((row - first_row) / len.max(1), (row - first_row) % len.max(1));
            *sequence = first_sequence.wrapping_add((first + context) as u32);
            *position = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_has_its_context_and_its_position() {
        let lens = [3, 3, 0, 1, 0, 0, 2, 2, 2, 0];
        let mut contexts = Contexts::default();
        for len in lens {
            contexts.push(len, 1).unwrap();
        }
        let each = (0..).zip(lens).flat_map(|(c, len)| (0..len).map(move |p| (c + 7, p as u32)));
        let expected: Vec<(u32, u32)> = each.collect();
        assert_eq!((contexts.rows(), contexts.count()), (13, 10));
        for start in 0..13 {
            for end in start..=13 {
                let (mut sequences, mut positions) = (vec![0; end - start], vec![0; end - start]);
                let rows = start as u64..end as u64;
                contexts.number(rows, 7, (&mut sequences, &mut positions));
                let found: Vec<_> = sequences.into_iter().zip(positions).collect();
                assert_eq!(found, expected[start..end]);
            }
        }
        for context in 0..=10 {
            let before = lens[..context].iter().sum::<u64>();
            assert_eq!(contexts.first_row(context as u64), before);
        }
        assert_eq!(Contexts::default().push(u64::MAX, 2), None);
    }
}
