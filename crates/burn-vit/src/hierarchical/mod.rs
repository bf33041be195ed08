//! Backbones whose stages halve the grid: Swin and PVT v2, over the pyramid embeddings.

mod pvt;
mod swin;

pub use pvt::{ConvMlp, Pvt, PvtBlock, PvtConfig, PvtPreset, PvtStage, SpatialReduction};
pub use swin::{Swin, SwinBlock, SwinConfig, SwinPreset, SwinStage, SwinVersion};

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::tensor::Device;
    use rstest::rstest;

    /// With 1,000 classes, as timm counts them.
    #[rstest]
    #[case(SwinPreset::Tiny, 28_288_354)]
    #[case(SwinPreset::V2Tiny, 28_347_154)]
    fn swin_has_timms_parameters(#[case] preset: SwinPreset, #[case] want: usize) {
        let config = preset.config().with_classes(Some(1000));
        assert_eq!(config.init(&Device::flex()).num_params(), want);
    }

    #[rstest]
    #[case(PvtPreset::B0, 3_666_760)]
    #[case(PvtPreset::B1, 14_009_000)]
    fn pvt_v2_has_timms_parameters(#[case] preset: PvtPreset, #[case] want: usize) {
        let config = preset.config().with_classes(Some(1000));
        assert_eq!(config.init(&Device::flex()).num_params(), want);
    }

    #[test]
    fn lists_of_other_lengths_are_refused() {
        let swin = SwinConfig::new([32, 32], 8, vec![1, 1], vec![1]);
        let error = swin.try_init(&Device::flex()).unwrap_err().to_string();
        assert_eq!(error, "heads: expected one for each of 2 stages, got 1");
        let pvt = PvtConfig::new([8, 8, 8, 8], [1; 4], [1; 4]);
        let pvt = PvtConfig {
            reductions: vec![2],
            ..pvt
        };
        let error = pvt.try_init(&Device::flex()).unwrap_err().to_string();
        assert_eq!(
            error,
            "reductions: expected one for each of 4 stages, got 1"
        );
    }
}
