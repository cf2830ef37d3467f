use burn::tensor::Device;

/// The facts of a run that a learner needs besides its settings.
#[derive(Clone, Debug)]
pub struct Context {
    /// Width of the rows it will see.
    pub d_in: usize,
    /// Rows of the whole run.
    pub rows: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// The device it computes on.
    pub device: Device,
}
