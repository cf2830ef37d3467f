//! Decides for each row of a store whether a filter excludes it, and why.

use saekit_core::{HookPoint, Interrupt};

use crate::catalog::Catalog;
use crate::catalog::row_range::RowRange;
use crate::error::{Error, Result, StreamError};
use crate::read::projection::{Projection, StoreView};
use crate::read::row_buffer::RowBuffer;
use crate::select::filter::{Exclusion, RowFilter};
use crate::select::token_exclusions::TokenLookup;

/// Decides about the rows of one group after the other.
pub(super) struct RowClassifier<'a> {
    pub(super) store: &'a Catalog,
    pub(super) columns: &'a [HookPoint],
    pub(super) filter: &'a RowFilter,
    /// Where the table matters.
    pub(super) tokens: Option<TokenLookup<'a>>,
    pub(super) rows: RowBuffer,
}

impl RowClassifier<'_> {
    /// For each row of `group` why it is excluded, if it is.
    pub(super) fn group(
        &mut self,
        group: RowRange,
        interrupt: &Interrupt,
    ) -> Result<Vec<Option<Exclusion>>> {
        let mut reasons = self.by_number(group)?;
        for column in self.columns {
            self.by_value(group, column, interrupt, &mut reasons)?;
        }
        Ok(reasons)
    }

    /// For each row of `group` why its sequence and position exclude it, if they do.
    fn by_number(&mut self, group: RowRange) -> Result<Vec<Option<Exclusion>>> {
        let (store, rows) = (self.store, group.rows as usize);
        if !store.has_sequences {
            return Ok(vec![None; rows]);
        }
        let (mut sequences, mut positions) = (vec![0; rows], vec![0; rows]);
        let shard = &store.shards[group.shard as usize];
        let index = group.index as usize;
        shard.read_tokens(index, group.range(), &mut sequences, &mut positions)?;
        let reason = |at| {
            let by_token = self.by_token(group, at)?;
            let by_numbers = self.filter.numbers(at, store.tokens.is_some());
            Ok(match by_token {
                Some(Exclusion::OtherPart) => by_token,
                _ => by_numbers.or(by_token),
            })
        };
        sequences.into_iter().zip(positions).map(reason).collect()
    }

    /// The reason why the token of a row of `group` excludes it, if it does.
    fn by_token(&mut self, group: RowRange, at: (u32, u32)) -> Result<Option<Exclusion>> {
        let Some(tokens) = &mut self.tokens else { return Ok(None) };
        match tokens.find(at)? {
            Some(token) => tokens.reason(token),
            None => Err(self.unknown_token(group, at)),
        }
    }

    /// Adds to `reasons`, for each row of `group` that has none yet, why its values in `column` exclude
    /// it, if they do.
    fn by_value(
        &mut self,
        group: RowRange,
        column: &HookPoint,
        interrupt: &Interrupt,
        reasons: &mut [Option<Exclusion>],
    ) -> Result<()> {
        let RowFilter { max_norm, drop_non_finite, .. } = *self.filter;
        if max_norm.is_none() && !drop_non_finite {
            return Ok(());
        }
        let store = self.store;
        let projection = Projection::of_store(store, &[(column.clone(), 1.0)])?;
        let view = StoreView { store, projection: &projection };
        self.rows.read(view, &[group], interrupt)?;
        let info = &store.manifest.columns[store.column_index(column)?];
        let limit = max_norm.map_or(f64::INFINITY, |max_norm| max_norm * info.mean_norm);
        let mut batch = projection.shape().batch(1);
        for (row, reason) in reasons.iter_mut().enumerate() {
            let values = batch.columns[0].row_mut(0);
            let is_finite = self.rows.decode_row(row, &projection, 0, values);
            let squares = values.iter().map(|v| f64::from(*v).powi(2));
            let is_large = squares.sum::<f64>().sqrt() > limit;
            if !is_finite && !drop_non_finite {
                self.rows.copy_row(view, row, 0, &mut batch)?; // which says where it is
            }
            let large = is_large.then_some(Exclusion::Norm);
            *reason = reason.or(if is_finite { large } else { Some(Exclusion::NonFinite) });
        }
        Ok(())
    }

    fn unknown_token(&self, group: RowRange, (sequence, position): (u32, u32)) -> Error {
        StreamError::UnknownToken {
            path: self.store.shards[group.shard as usize].path().to_owned(),
            row_group: group.index as usize,
            sequence,
            position,
        }
        .into()
    }
}
