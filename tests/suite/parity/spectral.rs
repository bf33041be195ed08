//! Parity with scipy, PyWavelets, numpy and torch.fft: `golden/spectral.safetensors`.

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use burn_patch::embed::{
    Bands, DctLayout, DctPatchEmbedConfig, FourierPatchEmbedConfig, Frequencies,
    GlobalFilterConfig, PatchEmbed, Spectrum, Wavelet, WaveletDomain, WaveletPatchEmbedConfig,
};
use burn_patch_tests::{BackendDevice, det, det_tensor, fill};

use crate::parity::{assert_golden, golden};

const SEED: u64 = 1;
const DIM: usize = 8;

const FILE: &str = "spectral.safetensors";

fn images(shape: [usize; 4], backend: &BackendDevice) -> Tensor<4> {
    det_tensor(shape, 7, &backend.device, DType::F32)
}

fn filled<M: Module>(module: M) -> M {
    fill(module, SEED)
}

#[test]
fn cosine_coefficients_as_scipy() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let pictures = images([2, 3, 8, 12], backend);
        let whole = DctPatchEmbedConfig::new([4, 6], 3, DIM).with_frequencies(Frequencies::All);
        let embed = filled(whole.init(device));
        let features = embed.features(pictures.clone()).into_embeddings();
        let name = "dct_features_4x6";
        assert_golden(name, features, golden.take(name));
        let name = "dct_embed_4x6";
        let tokens = embed.forward(pictures.clone()).into_embeddings();
        assert_golden(name, tokens, golden.take(name));

        let ten = DctPatchEmbedConfig::new([8, 4], 3, DIM);
        let embed = filled(ten.with_frequencies(Frequencies::First(10)).init(device));
        let name = "dct_embed_8x4_first10";
        let tokens = embed.forward(pictures.clone()).into_embeddings();
        assert_golden(name, tokens, golden.take(name));

        let std: Vec<f32> = det(30, 22).iter().map(|value| value + 1.0).collect();
        let normalised = embed.with_statistics(&det(30, 21), &std).unwrap();
        let name = "dct_embed_8x4_normalised";
        let tokens = normalised.forward(pictures.clone()).into_embeddings();
        assert_golden(name, tokens, golden.take(name));
        let tokens = normalised.fold().forward(pictures.clone());
        let again = normalised.forward(pictures).into_embeddings();
        assert_golden("folded", tokens.into_embeddings(), again.into_data());
    });
}

#[test]
fn blocks_of_luma_and_chroma_as_in_a_jpeg_file() {
    golden(FILE, |backend, golden| {
        let cases = [
            ("dct_jpeg_features", DctLayout::Jpeg),
            ("dct_jpeg_merged_features", DctLayout::JpegMerged),
        ];
        for (name, layout) in cases {
            let config = DctPatchEmbedConfig::new([16, 16], 3, DIM)
                .with_layout(layout)
                .with_frequencies(Frequencies::All);
            let pictures = images([1, 3, 32, 16], backend);
            let features = config.init(&backend.device).features(pictures);
            assert_golden(name, features.into_embeddings(), golden.take(name));
        }
    });
}

#[test]
fn wavelet_coefficients_as_pywavelets() {
    let (haar, four, eight) = (
        Wavelet::Haar,
        Wavelet::DaubechiesFourTaps,
        Wavelet::DaubechiesEightTaps,
    );
    let patch = |name, embed, wavelet, patch: [usize; 2], levels| {
        (name, embed, wavelet, patch, levels, WaveletDomain::Patch)
    };
    let image = |name, embed, wavelet| (name, embed, wavelet, [8, 4], 2, WaveletDomain::Image);
    let cases = [
        patch(
            "wavelet_features_haar_8x4_2",
            "wavelet_embed_haar_8x4_2",
            haar,
            [8, 4],
            2,
        ),
        patch(
            "wavelet_features_db2_8x8_3",
            "wavelet_embed_db2_8x8_3",
            four,
            [8, 8],
            3,
        ),
        patch(
            "wavelet_features_db4_16x8_2",
            "wavelet_embed_db4_16x8_2",
            eight,
            [16, 8],
            2,
        ),
        image(
            "wavelet_image_features_db2",
            "wavelet_image_embed_db2",
            four,
        ),
        image(
            "wavelet_image_features_db4",
            "wavelet_image_embed_db4",
            eight,
        ),
    ];
    golden(FILE, |backend, golden| {
        for (features, embedded, wavelet, patch, levels, domain) in cases {
            let config = WaveletPatchEmbedConfig::new(patch, 3, DIM)
                .with_wavelet(wavelet)
                .with_levels(levels)
                .with_domain(domain);
            let embed = filled(config.init(&backend.device));
            let pictures = images([2, 3, 16, 24], backend);
            let values = embed.features(pictures.clone()).into_embeddings();
            assert_golden(features, values, golden.take(features));
            let tokens = embed.forward(pictures).into_embeddings();
            assert_golden(embedded, tokens, golden.take(embedded));
        }
    });
}

#[test]
fn fourier_coefficients_as_numpy() {
    let epsilon = 1e-4;
    let linear = Spectrum::RealImaginary;
    let size = Spectrum::AmplitudePhase { epsilon };
    let log = Spectrum::LogAmplitudePhase { epsilon };
    let split = Bands::Split { cutoff: 0.3 };
    let cases = [
        ("fourier_embed_4x2", [4, 2], linear, Bands::Whole),
        ("fourier_embed_6x5", [6, 5], linear, Bands::Whole),
        ("fourier_amplitude_4x2", [4, 2], size, Bands::Whole),
        ("fourier_amplitude_6x5", [6, 5], size, Bands::Whole),
        ("fourier_log_amplitude_4x2", [4, 2], log, Bands::Whole),
        ("fourier_log_amplitude_6x5", [6, 5], log, Bands::Whole),
        ("fourier_bands_4x2", [4, 2], linear, split),
        ("fourier_bands_6x5", [6, 5], linear, split),
    ];
    golden(FILE, |backend, golden| {
        let pictures = images([2, 3, 12, 10], backend);
        for (name, patch, spectrum, bands) in cases {
            let config = FourierPatchEmbedConfig::new(patch, 3, DIM)
                .with_spectrum(spectrum)
                .with_bands(bands);
            let embed = filled(config.init(&backend.device));
            let tokens = embed.forward(pictures.clone()).into_embeddings();
            assert_golden(name, tokens, golden.take(name));
        }
        let features = [
            ("fourier_features_4x2", [4, 2]),
            ("fourier_features_6x5", [6, 5]),
        ];
        for (name, patch) in features {
            let embed = FourierPatchEmbedConfig::new(patch, 3, DIM).init(&backend.device);
            let features = embed.features(pictures.clone()).into_embeddings();
            assert_golden(name, features, golden.take(name));
        }
    });
}

#[test]
fn global_filter_as_torch_fft() {
    golden(FILE, |backend, golden| {
        for (name, [rows, cols]) in [("gfnet_4x6", [4, 6]), ("gfnet_3x5", [3, 5])] {
            let filter = GlobalFilterConfig::new([rows, cols], DIM).init(&backend.device);
            let shape = [2, rows * cols, DIM];
            let tokens = det_tensor(shape, 7, &backend.device, DType::F32);
            assert_golden(name, filled(filter).forward(tokens), golden.take(name));
        }
    });
}
