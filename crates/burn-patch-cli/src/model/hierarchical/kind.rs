//! Which hierarchical backbone.

use burn_vit::{PvtPreset, SwinConfig, SwinPreset, SwinVersion};

use crate::model::levels::Backbone;

/// Which hierarchical backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Swin,
    SwinV2,
    Pvt,
}

impl Kind {
    /// By timm's name of a model or transformers' of its family; timm's `swin_s3` and `swinv2_cr` are others.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let starts = |start: &str| name == start || name.starts_with(&format!("{start}_"));
        match name {
            _ if starts("swin_s3") || starts("swinv2_cr") => None,
            _ if starts("swin") => Some(Self::Swin),
            _ if starts("swinv2") => Some(Self::SwinV2),
            _ if starts("pvt_v2") => Some(Self::Pvt),
            _ => None,
        }
    }

    /// A model of timm's that is like all of its family but for what arguments say.
    pub(crate) fn architecture(self) -> &'static str {
        match self {
            Self::Swin => "swin_tiny_patch4_window7_224",
            Self::SwinV2 => "swinv2_tiny_window8_256",
            Self::Pvt => "pvt_v2_b0",
        }
    }
}

/// The model of timm's name, its sizes, windows and images taken from it: `swinv2_base_window12to16_192to256`.
pub(crate) fn named(name: &str) -> Option<Backbone> {
    let kind = Kind::named(name)?;
    let name = name.split('.').next()?;
    if kind == Kind::Pvt {
        return Backbone::by_name(name).or_else(|| {
            // timm's linear attention, `pvt_v2_b2_li`, is another.
            let config = PvtPreset::B0.config().with_classes(Some(1000));
            (name == "pvt_v2").then_some(Backbone::Pvt {
                config,
                image: [224, 224],
            })
        });
    }
    let preset = match name.split('_').nth(1).unwrap_or("tiny") {
        "tiny" => SwinPreset::Tiny,
        "small" => SwinPreset::Small,
        "base" => SwinPreset::Base,
        "large" => SwinPreset::Large,
        _ => return None,
    };
    let mut config = preset.config().with_classes(Some(1000));
    if kind == Kind::SwinV2 {
        config.version = SwinVersion::V2 {
            pretrained_window: None,
        };
        (config.image, config.window) = ([256, 256], [8, 8]);
    }
    say(&mut config, name);
    Some(Backbone::Swin(config))
}

/// What is behind `window` in the name, and the image at its end; of `12to16` the second is the model's own.
fn say(config: &mut SwinConfig, name: &str) {
    let number = |text: &str| {
        text.parse()
            .ok()
            .filter(|side| (1..=1 << 16).contains(side))
    };
    let own = |text: &str| number(text.rsplit("to").next().unwrap_or(text));
    let image = name.rsplit('_').next().and_then(own);
    config.image = image.map_or(config.image, |side| [side; 2]);
    let Some(window) = name.split("window").nth(1) else {
        return;
    };
    let window = window.split('_').next().unwrap_or(window);
    config.window = own(window).map_or(config.window, |side| [side; 2]);
    if let SwinVersion::V2 { pretrained_window } = &mut config.version
        && let Some((first, _)) = window.split_once("to")
    {
        // The last stage of the pre-training was no larger than half a window.
        *pretrained_window = number(first).map(|side| [side, side, side, side.div_ceil(2)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_windows_and_images() {
        let swin = |name| match named(name) {
            Some(Backbone::Swin(config)) => config,
            other => panic!("{name}: {other:?}"),
        };
        let config = swin("swin_base_patch4_window12_384.ms_in22k");
        assert_eq!(
            (config.window, config.image, config.dim),
            ([12; 2], [384; 2], 128)
        );
        let config = swin("swinv2_large_window12to16_192to256");
        assert_eq!(
            (config.window, config.image, config.dim),
            ([16; 2], [256; 2], 192)
        );
        let version = SwinVersion::V2 {
            pretrained_window: Some([12, 12, 12, 6]),
        };
        assert_eq!(config.version, version);
        assert!(matches!(named("pvt_v2_b3"), Some(Backbone::Pvt { .. })));
        for other in [
            "swin_s3_tiny_224",
            "swinv2_cr_tiny_224",
            "pvt_v2_b2_li",
            "vit_base",
        ] {
            assert!(named(other).is_none(), "{other}");
        }
    }
}
