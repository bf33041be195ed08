//! The published weights of DINOv2 ViT-S/14, where they are.

use burn::tensor::{Tensor, TensorData};
use burn_patch::Noise;
use burn_patch_tests::backends;
use burn_vit::import::{ImportedModel, Importer};

/// Names the folder that `scripts/fetch_dinov2.py` filled.
const FOLDER: &str = "BURN_PATCH_DINOV2";
const SIDE: usize = 224;
const DIM: usize = 384;
/// Of values between −5 and 5: the outputs are those of another runtime, through twelve blocks.
const ABSOLUTE: f32 = 1e-3;

/// What onnxruntime gives for the formula of [`picture`] behind the last norm: the first or last values of a token.
const CLASS_FIRST: [f32; 8] = [
    1.07415, -0.16283, 1.47434, -4.7031, -0.7712, -1.20358, 1.66359, -0.3872,
];
const PATCH_0_FIRST: [f32; 8] = [
    1.63649, -1.1783, -0.57059, -4.67505, -2.28081, -2.32276, 1.9407, 0.90289,
];
const PATCH_255_LAST: [f32; 8] = [
    5.09722, -1.20679, 0.39277, -1.51179, -1.01762, -3.09069, 1.96508, 0.26472,
];

/// A picture that needs no file: the sine of a thousandth of each value's index.
fn picture() -> TensorData {
    let count = 3 * SIDE * SIDE;
    let values = (0..count).map(|index| (0.001 * index as f64).sin() as f32);
    TensorData::new(values.collect(), [1, 3, SIDE, SIDE])
}

#[test]
fn dinov2s_published_weights_give_its_tokens() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        eprintln!(
            "skipped: {FOLDER} names no folder with the weights; scripts/fetch_dinov2.py fills one"
        );
        return;
    };
    let file = std::path::Path::new(&folder).join("model.safetensors");
    for backend in backends() {
        let importer = Importer::new(&file).with_image([SIDE, SIDE]);
        let imported = importer.load(&backend.device).expect("the weights load");
        let ImportedModel::Vit(vit) = imported.model else {
            panic!("expected a ViT");
        };
        let images = Tensor::<4>::from_data(picture(), &backend.device);
        let tokens = vit.forward_features(images, Noise::None).into_embeddings();
        assert_eq!(tokens.dims(), [1, 257, DIM]);
        let tokens = tokens.into_data().try_to_vec_as::<f32>().expect("floats");
        let token = |index: usize| &tokens[index * DIM..][..DIM];
        let pairs = [
            ("class", &token(0)[..8], CLASS_FIRST),
            ("first patch", &token(1)[..8], PATCH_0_FIRST),
            ("last patch", &token(256)[DIM - 8..], PATCH_255_LAST),
        ];
        for (name, got, want) in pairs {
            for (got, want) in got.iter().zip(want) {
                let apart = (got - want).abs();
                assert!(
                    apart <= ABSOLUTE,
                    "{name} on {}: {got} for {want}",
                    backend.name
                );
            }
        }
    }
}
