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
    #[cfg(not(target_os = "linux"))]
    use burn_wgpu::graphics::AutoGraphicsApi as Api;
    // Left to itself wgpu also tries OpenGL, which writes to stderr where there is no display.
    #[cfg(target_os = "linux")]
    use burn_wgpu::graphics::Vulkan as Api;
    use burn_wgpu::{RuntimeOptions, WgpuDevice, WgpuInitError, try_init_setup, wgpu::DeviceType};

    use super::{Adapter, Chosen};

    /// Opens the adapter that wgpu likes best. Asking burn for the device would panic where there is
    /// none; opening it first does not.
    pub(super) fn open() -> Result<Adapter> {
        let options = RuntimeOptions::try_default();
        let setup = options
            .and_then(|options| try_init_setup::<Api>(&WgpuDevice::default(), options))
            .map_err(|error| match error {
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
    use crate::failure::Usage;

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
    use std::panic;

    use anyhow::{Result, anyhow, bail};
    use burn::tensor::{Device, DeviceType};

    use super::Chosen;

    /// Opens the first NVIDIA GPU. The runtime panics where the driver is half there.
    pub(super) fn open() -> Result<Chosen> {
        let Some(device) = Device::enumerate(DeviceType::Cuda).into_iter().next() else {
            bail!(
                "there is no NVIDIA GPU, or its driver is missing; check `nvidia-smi`, or use \
                 `--device cpu`"
            );
        };
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let opened = panic::catch_unwind(|| device.identity());
        panic::set_hook(hook);
        let identity = opened.map_err(|_panic| {
            anyhow!(
                "the NVIDIA GPU cannot be used; check that driver and CUDA toolkit fit together, or \
                 use `--device cpu`"
            )
        })?;
        let name = identity.map_or_else(|| "NVIDIA GPU".to_owned(), |identity| identity.name);
        Ok(Chosen { device: Device::cuda(0), kind: "cuda", name })
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::Chosen;
    use crate::failure::Usage;

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
