//! Hierarchical backbones.

use burn::tensor::Device;
use burn_vit::{PvtConfig, SwinConfig, SwinVersion};

use super::CHANNELS;
use crate::det::det_tensor;
use crate::subject::Subject;

/// Not a multiple of the windows, so that some are filled up.
const IMAGE: [usize; 2] = [24, 40];

pub(super) fn subjects() -> Vec<Subject> {
    let second = SwinVersion::V2 {
        pretrained_window: Some([6, 3, 0, 0]),
    };
    vec![
        swin("Swin", SwinVersion::V1),
        swin("Swin v2", second),
        pvt(),
    ]
}

fn swin(name: &'static str, version: SwinVersion) -> Subject {
    let init = move |device: &Device| {
        let config = SwinConfig::new(IMAGE, 8, vec![2, 2], vec![2, 4]);
        SwinConfig {
            channels: CHANNELS,
            ..config.with_window([4, 3]).with_version(version)
        }
        .init(device)
    };
    Subject::new(name, init, |swin, device, dtype| {
        let [height, width] = IMAGE;
        let images = det_tensor([2, CHANNELS, height, width], 1, device, dtype);
        let levels = swin.forward_levels(images);
        levels.iter().map(|tokens| tokens.embeddings()).collect()
    })
}

fn pvt() -> Subject {
    let init = |device: &Device| {
        let config = PvtConfig::new([8, 8, 16, 16], [1; 4], [1, 2, 2, 4]);
        PvtConfig {
            channels: CHANNELS,
            reductions: vec![3, 2, 1, 1],
            mlp_ratios: vec![2; 4],
            ..config
        }
        .init(device)
    };
    Subject::new("PVT v2", init, |pvt, device, dtype| {
        let [height, width] = IMAGE;
        let images = det_tensor([2, CHANNELS, height, width], 1, device, dtype);
        let levels = pvt.forward_levels(images);
        levels.iter().map(|tokens| tokens.embeddings()).collect()
    })
}
