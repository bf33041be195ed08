//! timm's arguments of a model: those of its named architecture, overridden by the configuration's own.

use serde_json::{Map, Value};

use crate::import::architecture::{Act, Biases, Rotary};
use crate::import::config::read::{Object, unsupported};
use crate::import::error::ImportError;
use crate::import::facts::Facts;

/// What arguments of the constructor of `family` (`vit`, `deit`, `beit`, `eva`, `naflexvit`) say.
///
/// The defaults are those of `VisionTransformer`, `VisionTransformerDistilled`, `Beit`, `Eva` and `NaFlexVitCfg` in timm
/// 1.0.31.
pub(crate) fn facts(family: &str, arguments: &Map<String, Value>) -> Result<Facts, ImportError> {
    let args = Object(arguments);
    let count = |name, default| Ok::<_, ImportError>(args.count(name)?.unwrap_or(default));
    let flag = |name, default| Ok::<_, ImportError>(args.flag(name)?.unwrap_or(default));
    let eva = matches!(family, "beit" | "eva");
    let dim = count("embed_dim", 768)?;
    let hidden = hidden(args, dim)?;
    let registers = match family {
        "eva" => count("num_reg_tokens", 0)?,
        _ => count("reg_tokens", 0)?,
    };
    let pool = pool(family, args)?;
    let fc_norm = args.flag(if eva { "use_fc_norm" } else { "fc_norm" })?;
    let patch = args.pair("patch_size")?.unwrap_or([16, 16]);
    let naflex = family == "naflexvit";
    let image = image(naflex, args, patch)?;
    let no_rows = naflex || flag("no_embed_class", false)?;
    let pre_norm = flag(
        if family == "eva" {
            "use_pre_transformer_norm"
        } else {
            "pre_norm"
        },
        false,
    )?;
    Ok(Facts {
        image: Some(image),
        patch: Some(patch),
        channels: Some(count("in_chans", 3)?),
        dim: Some(dim),
        depth: Some(count("depth", 12)?),
        heads: Some(count("num_heads", 12)?),
        hidden: Some(hidden),
        activation: Some(activation(args)?),
        mlp_norm: Some(flag("scale_mlp", false)?),
        qkv_bias: Some(biases(family, args)?),
        qk_norm: Some(flag("qk_norm", false)?),
        layer_scale: Some(args.get("init_values").is_some()),
        epsilon: Some(args.number("norm_eps")?.unwrap_or(1e-6)),
        patch_bias: Some(naflex || !pre_norm),
        pre_norm: Some(pre_norm),
        class_token: Some(flag("class_token", !naflex)?),
        distilled: Some(flag("distilled", false)?),
        registers: Some(registers),
        mask_token: Some(false),
        table: Some(if eva {
            flag("use_abs_pos_emb", true)?
        } else {
            true
        }),
        prefix_rows: Some(!no_rows),
        rotary: Some(rotary(args)?),
        relative: Some(flag("use_rel_pos_bias", false)?),
        mean: Some(pool == "avg"),
        attention_pool: Some(pool == "map"),
        fc_norm: Some(fc_norm.unwrap_or(pool == "avg")),
        classes: Some(Some(count("num_classes", 1000)?).filter(|classes| *classes > 0)),
        decoder: Some(None),
        ..Facts::default()
    })
}

/// Width in the MLPs, behind the activation.
fn hidden(args: Object<'_>, dim: usize) -> Result<usize, ImportError> {
    let ratio = args.number("mlp_ratio")?.unwrap_or(4.0);
    if !(0.0..=1024.0).contains(&ratio) {
        let got = ratio.to_string();
        return Err(unsupported("mlp_ratio", got, "a ratio of up to 1024"));
    }
    let align = args.count("swiglu_align_to")?.unwrap_or(0).max(1);
    let hidden = ((dim as f64 * ratio) as usize).next_multiple_of(align);
    // timm counts gate and value of its packed MLP together.
    let packed = args.text("mlp_layer")? == Some("swiglu_packed");
    Ok(if packed { hidden / 2 } else { hidden })
}

/// The image; a NaFlexViT has a grid in its place.
fn image(naflex: bool, args: Object<'_>, patch: [usize; 2]) -> Result<[usize; 2], ImportError> {
    if !naflex {
        return Ok(args.pair("img_size")?.unwrap_or([224, 224]));
    }
    let grid = args.pair("pos_embed_grid_size")?.unwrap_or([16, 16]);
    Ok([0, 1].map(|axis| grid[axis] * patch[axis]))
}

fn pool<'a>(family: &str, args: Object<'a>) -> Result<&'a str, ImportError> {
    let default = match family {
        "beit" | "eva" => "avg",
        "naflexvit" => "map",
        _ => "token",
    };
    match args.text("global_pool")?.unwrap_or(default) {
        pool @ ("avg" | "map" | "token") => Ok(pool),
        "" => Ok("token"),
        other => Err(unsupported("global_pool", other, "avg, map or token")),
    }
}

fn activation(args: Object<'_>) -> Result<Act, ImportError> {
    if args.flag("swiglu_mlp")?.unwrap_or(false) {
        return Ok(Act::SwiGlu);
    }
    match args.text("mlp_layer")? {
        None => {}
        Some("swiglu" | "swiglu_packed") => return Ok(Act::SwiGlu),
        Some(other) => return Err(unsupported("mlp_layer", other, "swiglu or swiglu_packed")),
    }
    match args.text("act_layer")?.unwrap_or("gelu") {
        "gelu" => Ok(Act::Gelu),
        "gelu_tanh" => Ok(Act::GeluTanh),
        "quick_gelu" => Ok(Act::QuickGelu),
        other => Err(unsupported(
            "act_layer",
            other,
            "gelu, gelu_tanh or quick_gelu",
        )),
    }
}

fn biases(family: &str, args: Object<'_>) -> Result<Biases, ImportError> {
    let rope = args.text("attn_type")?.unwrap_or("eva") == "rope";
    Ok(match args.flag("qkv_bias")?.unwrap_or(true) {
        false => Biases::None,
        true if family == "beit" || family == "eva" && !rope => Biases::NoKey,
        true => Biases::All,
    })
}

fn rotary(args: Object<'_>) -> Result<Option<Rotary>, ImportError> {
    if !args.flag("use_rot_pos_emb")?.unwrap_or(false) {
        return Ok(None);
    }
    let base = args.number("rope_temperature")?.unwrap_or(10_000.0);
    Ok(Some(match args.text("rope_type")?.unwrap_or("cat") {
        "cat" => Rotary::Axial {
            base,
            reference: args.pair("ref_feat_shape")?,
            columns_first: args.text("rope_grid_indexing")? == Some("xy"),
            offset: args.number("rope_grid_offset")?.unwrap_or(0.0),
        },
        "mixed" => Rotary::Mixed { base },
        "dinov3" => Rotary::Dino { base },
        other => return Err(unsupported("rope_type", other, "cat, mixed or dinov3")),
    }))
}
