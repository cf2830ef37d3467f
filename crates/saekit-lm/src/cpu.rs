//! Two passes over large activations that burn's CPU backend makes one value at a time on one
//! thread, as vectorised passes over host slices on all threads. On other devices burn's own
//! operations are used; the tests hold the two against each other.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::Error;

/// Rows or runs of values that one thread takes at a time.
const VALUES_A_TASK: usize = 1 << 14;

/// Partial sums, so that a sum may be vectorised.
const LANES: usize = 16;

/// Whether tensors of `device` are in host memory.
pub(crate) fn is(device: &Device) -> bool {
    *device == Device::flex()
}

/// GELU by its tanh approximation, in place:
/// `x / 2 * (1 + tanh(u)) = x / (1 + exp(-2 u))`, `u = sqrt(2 / pi) * (x + 0.044715 x^3)`.
pub(crate) fn gelu_tanh(x: Tensor<2>) -> Result<Tensor<2>, Error> {
    const A: f32 = -1.595_769; // -2 sqrt(2 / pi)
    const B: f32 = A * 0.044_715;
    let device = x.device();
    let mut data = x.try_into_data().map_err(Error::device)?;
    let values = data.as_mut_slice::<f32>().map_err(Error::device)?;
    values.par_chunks_mut(VALUES_A_TASK).for_each(|values| {
        for x in values {
            *x /= 1.0 + exp(*x * (A + B * *x * *x));
        }
    });
    Ok(Tensor::from_data(data, &device))
}

/// The negative log-likelihood, nats, of one target id a row of `logits`, `[rows, d_vocab]`.
pub(crate) fn cross_entropy(logits: &TensorData, targets: &[u32]) -> Result<Vec<f32>, Error> {
    let values = logits.as_slice::<f32>().map_err(Error::device)?;
    let rows = values.par_chunks(values.len() / targets.len());
    Ok(rows.zip(targets).map(|(row, target)| log_sum_exp(row) - row[*target as usize]).collect())
}

/// `ln(sum(exp(row)))`.
fn log_sum_exp(row: &[f32]) -> f32 {
    let (lanes, rest) = row.as_chunks::<LANES>();
    let mut max = [f32::NEG_INFINITY; LANES];
    for values in lanes {
        max.iter_mut().zip(values).for_each(|(max, v)| *max = if *v > *max { *v } else { *max });
    }
    let max = max.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0; LANES];
    for values in lanes {
        sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += exp(v - max));
    }
    let sum: f32 = sums.iter().sum::<f32>() + rest.iter().map(|v| exp(v - max)).sum::<f32>();
    max + sum.ln()
}

/// `e^x` to 2e-7 of its value, without a branch: `2^n e^r`, `n` the whole number next to
/// `x / ln 2`, `e^r` by a polynomial of the sixth degree (the coefficients are Cephes' `expf`).
/// Below -87 and above 88 it stays what it is there.
#[inline]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the whole number in the low bits
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4]; // in two parts, the first exact
    const ONE_BITS: u32 = 0x3f80_0000;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(ONE_BITS));
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation;

    use super::*;

    fn values() -> Vec<f32> {
        (-40_000..40_000).map(|i| i as f32 * 1.1e-3).collect()
    }

    #[test]
    fn exp_is_the_exponential() {
        for x in values().into_iter().map(|x| 1.9 * x) {
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 2e-7 * expected, "{x}: {found} {expected}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(f32::NEG_INFINITY), exp(-87.0));
    }

    #[test]
    fn gelu_is_burns() {
        let device = Device::flex();
        assert!(is(&device));
        let x = || Tensor::<2>::from_data(TensorData::new(values(), [400, 200]), &device);
        let found = gelu_tanh(x()).unwrap().into_data();
        let expected = activation::gelu_approximate(x()).into_data();
        let pairs = found.as_slice::<f32>().unwrap().iter().zip(expected.as_slice().unwrap());
        for (found, expected) in pairs {
            let expected: f32 = *expected;
            assert!((found - expected).abs() <= 5e-7 * expected.abs().max(1.0));
        }
    }

    #[test]
    fn cross_entropy_is_the_definition() {
        let (rows, d_vocab) = (400, 200);
        let logits: Vec<f32> = values().iter().map(|x| (x * 1e3).sin() * 9.0).collect();
        let targets: Vec<u32> = (0..rows).map(|i| i * 7 % d_vocab).collect();
        let data = TensorData::new(logits.clone(), [rows as usize, d_vocab as usize]);
        let found = cross_entropy(&data, &targets).unwrap();
        for ((row, target), found) in logits.chunks(d_vocab as usize).zip(&targets).zip(found) {
            let sum: f64 = row.iter().map(|v| f64::from(*v).exp()).sum();
            let expected = sum.ln() - f64::from(row[*target as usize]);
            assert!((f64::from(found) - expected).abs() <= 2e-6 * expected.abs().max(1.0));
        }
    }
}
