//! The configuration that another library reads beside its weights.

use serde_json::{Value, json};

use crate::import::architecture::{Act, Architecture, Biases, Pool, Rotary};
use crate::import::dialect::Dialect;
use crate::import::error::ImportError;

/// The `config.json` of `arch` in a library's form; none for torchvision and for the original MAE, which have none.
///
/// timm's file cannot say an epsilon, so the named architecture is one that has it; where there is none as small, it is
/// 10⁻⁶.
///
/// # Errors
///
/// [`ImportError::Unsupported`] for a setting that the library does not have.
pub(crate) fn written_config(
    arch: &Architecture,
    dialect: Dialect,
) -> Result<Option<Value>, ImportError> {
    Ok(Some(match dialect {
        Dialect::Torchvision | Dialect::FacebookMae => return Ok(None),
        Dialect::Timm => timm(arch)?,
        Dialect::TimmEva => timm_eva(arch)?,
        Dialect::Flax => return Err(refuse("weights in an .npz file", "writing them".to_owned())),
        Dialect::TimmNaflex => return Err(refuse("patch projection", "a convolution".to_owned())),
        _ => transformers(arch, dialect),
    }))
}

fn refuse(what: &str, got: String) -> ImportError {
    ImportError::Unsupported {
        what: what.to_owned(),
        got,
        expected: "what the library's models have".to_owned(),
    }
}

/// Whether prefix tokens have no rows of timm's table.
fn no_embed_class(arch: &Architecture) -> Result<bool, ImportError> {
    match arch.places.table {
        Some(0) => Ok(true),
        None => Ok(false),
        Some(rows) if rows == arch.prefix() => Ok(false),
        other => Err(refuse(
            "rows of the position table for prefix tokens",
            format!("{other:?}"),
        )),
    }
}

fn pool(arch: &Architecture) -> (&'static str, bool) {
    match arch.pooling {
        Pool::Class => ("token", false),
        Pool::ClassThenNorm => ("token", true),
        Pool::Mean => ("avg", false),
        Pool::MeanThenNorm => ("avg", true),
        Pool::Attention => ("map", false),
    }
}

/// Arguments that timm's constructors share.
fn timm_arguments(arch: &Architecture) -> Result<Value, ImportError> {
    let mut args = json!({
        "img_size": arch.image, "patch_size": arch.patch, "in_chans": arch.channels, "embed_dim": arch.dim,
        "depth": arch.depth, "num_heads": arch.heads, "mlp_ratio": arch.hidden as f64 / arch.dim as f64,
        "qkv_bias": arch.qkv_bias != Biases::None, "qk_norm": arch.qk_norm, "class_token": arch.class_token,
        "no_embed_class": no_embed_class(arch)?, "global_pool": pool(arch).0,
    });
    if arch.layer_scale {
        args["init_values"] = json!(1e-5);
    }
    Ok(args)
}

fn timm_file(name: &str, arch: &Architecture, args: &Value) -> Value {
    json!({
        "architecture": name, "num_classes": arch.classes.unwrap_or(0), "model_args": args,
    })
}

fn timm(arch: &Architecture) -> Result<Value, ImportError> {
    if arch.places.rotary.is_some() || arch.places.relative || arch.places.table.is_none() {
        return Err(refuse("positions", format!("{:?}", arch.places)));
    }
    if arch.distilled && !arch.distilled_head {
        return Err(refuse(
            "head",
            "one classifier beside a distillation token".to_owned(),
        ));
    }
    if arch.mlp_norm || arch.qkv_bias == Biases::NoKey || arch.activation == Act::SwiGlu {
        return Err(refuse(
            "block",
            format!("{:?}, {:?}", arch.activation, arch.qkv_bias),
        ));
    }
    let name = match (arch.epsilon, arch.distilled) {
        (epsilon, true) if epsilon <= 1e-6 => "deit_base_distilled_patch16_224",
        (epsilon, false) if epsilon <= 1e-6 => "vit_base_patch16_224",
        (1e-5, false) => "vit_base_patch16_clip_224",
        (epsilon, _) => return Err(refuse("epsilon of the norms", epsilon.to_string())),
    };
    let mut args = timm_arguments(arch)?;
    let mut set = |name: &str, value: Value| args[name] = value;
    set("reg_tokens", json!(arch.registers));
    set("pre_norm", json!(arch.pre_norm));
    set("fc_norm", json!(pool(arch).1));
    match arch.activation {
        Act::Gelu | Act::SwiGlu => {}
        Act::GeluTanh => set("act_layer", json!("gelu_tanh")),
        Act::QuickGelu => set("act_layer", json!("quick_gelu")),
    }
    Ok(timm_file(name, arch, &args))
}

