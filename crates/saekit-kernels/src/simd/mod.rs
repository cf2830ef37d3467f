//! All code that depends on the processor, and every `unsafe` block of the crate.
//!
//! * [`Isa`] is the proof that an instruction set was detected: it cannot be made otherwise.
//! * [`Isa::run`] compiles plain loops for it; the compiler vectorises them.
//! * [`tile`] and [`bf16`] hold the products that need registers allocated by hand, [`in_order`] single
//!   ones with the bits of a tile's.
//! * [`gemm`] wraps the gemm crate, which takes pointers.
//!
//! Functions that are safe to call check the lengths of their slices; the blocks say what they rely
//! on.
#![expect(unsafe_code, reason = "instruction sets and pointers live here and nowhere else")]

mod aligned;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod bf16;
mod gemm;
mod in_order;
mod lanes;
mod tile;
mod vector;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};
use std::sync::OnceLock;

pub(crate) use aligned::Aligned;
pub use bf16::Screen;
pub(crate) use bf16::{from_bf16, pairs, part, to_bf16};
pub use gemm::matmul_nt;
pub(crate) use gemm::{Strided, Threads, matmul};
pub(crate) use in_order::PAIRS_AT_ONCE;
pub(crate) use lanes::Lanes;
pub(crate) use tile::{TileShape, TileThresholds};
pub(crate) use vector::Simd;

/// An instruction set that this machine has; the kernels run on the one they are given.
///
/// On `AArch64` the portable code is compiled to NEON, which every such processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Level);

/// From narrow to wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Plain loops to be compiled for an instruction set; mark `run` `#[inline(always)]`.
pub(crate) trait Kernel {
    /// What it gives back.
    type Output;
    /// The loops.
    fn run<V: Lanes>(self, simd: Simd<V>) -> Self::Output;
}

impl Isa {
    /// The widest that this machine has.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().pop().unwrap_or(Self(Level::Portable)))
    }

    /// All that this machine has, narrow to wide.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") {
                found.push(Self(Level::Avx2));
                if has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq") {
                    found.push(Self(Level::Avx512));
                }
            }
        }
        found
    }

    /// `portable`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    /// Runs `kernel` compiled for this instruction set.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: arrays need no instruction set.
            Level::Portable => kernel.run(unsafe { Simd::<[f32; 4]>::new() }),
            // SAFETY: an `Isa` of this level exists only where its features were detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { run_avx512(kernel) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is compiled for it, and called where it was detected.
    kernel.run(unsafe { Simd::<__m256>::new() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function is compiled for it, and called where it was detected.
    kernel.run(unsafe { Simd::<__m512>::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_ordered_and_named() {
        let found = Isa::available();
        assert!(found.is_sorted() && found.contains(&Isa::best()));
        assert_eq!(found[0].name(), "portable");
    }
}
