//! What transformers builds from a configuration besides its settings; weights say it by their names and shapes.

use serde_json::Value;

use crate::import::architecture::{Act, Biases};
use crate::import::config::read::Object;
use crate::import::error::ImportError;
use crate::import::facts::Facts;

/// The parts of a model of the type that `root` names, for one that has no weights yet. `said` is what its settings say.
///
/// From `modeling_*.py` of transformers 5.23.
pub(crate) fn structure(root: Object<'_>, said: &Facts) -> Result<Facts, ImportError> {
    let kind = root.text("model_type")?.unwrap_or_default();
    let config = root.object("vision_config").unwrap_or(root);
    let (dim, cells) = (said.dim.unwrap_or(0), cells(said));
    let facts = match kind {
        "vit" | "deit" | "vit_mae" => Facts {
            hidden: Some(config.count("intermediate_size")?.unwrap_or(4 * dim)),
            distilled: Some(kind == "deit"),
            table_rows: Some(cells + 1 + usize::from(kind == "deit")),
            qkv_bias: Some(biases(config.flag("qkv_bias")?.unwrap_or(true))),
            ..Facts::default()
        },
        "dinov2" | "dinov2_with_registers" => Facts {
            hidden: Some(dinov2_hidden(config, dim, said.activation)?),
            table_rows: Some(cells + 1),
            qkv_bias: Some(biases(config.flag("qkv_bias")?.unwrap_or(true))),
            layer_scale: Some(true),
            registers: match kind {
                "dinov2" => Some(0),
                _ => Some(config.count("num_register_tokens")?.unwrap_or(4)),
            },
            mask_token: Some(config.flag("use_mask_token")?.unwrap_or(true)),
            ..Facts::default()
        },
        "dinov3_vit" => Facts {
            hidden: Some(config.count("intermediate_size")?.unwrap_or(4 * dim)),
            table: Some(false),
            qkv_bias: Some(match config.flag("query_bias")?.unwrap_or(true) {
                true if config.flag("key_bias")?.unwrap_or(false) => Biases::All,
                true => Biases::NoKey,
                false => Biases::None,
            }),
            layer_scale: Some(true),
            registers: Some(config.count("num_register_tokens")?.unwrap_or(4)),
            mask_token: Some(true),
            ..Facts::default()
        },
        "clip" | "clip_vision_model" => Facts {
            hidden: Some(config.count("intermediate_size")?.unwrap_or(4 * dim)),
            table_rows: Some(cells + 1),
            patch_bias: Some(false),
            pre_norm: Some(true),
            fc_norm: Some(true),
            ..Facts::default()
        },
        _ => Facts {
            hidden: Some(config.count("intermediate_size")?.unwrap_or(4 * dim)),
            class_token: Some(false),
            table_rows: Some(cells),
            attention_pool: Some(config.flag("vision_use_head")?.unwrap_or(true)),
            ..Facts::default()
        },
    };
    Ok(classified(root, facts))
}

fn cells(said: &Facts) -> usize {
    let (Some(image), Some(patch)) = (said.image, said.patch) else {
        return 0;
    };
    let side = |axis: usize| image[axis] / patch[axis].max(1);
    side(0).saturating_mul(side(1))
}

fn biases(all: bool) -> Biases {
    if all { Biases::All } else { Biases::None }
}

/// With SwiGLU two thirds of the width, in whole eights.
fn dinov2_hidden(
    config: Object<'_>,
    dim: usize,
    activation: Option<Act>,
) -> Result<usize, ImportError> {
    let ratio = config.number("mlp_ratio")?.unwrap_or(4.0);
    let plain = (dim as f64 * ratio) as usize;
    Ok(match activation {
        Some(Act::SwiGlu) => (plain * 2 / 3).div_ceil(8) * 8,
        _ => plain,
    })
}

/// With the classifier of the class that the file names.
fn classified(root: Object<'_>, facts: Facts) -> Facts {
    let class = root.get("architectures").and_then(Value::as_array);
    let class = class.and_then(|classes| classes.first()?.as_str());
    let class = class.unwrap_or_default();
    if !class.contains("ForImageClassification") {
        return facts;
    }
    let labels = root.get("id2label").and_then(Value::as_object);
    Facts {
        classes: Some(Some(labels.map_or(2, |labels| labels.len()))),
        distilled_head: Some(class.ends_with("WithTeacher")),
        ..facts
    }
}
