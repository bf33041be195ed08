//! A hierarchical backbone for images of another size or other channels, as timm reads it.

use std::path::Path;

use burn::tensor::Device;
use burn_patch::resample::ChannelMap;
use burn_vit::SwinVersion;
use serde_json::{Value, json};

use crate::array::{Array, Arrays};
use crate::failure::Failure;
use crate::input::json;
use crate::model::hierarchical::hierarchical::{Hierarchical, built};
use crate::model::hierarchical::kind::Kind;
use crate::model::levels::Backbone;
use crate::model::run::Model;

/// The weights that depend on the channels.
const KERNEL: &str = "patch_embed.proj.weight";

/// A converted backbone.
pub(crate) struct Converted {
    pub(crate) backbone: Backbone,
    pub(crate) weights: Arrays,
    pub(crate) model: Model,
    /// timm's `config.json`.
    pub(crate) config: Value,
}

impl Converted {
    /// The backbone for images of `image` pixels and so many channels.
    pub(crate) fn of(
        found: &Hierarchical,
        image: Option<[usize; 2]>,
        channels: Option<usize>,
        device: &Device,
    ) -> Result<Self, Failure> {
        let mut backbone = found.backbone()?;
        if let Some(image) = image {
            backbone.set_image(image);
        }
        let mut weights = found.arrays()?;
        if let Some(channels) = channels {
            let kernel = weights.0.get(KERNEL).cloned();
            let kernel = kernel.expect("what the backbone was found by");
            let adapted = adapted(kernel, channels, device)?;
            weights.0.insert(KERNEL.to_owned(), adapted);
            backbone.set_channels(channels);
        }
        // Tables are those of windows: what no longer fits is an error here.
        let model = built(&backbone, &weights, device).map_err(Failure::failed)?;
        let config = written_config(found.kind(), &backbone, found.config())?;
        Ok(Self {
            backbone,
            weights,
            model,
            config,
        })
    }
}

fn adapted(kernel: Array, channels: usize, device: &Device) -> Result<Array, Failure> {
    let map = ChannelMap::repeat(kernel.shape[1], channels).map_err(Failure::failed)?;
    let adapted = map.apply(kernel.tensor::<4>(device));
    Array::of(adapted.map_err(Failure::failed)?)
}

/// timm's configuration: a model of the family and every argument, and how pictures become inputs where the one before
/// says that.
fn written_config(
    kind: Kind,
    backbone: &Backbone,
    before: Option<&Path>,
) -> Result<Value, Failure> {
    let (mut args, classes, image, channels) = match backbone {
        Backbone::Swin(config) => (
            json!({
                "img_size": config.image,
                "patch_size": config.patch,
                "embed_dim": config.dim,
                "depths": config.depths,
                "num_heads": config.heads,
                "window_size": config.window,
                "mlp_ratio": config.mlp_ratio,
            }),
            config.classes,
            config.image,
            config.channels,
        ),
        Backbone::Pvt { config, image } => (
            json!({
                "embed_dims": config.dims,
                "depths": config.depths,
                "num_heads": config.heads,
                "sr_ratios": config.reductions,
                "mlp_ratios": config.mlp_ratios,
            }),
            config.classes,
            *image,
            config.channels,
        ),
    };
    args["in_chans"] = channels.into();
    if let Backbone::Swin(config) = backbone
        && let SwinVersion::V2 { pretrained_window } = config.version
    {
        args["pretrained_window_sizes"] = json!(pretrained_window.unwrap_or([0; 4]));
    }
    let classes = classes.unwrap_or(0);
    let mut config = json!({
        "architecture": kind.architecture(),
        "num_classes": classes,
        "model_args": args,
    });
    if let Some(mut prepared) = before.map(prepared).transpose()?.flatten() {
        prepared["input_size"] = json!([channels, image[0], image[1]]);
        prepared["num_classes"] = classes.into();
        config["pretrained_cfg"] = prepared;
    }
    Ok(config)
}

/// How pictures become inputs, as timm's configuration says it.
fn prepared(config: &Path) -> Result<Option<Value>, Failure> {
    let config = json::read(config)?;
    Ok(config
        .get("pretrained_cfg")
        .filter(|cfg| cfg.is_object())
        .cloned())
}
