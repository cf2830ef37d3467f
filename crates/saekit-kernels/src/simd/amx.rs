//! bf16 products on the tile registers of Intel's server processors (AMX).
//!
//! ```text
//! for each 8 steps:                         their weights, 16 KiB, stay in the first-level cache
//!     for each panel:
//!         four tiles of 16 x 16 sums, loaded
//!         per step of 16 pairs: two tiles of weights, two of rows, four products
//!         the sums, stored
//! ```
//! The contents of a tile register, 1 KiB, are contiguous in memory. So are the two registers of a step and
//! the steps of a tile: weights are `[steps, 32 latents, 16 pairs]`, rows `[steps, 2, 16 pairs, 16 rows]`.
//!
//! The registers are named in assembly because the standard library's intrinsics for them are not
//! stable; the compiler never uses them by itself.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

/// Asks Linux for the right to use a state component.
const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
/// The tile registers' data.
const XFEATURE_XTILEDATA: libc::c_long = 18;

/// Whether the processor has the instructions and Linux lets this process use them.
pub(super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_instructions() && is_permitted())
}

fn has_instructions() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const WANTED: u32 = AMX_BF16 | AMX_TILE;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & WANTED == WANTED
}

/// The permission is the process's: every thread has it from then on.
fn is_permitted() -> bool {
    // SAFETY: the call takes two numbers and touches no memory of this process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

/// `ldtilecfg`'s operand: eight registers of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_per_row: [u16; 16],
    rows: [u8; 16],
}

static SHAPES: Shapes = {
    let (mut bytes_per_row, mut rows) = ([0; 16], [0; 16]);
    let mut i = 0;
    while i < 8 {
        bytes_per_row[i] = 64;
        rows[i] = 16;
        i += 1;
    }
    Shapes { palette: 1, start_row: 0, reserved: [0; 14], bytes_per_row, rows }
};

/// Cache lines of `next` that are prefetched per step.
const LINES: usize = 4;

/// Steps that all panels take before the next ones: 16 KiB of weights stay in the first-level cache.
const STEPS: usize = 8;

/// Writes the products of one tile of weights with each of the panels, `[panels, 32, 32]`.
///
/// # Safety
/// The instructions are available; `w` has `32 pairs` values, as has each panel, and `out` 1024 for each
/// panel; `pairs` is a multiple of 16.
pub(super) unsafe fn multiply<'a>(
    w: &[u32],
    next: &[u32],
    panels: &(impl ExactSizeIterator<Item = &'a [u32]> + Clone),
    pairs: usize,
    out: &mut [f32],
) {
    let steps = pairs / 16;
    let parts = steps.div_ceil(STEPS).max(1);
    let calls = parts * panels.len();
    // SAFETY: the instruction reads the shapes.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) };
    for part in 0..parts {
        let (from, to) = (steps * part / parts, steps * (part + 1) / parts);
        for (i, panel) in panels.clone().enumerate() {
            let call = part * panels.len() + i;
            let ahead = next.get(next.len() * call / calls..).unwrap_or(&[]);
            // SAFETY: the caller's promise; steps `from` to `to` are 512 values each of `w` and of the
            // panel, and the registers were configured.
            unsafe {
                let (w, x) = (w.as_ptr().add(512 * from), panel.as_ptr().add(512 * from));
                add_steps(w, x, to - from, part == 0, ahead, out.as_mut_ptr().add(1024 * i));
            }
        }
    }
    // SAFETY: it takes nothing but the registers.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// Adds the products of some steps to the sums of a panel, or starts these sums (`begin`).
///
/// # Safety
/// The instructions are available and the registers configured; `w` and `x` have 512 values per step,
/// `out` 1024.
#[inline]
unsafe fn add_steps(
    w: *const u32,
    x: *const u32,
    steps: usize,
    begin: bool,
    next: &[u32],
    out: *mut f32,
) {
    // Without a next tile the same line is prefetched again and again.
    let ahead = if next.is_empty() { 0 } else { 64 * LINES };
    // SAFETY: each load reads 16 neighbouring rows of 64 bytes; in as many steps of two of these they
    // lie within the caller's promise, as do 32 lines of sums of 128 bytes. A prefetch of any address
    // is allowed. The registers are declared as overwritten.
    unsafe {
        asm!(
            "test {begin:e}, {begin:e}",
            "jnz 2f",
            "tileloadd tmm0, [{out} + {two_lines}]",
            "tileloadd tmm1, [{out} + {two_lines} + 64]",
            "tileloadd tmm2, [{out} + {two_lines} + 2048]",
            "tileloadd tmm3, [{out} + {two_lines} + 2112]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "test {steps}, {steps}",
            "jz 5f",
            "4:",
            "tileloadd tmm4, [{w} + {line}]",
            "tileloadd tmm6, [{x} + {line}]",
            "tileloadd tmm7, [{x} + {line} + 1024]",
            "tileloadd tmm5, [{w} + {line} + 1024]",
            "prefetcht1 [{next}]",
            "prefetcht1 [{next} + 64]",
            "prefetcht1 [{next} + 128]",
            "prefetcht1 [{next} + 192]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {w}, 2048",
            "add {x}, 2048",
            "add {next}, {ahead}",
            "dec {steps}",
            "jnz 4b",
            "5:",
            "tilestored [{out} + {two_lines}], tmm0",
            "tilestored [{out} + {two_lines} + 64], tmm1",
            "tilestored [{out} + {two_lines} + 2048], tmm2",
            "tilestored [{out} + {two_lines} + 2112], tmm3",
            begin = in(reg) u32::from(begin),
            steps = inout(reg) steps => _,
            w = inout(reg) w => _,
            x = inout(reg) x => _,
            next = inout(reg) next.as_ptr() => _,
            line = in(reg) 64_usize,
            ahead = in(reg) ahead,
            two_lines = in(reg) 128_usize,
            out = in(reg) out,
            out("tmm0") _,
            out("tmm1") _,
            out("tmm2") _,
            out("tmm3") _,
            out("tmm4") _,
            out("tmm5") _,
            out("tmm6") _,
            out("tmm7") _,
            options(nostack),
        );
    }
}
