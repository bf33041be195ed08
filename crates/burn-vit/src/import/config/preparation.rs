//! How pictures become a model's input.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::import::config::read::Object;
use crate::import::error::ImportError;

/// How a picture is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// Bilinear.
    Bilinear,
    /// Bicubic.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
}

/// How pictures become a model's input: resized so that the crop is this share of the shorter side, cropped at the centre,
/// normalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// `[height, width]` of the input.
    pub size: [usize; 2],
    /// Mean of each channel, of values in [0, 1].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// How pictures are resized.
    pub interpolation: Interpolation,
    /// The share of the shorter side that the crop has.
    pub crop: f64,
    /// Whether the picture is squeezed to the size, not cropped.
    pub squash: bool,
}

impl Preparation {
    /// From timm's `pretrained_cfg`, or its older form at the top of the file; none if that says nothing of it.
    ///
    /// # Errors
    ///
    /// [`ImportError::Unsupported`] for a value that is none.
    pub(crate) fn timm(cfg: Object<'_>) -> Result<Option<Self>, ImportError> {
        let (Some(mean), Some(std)) = (cfg.numbers("mean")?, cfg.numbers("std")?) else {
            return Ok(None);
        };
        let size = cfg.get("input_size").and_then(Value::as_array);
        let side = |index: usize| {
            let side = size.and_then(|size| size.get(index)?.as_u64());
            side.and_then(|side| usize::try_from(side).ok())
                .unwrap_or(224)
        };
        let mode = cfg.text("crop_mode")?.unwrap_or("center");
        Ok(Some(Self {
            size: [side(1), side(2)],
            mean,
            std,
            interpolation: named(cfg.text("interpolation")?.unwrap_or("bicubic")),
            crop: cfg.number("crop_pct")?.unwrap_or(0.875),
            squash: mode == "squash",
        }))
    }

    /// From transformers' `preprocessor_config.json`.
    ///
    /// # Errors
    ///
    /// [`ImportError::Unsupported`] for a value that is none.
    pub(crate) fn transformers(cfg: Object<'_>) -> Result<Option<Self>, ImportError> {
        let (Some(mean), Some(std)) = (cfg.numbers("image_mean")?, cfg.numbers("image_std")?)
        else {
            return Ok(None);
        };
        let sides = |name: &str| -> Result<Option<[usize; 2]>, ImportError> {
            let Some(size) = cfg.object(name) else {
                return cfg.pair(name);
            };
            let edge = size.count("shortest_edge")?.map(|edge| [edge, edge]);
            Ok(match (size.count("height")?, size.count("width")?) {
                (Some(height), Some(width)) => Some([height, width]),
                _ => edge,
            })
        };
        let resized = sides("size")?.unwrap_or([224, 224]);
        let cropped = match cfg.flag("do_center_crop")? {
            Some(true) => sides("crop_size")?,
            _ => None,
        };
        let size = cropped.unwrap_or(resized);
        let shortest = cfg
            .object("size")
            .and_then(|size| size.get("shortest_edge"));
        Ok(Some(Self {
            size,
            mean,
            std,
            interpolation: match cfg.count("resample")? {
                Some(0) => Interpolation::Nearest,
                Some(1) => Interpolation::Lanczos,
                Some(2) => Interpolation::Bilinear,
                _ => Interpolation::Bicubic,
            },
            crop: size[0] as f64 / resized[0].max(1) as f64,
            squash: cropped.is_none() && shortest.is_none(),
        }))
    }
}

fn named(name: &str) -> Interpolation {
    match name {
        "nearest" => Interpolation::Nearest,
        "bilinear" => Interpolation::Bilinear,
        "lanczos" => Interpolation::Lanczos,
        _ => Interpolation::Bicubic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformers(text: &str) -> Preparation {
        let map = serde_json::from_str(text).unwrap();
        Preparation::transformers(Object(&map)).unwrap().unwrap()
    }

    #[test]
    fn a_crop_of_the_shorter_side_is_a_share_of_it() {
        let clip = transformers(
            r#"{"image_mean": [0.48, 0.45, 0.4], "image_std": [0.26, 0.26, 0.27], "do_center_crop": true,
            "crop_size": {"height": 224, "width": 224}, "size": {"shortest_edge": 256}, "resample": 3}"#,
        );
        assert_eq!(
            (clip.size, clip.crop, clip.squash),
            ([224, 224], 0.875, false)
        );
        assert_eq!(clip.interpolation, Interpolation::Bicubic);
    }

    #[test]
    fn a_height_and_a_width_squeeze_the_picture() {
        let vit = transformers(
            r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": 224, "width": 200},
            "resample": 2}"#,
        );
        assert_eq!((vit.size, vit.crop, vit.squash), ([224, 200], 1.0, true));
        assert_eq!(vit.interpolation, Interpolation::Bilinear);
    }
}
