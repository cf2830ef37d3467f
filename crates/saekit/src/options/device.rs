//! `--device`: where tensors are computed.

use anyhow::Result;
use burn::tensor::Device;
use clap::ValueEnum;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// A real GPU where there is one, otherwise the CPU
    #[default]
    Auto,
    /// The CPU
    Cpu,
    /// Any adapter of Vulkan, Metal or DX12, software adapters included
    Wgpu,
    /// The first NVIDIA GPU, through CUDA
    Cuda,
}

/// The flag.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Arg {
    /// Where to compute: auto (a real GPU where there is one), cpu, wgpu or cuda
    #[arg(long, value_enum, value_name = "DEVICE", default_value_t, hide_possible_values = true)]
    pub(crate) device: Choice,
}

/// What they get.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// For models and learners.
    pub(crate) device: Device,
    /// `cpu`, `wgpu` or `cuda`: what a plan records.
    pub(crate) kind: &'static str,
    /// The part's name, for people.
    name: String,
}

impl Chosen {
    /// The line that says what was chosen.
    pub(crate) fn line(&self) -> String {
        format!("device: {} ({})", self.kind, self.name)
    }
}

/// Finds the device for `choice`; opens it unless it is the CPU.
pub(crate) fn choose(choice: Choice) -> Result<Chosen> {
    match choice {
        Choice::Cpu => Ok(cpu()),
        Choice::Wgpu => Ok(wgpu::open()?.chosen),
        Choice::Cuda => cuda::open(),
        Choice::Auto => Ok(best()),
    }
}

/// A real GPU, or the CPU.
fn best() -> Chosen {
    let wgpu = || wgpu::open().ok().filter(|adapter| adapter.is_gpu).map(|adapter| adapter.chosen);
    cuda::open().ok().or_else(wgpu).unwrap_or_else(cpu)
}

fn cpu() -> Chosen {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let name = format!("{threads} thread{}", if threads == 1 { "" } else { "s" });
    Chosen { device: Device::flex(), kind: "cpu", name }
}

/// Opens a driver with `open`: a panic in there becomes an error, and nothing reaches stderr, where
/// drivers write what looks like errors and is none.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn quietly<T>(open: impl FnOnce() -> T) -> Result<T> {
    #[cfg(unix)]
    let muted = Muted::new();
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(open));
    #[cfg(unix)]
    drop(muted);
    opened.map_err(|_panic| {
        anyhow::anyhow!("the driver of the graphics card failed; update it, or use `--device cpu`")
    })
}

/// Stderr leads nowhere while this lasts.
#[cfg(all(unix, any(feature = "wgpu", feature = "cuda")))]
struct Muted(Option<std::os::fd::OwnedFd>);

#[cfg(all(unix, any(feature = "wgpu", feature = "cuda")))]
impl Muted {
    fn new() -> Self {
        let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null");
        let stderr = rustix::io::dup(rustix::stdio::stderr());
        let (Ok(nowhere), Ok(stderr)) = (nowhere, stderr) else { return Self(None) };
        let muted = rustix::stdio::dup2_stderr(nowhere).is_ok();
        Self(muted.then_some(stderr))
    }
}

#[cfg(all(unix, any(feature = "wgpu", feature = "cuda")))]
impl Drop for Muted {
    fn drop(&mut self) {
        if let Some(stderr) = self.0.take() {
            rustix::stdio::dup2_stderr(stderr).ok();
        }
    }
}

/// An open adapter.
struct Adapter {
    chosen: Chosen,
    /// Whether it is more than a software adapter.
    is_gpu: bool,
}

#[cfg(feature = "wgpu")]
mod wgpu {
    use anyhow::{Result, anyhow};
    use burn::tensor::{Device, DeviceKind};
    use burn_wgpu::graphics::AutoGraphicsApi;
    use burn_wgpu::{RuntimeOptions, WgpuDevice, WgpuInitError, try_init_setup, wgpu::DeviceType};

    use super::{Adapter, Chosen, quietly};

    /// Opens the adapter that wgpu likes best. Asking burn for the device would panic where there is
    /// none; opening it first does not.
    pub(super) fn open() -> Result<Adapter> {
        let open = || {
            let options = RuntimeOptions::try_default()?;
            try_init_setup::<AutoGraphicsApi>(&WgpuDevice::default(), options)
        };
        let setup = quietly(open)?.map_err(|error| match error {
            WgpuInitError::AdapterUnavailable { .. } => anyhow!(
                "there is no graphics adapter; install a Vulkan driver (the package \
                     mesa-vulkan-drivers has a software one) or use `--device cpu`"
            ),
            other => anyhow!(
                "the graphics adapter cannot be used: {other}; update its driver or use \
                     `--device cpu`"
            ),
        })?;
        let info = setup.adapter.get_info();
        let is_gpu = info.device_type != DeviceType::Cpu;
        let software = if is_gpu { "" } else { ", a software adapter" };
        let chosen = Chosen {
            device: Device::wgpu(DeviceKind::DefaultDevice),
            kind: "wgpu",
            name: format!("{}, {:?}{software}", info.name, info.backend),
        };
        Ok(Adapter { chosen, is_gpu })
    }
}

#[cfg(not(feature = "wgpu"))]
mod wgpu {
    use super::Adapter;
    use crate::exit::Usage;

    pub(super) fn open() -> anyhow::Result<Adapter> {
        Err(Usage(
            "this saekit was built without wgpu; build it with `--features wgpu`, or use \
                   `--device cpu`"
                .to_owned(),
        )
        .into())
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use anyhow::{Result, bail};
    use burn::tensor::{Device, DeviceType};

    use super::{Chosen, quietly};

    /// Opens the first NVIDIA GPU. The runtime panics where the driver is half there.
    pub(super) fn open() -> Result<Chosen> {
        let Some(device) = Device::enumerate(DeviceType::Cuda).into_iter().next() else {
            bail!(
                "there is no NVIDIA GPU, or its driver is missing; check `nvidia-smi`, or use \
                 `--device cpu`"
            );
        };
        let name = quietly(|| device.identity())?
            .map_or_else(|| "NVIDIA GPU".to_owned(), |identity| identity.name);
        Ok(Chosen { device: Device::cuda(0), kind: "cuda", name })
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::Chosen;
    use crate::exit::Usage;

    pub(super) fn open() -> anyhow::Result<Chosen> {
        Err(Usage(
            "this saekit was built without CUDA; build it with `--features cuda`, or use \
             `--device cpu`"
                .to_owned(),
        )
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_flag() {
        let names: Vec<_> =
            Choice::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: Vec<_> = names.iter().map(|value| value.get_name().to_owned()).collect();
        assert_eq!(names, ["auto", "cpu", "wgpu", "cuda"]);
        for (name, choice) in names.iter().zip(Choice::value_variants()) {
            assert_eq!(Choice::from_str(name, false).as_ref(), Ok(choice));
        }
        assert!(Choice::from_str("gpu", false).is_err());
    }

    #[test]
    fn the_cpu_is_always_there() {
        let chosen = choose(Choice::Cpu).unwrap();
        assert_eq!((chosen.kind, chosen.device), ("cpu", Device::flex()));
    }
}
