use std::fmt;

use saekit_core::HookPoint;

use crate::blueprint::Blueprint;

/// A hook point of a decoder. The order is that of the forward pass, which is how a pass knows that
/// it may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hook {
    /// Within a block, by the block's index.
    Block(usize, Site),
}

/// A hook point within a block, in the order of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    /// The residual stream before the block.
    ResidPre,
    /// What attention adds to it.
    AttnOut,
    /// The residual stream between attention and MLP.
    ResidMid,
    /// What the MLP adds to it.
    MlpOut,
    /// The residual stream after the block.
    ResidPost,
}

impl Site {
    const ALL: [Self; 5] =
        [Self::ResidPre, Self::AttnOut, Self::ResidMid, Self::MlpOut, Self::ResidPost];

    /// The last part of its TransformerLens name.
    fn name(self) -> &'static str {
        match self {
            Self::ResidPre => "hook_resid_pre",
            Self::AttnOut => "hook_attn_out",
            Self::ResidMid => "hook_resid_mid",
            Self::MlpOut => "hook_mlp_out",
            Self::ResidPost => "hook_resid_post",
        }
    }
}

impl Hook {
    /// Every hook point of a model, in the order of the forward pass.
    pub(crate) fn all(blueprint: &Blueprint) -> impl Iterator<Item = Self> {
        (0..blueprint.n_layers).flat_map(|l| Site::ALL.map(|site| Self::Block(l, site)))
    }

    /// Width of the activations there.
    pub(crate) fn width(self, blueprint: &Blueprint) -> usize {
        match self {
            Self::Block(..) => blueprint.d_model,
        }
    }

    /// The hook point that has this name.
    pub(crate) fn find(point: &HookPoint, blueprint: &Blueprint) -> Option<Self> {
        Self::all(blueprint).find(|hook| hook.to_string() == point.as_str())
    }

    /// All names, in few words.
    pub(crate) fn listing(blueprint: &Blueprint) -> String {
        let layers = match blueprint.n_layers {
            1 => "0".to_owned(),
            n => format!("{{0..{}}}", n - 1),
        };
        format!("`blocks.{layers}.{}`", Site::ALL.map(Site::name).join("|"))
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(l, site) => write!(f, "blocks.{l}.{}", site.name()),
        }
    }
}
