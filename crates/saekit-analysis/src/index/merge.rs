//! Segments into one index: each latent's firings of all segments, by place.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};
use std::path::Path;

use saekit_core::{Interrupt, Observer};

use super::Firing;
use super::segment::{FiringFile, write_firings};
use crate::Result;

/// Writes to `path` the firings of all `segments`, which are over the same latents.
pub(crate) fn merge(
    path: &Path,
    segments: &[FiringFile],
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut offsets = segments[0].offsets().to_vec();
    for segment in &segments[1..] {
        offsets.iter_mut().zip(segment.offsets()).for_each(|(sum, offset)| *sum += offset);
    }
    let d_code = offsets.len() - 1;
    observer.begin("sort by latent", Some(d_code as u64), "latents");
    let written = write_firings(path, &offsets, |out| {
        for latent in 0..d_code {
            interrupt.check().map_err(io::Error::other)?;
            let parts = segments.iter().map(|segment| segment.latent(latent));
            let parts = parts.collect::<Result<Vec<_>>>().map_err(io::Error::other)?;
            let parts: Vec<&[Firing]> = parts.iter().map(|part| &**part).collect();
            merge_parts(&parts, out)?;
            observer.advance(latent as u64 + 1, "");
        }
        Ok(())
    });
    interrupt.check()?;
    written?;
    observer.end();
    Ok(())
}

/// Writes sorted `parts` as one sorted list; of equal places the earlier part's comes first.
fn merge_parts(parts: &[&[Firing]], out: &mut impl Write) -> io::Result<()> {
    let filled: Vec<_> = parts.iter().filter(|part| !part.is_empty()).collect();
    let in_order = filled
        .windows(2)
        .all(|pair| pair[0].last().map(Firing::place) <= pair[1].first().map(Firing::place));
    if in_order {
        return filled.iter().try_for_each(|part| out.write_all(bytemuck::cast_slice(part)));
    }
    let entry = |part: usize, at: usize| Some(Reverse((parts[part].get(at)?.place(), part, at)));
    let mut heads: BinaryHeap<_> = (0..parts.len()).filter_map(|part| entry(part, 0)).collect();
    while let Some(Reverse((_, part, at))) = heads.pop() {
        out.write_all(bytemuck::bytes_of(&parts[part][at]))?;
        heads.extend(entry(part, at + 1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing(sequence: u32, position: u32, value: f32) -> Firing {
        Firing { sequence, position, token: 0, value }
    }

    fn merged(parts: &[&[Firing]]) -> Vec<f32> {
        let mut out = Vec::new();
        merge_parts(parts, &mut out).unwrap();
        // a vector of bytes need not be aligned as firings are
        out.chunks(16).map(|bytes| bytemuck::pod_read_unaligned::<Firing>(bytes).value).collect()
    }

    #[test]
    fn parts_in_order_and_interleaved_parts_come_out_by_place() {
        let a = [firing(0, 1, 1.0), firing(0, 2, 2.0)];
        let b = [firing(0, 3, 3.0), firing(4, 0, 5.0)];
        let c = [firing(0, 0, 0.5), firing(2, 0, 4.0), firing(4, 1, 6.0)];
        assert_eq!(merged(&[&a, &[], &b]), [1.0, 2.0, 3.0, 5.0]);
        assert_eq!(merged(&[&a, &b, &c]), [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(merged(&[&[], &[]]), [] as [f32; 0]);
    }
}