fn timm_eva(arch: &Architecture) -> Result<Value, ImportError> {
    if arch.distilled || arch.pre_norm {
        let got = "a distillation token or a norm before blocks";
        return Err(refuse("model", got.to_owned()));
    }
    let name = eva_name(arch)?;
    let mut args = timm_arguments(arch)?;
    let mut set = |name: &str, value: Value| args[name] = value;
    set("use_fc_norm", json!(pool(arch).1));
    set("use_abs_pos_emb", json!(arch.places.table.is_some()));
    set("swiglu_mlp", json!(arch.activation == Act::SwiGlu));
    set("scale_mlp", json!(arch.mlp_norm));
    if arch.places.relative {
        set("use_rel_pos_bias", json!(true));
        for foreign in ["class_token", "qk_norm", "no_embed_class"] {
            args.as_object_mut().expect("an object").remove(foreign);
        }
        return Ok(timm_file(name, arch, &args));
    }
    let eva = arch.qkv_bias == Biases::NoKey;
    set("attn_type", json!(if eva { "eva" } else { "rope" }));
    set("qkv_fused", json!(true));
    set("num_reg_tokens", json!(arch.registers));
    set("use_rot_pos_emb", json!(arch.places.rotary.is_some()));
    match arch.places.rotary {
        None => {}
        Some(Rotary::Axial {
            base,
            reference,
            columns_first,
            offset,
        }) => {
            set("rope_temperature", json!(base));
            set("ref_feat_shape", json!(reference));
            set("rope_grid_offset", json!(offset));
            set(
                "rope_grid_indexing",
                json!(if columns_first { "xy" } else { "ij" }),
            );
        }
        Some(Rotary::Mixed { base }) => {
            set("rope_temperature", json!(base));
            set("rope_type", json!("mixed"));
            set("rope_grid_indexing", json!("xy"));
        }
        Some(Rotary::Dino { base }) => {
            set("rope_temperature", json!(base));
            set("rope_type", json!("dinov3"));
            set("rope_rotate_half", json!(true));
        }
    }
    Ok(timm_file(name, arch, &args))
}

/// An architecture whose arguments can all be overridden to those of `arch`: none of them can be taken away.
fn eva_name(arch: &Architecture) -> Result<&'static str, ImportError> {
    let small = arch.epsilon <= 1e-6;
    match arch.places.rotary {
        _ if arch.places.relative && small => Ok("beit_base_patch16_224"),
        Some(Rotary::Dino { .. }) if arch.epsilon == 1e-5 && arch.layer_scale => {
            Ok("vit_base_patch16_dinov3")
        }
        Some(Rotary::Axial {
            reference: None, ..
        }) if small && arch.layer_scale => Ok("vit_base_patch16_rope_224"),
        Some(
            Rotary::Axial {
                reference: Some(_), ..
            }
            | Rotary::Mixed { .. },
        ) if small => Ok("eva02_base_patch14_224"),
        other => {
            let got = format!("{other:?}, {}", arch.epsilon);
            Err(refuse("positions and epsilon", got))
        }
    }
}

/// DINOv2's ratio is a whole number.
fn mlp_ratio(arch: &Architecture) -> Value {
    match arch.hidden.is_multiple_of(arch.dim) {
        true => json!(arch.hidden / arch.dim),
        false => json!(arch.hidden as f64 / arch.dim as f64),
    }
}

fn transformers(arch: &Architecture, dialect: Dialect) -> Value {
    let (kind, class) = match dialect {
        Dialect::TransformersMae => ("vit_mae", "ViTMAEForPreTraining"),
        Dialect::TransformersDinov2 if arch.registers > 0 => {
            ("dinov2_with_registers", "Dinov2WithRegistersModel")
        }
        Dialect::TransformersDinov2 => ("dinov2", "Dinov2Model"),
        Dialect::TransformersDinov3 => ("dinov3_vit", "DINOv3ViTModel"),
        Dialect::Clip => ("clip_vision_model", "CLIPVisionModel"),
        Dialect::Siglip => ("siglip_vision_model", "SiglipVisionModel"),
        _ if arch.classes.is_some() => ("vit", "ViTForImageClassification"),
        _ => ("vit", "ViTModel"),
    };
    let act = match arch.activation {
        Act::Gelu => "gelu",
        Act::GeluTanh => "gelu_pytorch_tanh",
        Act::QuickGelu => "quick_gelu",
        Act::SwiGlu => "silu",
    };
    let side = |pair: [usize; 2]| match pair[0] == pair[1] {
        true => json!(pair[0]),
        false => json!(pair),
    };
    let mut config = json!({
        "model_type": kind, "architectures": [class], "hidden_size": arch.dim, "num_hidden_layers": arch.depth,
        "num_attention_heads": arch.heads, "intermediate_size": arch.hidden, "hidden_act": act,
        "mlp_ratio": mlp_ratio(arch), "layer_norm_eps": arch.epsilon, "image_size": side(arch.image), "patch_size": side(arch.patch),
        "num_channels": arch.channels, "qkv_bias": arch.qkv_bias == Biases::All,
        "num_register_tokens": arch.registers, "vision_use_head": arch.pooling == Pool::Attention,
    });
    if arch.activation == Act::SwiGlu {
        config["use_swiglu_ffn"] = json!(true);
        config["use_gated_mlp"] = json!(true);
    }
    if let Some(Rotary::Dino { base }) = arch.places.rotary {
        config["rope_theta"] = json!(base);
    }
    if let Some(classes) = arch.classes {
        let labels = (0..classes).map(|class| (class.to_string(), json!(format!("LABEL_{class}"))));
        config["id2label"] = labels.collect::<serde_json::Map<_, _>>().into();
    }
    if let Some(decoder) = arch.decoder {
        config["decoder_hidden_size"] = json!(decoder.dim);
        config["decoder_num_hidden_layers"] = json!(decoder.depth);
        config["decoder_num_attention_heads"] = json!(decoder.heads);
        config["decoder_intermediate_size"] = json!(decoder.hidden);
        config["mask_ratio"] = json!(decoder.mask_ratio);
        config["norm_pix_loss"] = json!(decoder.normalized);
    }
    config
}
