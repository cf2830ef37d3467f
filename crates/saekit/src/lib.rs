//! Sparse autoencoders from sentences to dictionaries.
//!
//! ```text
//! text -> activations -> streaming training -> dictionary -> evaluation, export
//!         (a store)      (a learner)           (a codec)
//! ```
//!
//! The binary `saekit` does all of it; this library gives its crates under one name, for programs
//! that want a part. Start with [`core`]: the contracts that everything else implements.
//!
//! # Quickstart
//!
//! A TopK autoencoder on rows of your own, exported for SAELens:
//!
//! ```
//! use saekit::{core::*, dictionary::format, learners::*, lm::Device, store::*, train::*};
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let hook = HookPoint::new("toy");
//! let columns = vec![ColumnSpec { name: hook.clone(), width: 8 }];
//! let spec = StoreSpec { columns, has_tokens: false, ..Default::default() };
//! let mut writer = StoreWriter::create(dir.join("store"), spec)?;
//! let random = rng::Rng::new(0, "toy");
//! let rows: Vec<f32> = (0..8 * 4096).map(|i| random.uniform(i).powi(4) as f32).collect();
//! let rows = Matrix::new(4096, 8, rows);
//! writer.push_rows(&RowBlock { sequences: &[], positions: &[], columns: &[rows.view()] })?;
//! writer.finish()?;
//!
//! let store = Store::open(dir.join("store"))?;
//! let scale = store.column(&hook)?.scale;
//! let mut source = store.stream(&StreamConfig { columns: vec![(hook, scale)], ..Default::default() })?;
//! let plan = RunConfig { batch: 256, ..Default::default() }.resolve(4096)?;
//! let learner = LearnerConfig::TopK(top_k::Config::new(32, 2));
//! let context = Context { d_in: 8, rows: plan.rows, seed: plan.seed, device: Device::flex() };
//! let mut learner = learner.build(&context)?;
//! let folder = RunFolder::claim(&dir.join("run"), "k = 2", false)?;
//! Run {
//!     plan: &plan,
//!     folder: &folder,
//!     source: &mut source,
//!     learner: &mut *learner,
//!     columns: Columns { input: 0, target: 0 },
//!     scales: Scales { input: scale, target: scale },
//!     first_rows: None,
//!     provenance: Provenance::default(),
//! }
//! .execute(&Interrupt::default(), &mut Silent)?;
//!
//! let sae = format::read(&dir.join("run/dictionary"))?;
//! let codes = sae.encode(rows.view())?; // in the units of the raw rows
//! # assert_eq!((codes.rows(), codes.d_code()), (4096, 32));
//! format::by_name("saelens").expect("it is in FORMATS").write(&sae, dir)?;
//! # assert!(dir.join("sae_weights.safetensors").is_file());
//! # Ok(()) }
//! ```

pub use saekit_analysis as analysis;
pub use saekit_core as core;
pub use saekit_dictionary as dictionary;
pub use saekit_eval as eval;
pub use saekit_harvest as harvest;
pub use saekit_kernels as kernels;
pub use saekit_learners as learners;
pub use saekit_lm as lm;
pub use saekit_pages as pages;
pub use saekit_remote as remote;
pub use saekit_store as store;
pub use saekit_train as train;
