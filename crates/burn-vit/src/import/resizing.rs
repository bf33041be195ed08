//! How tables and kernels are brought to other sizes.

use burn_patch::embed::{LinearPatchEmbed, PatchEmbed};
use burn_patch::position::{AnyPosition, BiasResize};
use burn_patch::resample::{Align, Filter, Profile};

use crate::import::architecture::Architecture;
use crate::import::dialect::Dialect;
use crate::import::plan::{Op, Plan};
use crate::vit::Vit;

/// How tables and kernels are brought to other sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resizing {
    /// Of position tables.
    pub(crate) table: Profile,
    /// Whose pseudo-inverse resizes the patch projection.
    pub(crate) kernel: Filter,
}

impl Resizing {
    /// As the library of a dialect does.
    pub(crate) fn usual(dialect: Dialect, arch: &Architecture, plan: &Plan) -> Self {
        // FlexiViT's, and what timm does to weights from JAX.
        let linear = Filter::Linear(Align::Edges);
        let table = match dialect {
            // SigLIP2 keeps the projection of flat patches.
            Dialect::Siglip if plan.steps.iter().any(|step| step.op == Op::Unflatten) => {
                Profile::SigLip2
            }
            Dialect::Timm | Dialect::TimmEva | Dialect::TimmNaflex => Profile::Timm,
            Dialect::TransformersDinov2 if arch.registers > 0 => Profile::DinoV2Registers,
            // `interpolate_embeddings` of torchvision aligns corners.
            Dialect::Torchvision => Profile::Custom(Filter::Cubic(Align::Corners)),
            Dialect::Flax => Profile::Custom(linear),
            _ => Profile::HuggingFace,
        };
        let kernel = match dialect {
            Dialect::Flax => linear,
            _ => Filter::SmoothCubic,
        };
        Self { table, kernel }
    }
}

/// Tables of relative biases for images of another size, resized as timm does for BEiT.
pub(crate) fn resize_biases(
    vit: &mut Vit<LinearPatchEmbed>,
    image: [usize; 2],
) -> Result<(), crate::Error> {
    let grid = vit.patch_embed.layout(image)?;
    vit.encoder.position_within = match vit.encoder.position_within.take() {
        Some(AnyPosition::RelativeBias(bias)) => {
            let resized = bias.resized([grid.rows, grid.cols], BiasResize::Geometric)?;
            Some(AnyPosition::RelativeBias(resized))
        }
        other => other,
    };
    Ok(())
}
