//! How many tokens a second go through a model on this machine's CPU:
//! `cargo run --release -p saekit-lm --example forward_speed -- MODEL_FOLDER [SEQUENCES_A_BATCH]`.

use std::path::Path;
use std::time::Instant;

use saekit_core::{HookPoint, LanguageModel as _, Result, TokenBatch};
use saekit_lm::{Decoder, Device};

/// Tokens a measurement.
const TOKENS: usize = 100_000;

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("give the folder of a model")?;
    let rows = arguments.next().map_or(Ok(32), |rows| rows.parse())?;
    let model = Decoder::load(Path::new(&dir), &Device::flex())?;
    let info = model.info();
    let width = info.n_ctx.min(128);
    let ids = |i: usize| (0..width).map(|t| ((i * 31 + t * 7) % info.d_vocab) as u32).collect();
    let tokens = TokenBatch::new(&(0..rows).map(ids).collect::<Vec<Vec<u32>>>());
    let passes = TOKENS.div_ceil(rows * width);
    let measure = |what: &str, pass: &dyn Fn() -> Result<()>| -> Result<()> {
        pass()?;
        let start = Instant::now();
        (0..passes).try_for_each(|_| pass())?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{what}: {:.0} tokens/s", (passes * rows * width) as f64 / seconds);
        Ok(())
    };
    for l in 0..info.n_layers {
        let hook = HookPoint::new(format!("blocks.{l}.hook_resid_post"));
        measure(hook.as_str(), &|| model.capture(&tokens, std::slice::from_ref(&hook)).map(drop))?;
    }
    measure("nll", &|| model.nll(&tokens, None).map(drop))?;
    Ok(())
}
