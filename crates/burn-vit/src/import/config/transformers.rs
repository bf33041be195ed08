//! transformers' `config.json`: its settings, and the defaults of the model's type for those that a file leaves out.

use crate::import::architecture::{Act, Decoder, Rotary};
use crate::import::config::read::{Object, unsupported};
use crate::import::error::ImportError;
use crate::import::facts::Facts;

/// Defaults of a model's type, from its configuration class in transformers 5.23.
struct Defaults {
    dim: usize,
    depth: usize,
    heads: usize,
    image: usize,
    patch: usize,
    act: &'static str,
    epsilon: f64,
}

const fn base(patch: usize, act: &'static str, epsilon: f64) -> Defaults {
    Defaults {
        dim: 768,
        depth: 12,
        heads: 12,
        image: 224,
        patch,
        act,
        epsilon,
    }
}

fn defaults(kind: &str) -> Option<Defaults> {
    Some(match kind {
        "vit" | "vit_mae" | "deit" => base(16, "gelu", 1e-12),
        "dinov2" | "dinov2_with_registers" => base(14, "gelu", 1e-6),
        "clip_vision_model" | "clip" => base(32, "quick_gelu", 1e-5),
        "siglip_vision_model" | "siglip" | "siglip2_vision_model" | "siglip2" => {
            base(16, "gelu_pytorch_tanh", 1e-6)
        }
        "dinov3_vit" => Defaults {
            dim: 384,
            heads: 6,
            ..base(16, "gelu", 1e-5)
        },
        _ => return None,
    })
}

/// What a configuration says; that of the vision tower where it is one of two.
pub(crate) fn facts(root: Object<'_>) -> Result<Facts, ImportError> {
    let kind = root.text("model_type")?.unwrap_or_default();
    let config = root.object("vision_config").unwrap_or(root);
    let Some(defaults) = defaults(kind) else {
        let known = "vit, deit, vit_mae, dinov2, dinov2_with_registers, dinov3_vit, clip, siglip or siglip2";
        return Err(unsupported("model_type", kind, known));
    };
    let count = |name, default| Ok::<_, ImportError>(config.count(name)?.unwrap_or(default));
    let dim = count("hidden_size", defaults.dim)?;
    let patch = config.pair("patch_size")?.unwrap_or([defaults.patch; 2]);
    let act = activation(config, defaults.act)?;
    let image = match config.count("num_patches")? {
        // NaFlex: a square table.
        Some(patches) => Some(patch.map(|pixels| pixels * patches.isqrt())),
        None if kind.starts_with("siglip2") && config.get("image_size").is_none() => {
            Some(patch.map(|pixels| pixels * 16))
        }
        None => Some(config.pair("image_size")?.unwrap_or([defaults.image; 2])),
    };
    let rotary = match kind {
        "dinov3_vit" => Some(Rotary::Dino {
            base: config.number("rope_theta")?.unwrap_or(100.0),
        }),
        _ => None,
    };
    Ok(Facts {
        image,
        patch: Some(patch),
        channels: Some(count("num_channels", 3)?),
        dim: Some(dim),
        depth: Some(count("num_hidden_layers", defaults.depth)?),
        heads: Some(count("num_attention_heads", defaults.heads)?),
        activation: Some(act),
        epsilon: Some(config.number("layer_norm_eps")?.unwrap_or(defaults.epsilon)),
        rotary: Some(rotary),
        mean: Some(kind.starts_with("siglip")),
        decoder: Some(decoder(kind, config)?),
        ..Facts::default()
    })
}

fn activation(config: Object<'_>, default: &str) -> Result<Act, ImportError> {
    for gated in ["use_swiglu_ffn", "use_gated_mlp"] {
        if config.flag(gated)?.unwrap_or(false) {
            return Ok(Act::SwiGlu);
        }
    }
    match config.text("hidden_act")?.unwrap_or(default) {
        "gelu" => Ok(Act::Gelu),
        "gelu_pytorch_tanh" | "gelu_new" => Ok(Act::GeluTanh),
        "quick_gelu" => Ok(Act::QuickGelu),
        other => Err(unsupported(
            "hidden_act",
            other,
            "gelu, gelu_pytorch_tanh or quick_gelu",
        )),
    }
}

fn decoder(kind: &str, config: Object<'_>) -> Result<Option<Decoder>, ImportError> {
    if kind != "vit_mae" {
        return Ok(None);
    }
    let count = |name, default| Ok::<_, ImportError>(config.count(name)?.unwrap_or(default));
    Ok(Some(Decoder {
        dim: count("decoder_hidden_size", 512)?,
        depth: count("decoder_num_hidden_layers", 8)?,
        heads: count("decoder_num_attention_heads", 16)?,
        hidden: count("decoder_intermediate_size", 2048)?,
        mask_ratio: config.number("mask_ratio")?.unwrap_or(0.75),
        normalized: config.flag("norm_pix_loss")?.unwrap_or(false),
    }))
}
