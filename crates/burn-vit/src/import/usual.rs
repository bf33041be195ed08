//! What a dialect's library takes for granted where neither weights nor configuration say it.

use crate::import::architecture::{Act, Rotary};
use crate::import::dialect::Dialect;
use crate::import::facts::Facts;

/// The settings that all models of a dialect share, or nearly all. What differs between its models is left open.
pub(crate) fn usual(dialect: Dialect, weights: &Facts) -> Facts {
    let (act, epsilon) = match dialect {
        Dialect::Timm | Dialect::TimmEva | Dialect::TimmNaflex => (Some(Act::Gelu), 1e-6),
        Dialect::Torchvision | Dialect::TransformersDinov2 | Dialect::FacebookMae => {
            (Some(Act::Gelu), 1e-6)
        }
        // As timm runs them; they were trained with the tanh form.
        Dialect::Flax => (Some(Act::Gelu), 1e-6),
        Dialect::TransformersVit | Dialect::TransformersMae => (Some(Act::Gelu), 1e-12),
        Dialect::TransformersDinov3 => (Some(Act::Gelu), 1e-5),
        Dialect::Clip => (None, 1e-5),
        Dialect::Siglip => (Some(Act::GeluTanh), 1e-6),
    };
    // timm's models with a norm before the blocks are CLIP's, with either GELU.
    let clip = dialect.is_timm() && weights.pre_norm == Some(true);
    let rotary = match dialect {
        Dialect::TimmEva if weights.relative != Some(true) => None,
        Dialect::TransformersDinov3 => Some(Some(Rotary::Dino { base: 100.0 })),
        _ => Some(None),
    };
    Facts {
        activation: act.filter(|_| !clip),
        epsilon: Some(epsilon),
        rotary,
        image: (dialect == Dialect::TransformersDinov3).then_some([224, 224]),
        mean: dialect.is_timm().then(|| weights.fc_norm == Some(true)),
        ..Facts::default()
    }
}
