//! Whole models with another library's weights: every folder of `golden/checkpoints` that holds one is imported and run.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use burn_patch::embed::{FlatOrder, PatchEmbed, unpatchify};
use burn_patch::grid::{Remainder, Window};
use burn_patch::{Noise, Tokens};
use burn_patch_tests::{Golden, backends, golden_folder, largest_difference, tolerance};
use burn_vit::import::{Checkpoint, Decoder, Facts, Imported, ImportedModel, Importer};

use crate::parity::kept_ids;

type Io = HashMap<String, TensorData>;

/// A test for each folder, with what its weights cannot say.
macro_rules! whole_models {
    ($($folder:ident $(($with:ident $value:expr))?;)*) => {
        $(
            #[test]
            fn $folder() {
                check(stringify!($folder), |importer| importer $(.$with($value))?);
            }
        )*
    };
}

whole_models! {
    facebook_dinov2 (with_heads 3);
    facebook_mae (with_facts facebook_mae_facts());
    flax_augreg;
    flax_siglip;
    hf_clip_vision;
    hf_deit;
    hf_deit_distilled;
    hf_dinov2;
    hf_dinov2_registers;
    hf_dinov3;
    hf_siglip_vision;
    hf_vit;
    hf_vit_mae;
    timm_beit;
    timm_beit_resized;
    timm_clip;
    timm_deit_distilled;
    timm_dinov2_g;
    timm_dinov3;
    timm_eva02;
    timm_naflexvit;
    timm_rope_axial;
    timm_rope_mixed;
    timm_vit;
    timm_vit_avg_fcnorm;
    timm_vit_map;
    timm_vit_reg4_ls_qknorm;
    torchvision_vit (with_heads 3);
}

/// What the original masked autoencoder keeps in its code.
fn facebook_mae_facts() -> Facts {
    let decoder = Decoder {
        dim: 32,
        depth: 2,
        heads: 4,
        hidden: 128,
        mask_ratio: 0.75,
        normalized: true,
    };
    Facts {
        heads: Some(3),
        // That of transformers, which made the outputs.
        epsilon: Some(1e-12),
        decoder: Some(Some(decoder)),
        ..Facts::default()
    }
}

fn io(folder: &str) -> Io {
    Golden::open(&format!("checkpoints/{folder}/io.safetensors")).into_tensors()
}

fn assert_model<const D: usize>(name: &str, got: Tensor<D>, io: &mut Io) {
    if let Some(want) = io.remove(name) {
        let apart = largest_difference(&got.into_data(), &want).0;
        assert!(apart <= tolerance::MODEL, "{name}: {apart:.1e}");
    }
}

/// The names of files on the Hub, those of transformers 5 in memory, and what `torch.save` and `numpy.savez` wrote.
fn weights(folder: &str) -> Vec<std::path::PathBuf> {
    let folder = golden_folder().join("checkpoints").join(folder);
    let names = [
        "model.safetensors",
        "model.v5.safetensors",
        "model.pth",
        "model.npz",
    ];
    let files = names.map(|name| folder.join(name));
    files.into_iter().filter(|file| file.is_file()).collect()
}

/// Runs a folder's model at its own size and at the other one, and leaves no output unchecked.
fn check(folder: &str, with: impl Fn(Importer) -> Importer) {
    for backend in backends() {
        for file in weights(folder) {
            let mut io = io(folder);
            for other in ["", "_other"] {
                let Some(images) = io.remove(&format!("images{other}")) else {
                    continue;
                };
                let images = Tensor::<4>::from_data(images, &backend.device);
                let [_, _, height, width] = images.dims();
                let importer = with(Importer::new(&file)).with_image([height, width]);
                let imported = importer.load(&backend.device).unwrap();
                assert!(imported.report.unused.is_empty());
                match imported {
                    Imported {
                        model: ImportedModel::Vit(vit),
                        ..
                    } => {
                        let name = |output: &str| format!("{output}{other}");
                        let embed = vit.patch_embed.forward(images.clone());
                        assert_model(&name("embed"), embed.into_embeddings(), &mut io);
                        let tokens = vit.forward_features(images, Noise::None);
                        assert_model(&name("tokens"), tokens.embeddings(), &mut io);
                        assert_model(&name("pooled"), vit.head.pool(&tokens), &mut io);
                        assert_model(&name("logits"), vit.head.forward(&tokens), &mut io);
                    }
                    Imported {
                        model: ImportedModel::Mae(mae),
                        ..
                    } => {
                        let noise = io.remove("noise").expect("noise");
                        let noise = noise.try_to_vec_as::<f32>().expect("floats");
                        let output = mae.forward(images.clone(), &noise);
                        let (_, restore) = mae.encode_visible(images, &noise);
                        assert_model("pred", output.prediction.into_embeddings(), &mut io);
                        assert_model("mask", output.mask, &mut io);
                        assert_model("loss", output.loss, &mut io);
                        let ids = io.remove("ids_restore").expect("ids");
                        let ids = Tensor::from_data(ids, &backend.device);
                        io.insert("kept".into(), kept_ids(ids, &restore).into_data());
                        assert_model("kept", restore.owner().float(), &mut io);
                    }
                }
            }
            assert!(io.is_empty(), "left over: {:?}", io.keys());
        }
    }
}

/// FlexiViT at the patch size of its weights and at another one.
#[test]
fn flax_flexivit() {
    for backend in backends() {
        let mut io = io("flax_flexivit");
        for (patch, other) in [(16, ""), (8, "_other")] {
            let name = |output: &str| format!("{output}{other}");
            let images = io.remove(&name("images")).expect("images");
            let images = Tensor::<4>::from_data(images, &backend.device);
            let [_, _, height, width] = images.dims();
            let importer = Importer::new(&weights("flax_flexivit")[0])
                .with_patch_size([patch; 2])
                .with_image([height, width]);
            let imported = importer.load(&backend.device).unwrap();
            assert_eq!(imported.architecture.patch, [patch; 2]);
            assert_eq!(
                imported.report.resized.len(),
                if patch == 8 { 2 } else { 0 }
            );
            let ImportedModel::Vit(vit) = imported.model else {
                panic!("expected a ViT");
            };
            let embed = vit.patch_embed.forward(images.clone());
            assert_model(&name("embed"), embed.into_embeddings(), &mut io);
            let tokens = vit.forward_features(images, Noise::None);
            assert_model(&name("tokens"), tokens.embeddings(), &mut io);
            assert_model(&name("pooled"), vit.head.pool(&tokens), &mut io);
            assert_model(&name("logits"), vit.head.forward(&tokens), &mut io);
        }
        assert!(io.is_empty(), "left over: {:?}", io.keys());
    }
}

/// Images of sizes of their own, given as flat patches: each runs at its size.
#[test]
fn hf_siglip2_naflex() {
    for backend in backends() {
        for file in weights("hf_siglip2_naflex") {
            let io = io("hf_siglip2_naflex");
            let device = &backend.device;
            let shapes: Vec<usize> = io["shapes"]
                .clone()
                .try_to_vec_as::<f32>()
                .unwrap()
                .iter()
                .map(|side| *side as usize)
                .collect();
            for (image, shape) in shapes.chunks(2).enumerate() {
                let [rows, cols] = [shape[0], shape[1]];
                let count = rows * cols;
                let own = |name: &str| {
                    let all = Tensor::<3>::from_data(io[name].clone(), device);
                    all.slice_dim(0, image..image + 1).slice_dim(1, ..count)
                };
                let images = pictures(own("patches"), [rows, cols], 8);
                let importer = Importer::new(&file).with_image([8 * rows, 8 * cols]);
                let ImportedModel::Vit(vit) = importer.load(device).unwrap().model else {
                    panic!("expected a ViT");
                };
                let tokens = vit.forward_features(images, Noise::None);
                let pooled = Tensor::<2>::from_data(io["pooled"].clone(), device);
                let pooled = pooled.slice_dim(0, image..image + 1);
                let mut want = Io::from([
                    ("tokens".to_owned(), own("tokens").into_data()),
                    ("pooled".to_owned(), pooled.into_data()),
                ]);
                assert_model("tokens", tokens.embeddings(), &mut want);
                assert_model("pooled", vit.head.pool(&tokens), &mut want);
                assert!(want.is_empty());
            }
        }
    }
}

/// The picture of flat patches in (row, column, channel) order.
fn pictures(patches: Tensor<3>, [rows, cols]: [usize; 2], side: usize) -> Tensor<4> {
    let window = Window::patch([side, side], Remainder::Reject);
    let grid = window.layout([rows * side, cols * side]).unwrap();
    unpatchify(Tokens::from_grid(patches, grid), FlatOrder::ChannelsLast).unwrap()
}

#[test]
fn what_is_open_is_an_error_that_names_it() {
    let device = Device::flex();
    let file = &weights("torchvision_vit")[0];
    let error = Importer::new(file).load(&device).unwrap_err().to_string();
    assert!(error.contains("attention heads"), "{error}");
    let file = &weights("timm_vit")[0];
    let importer = Importer::new(file).with_preset("vit_base_patch16_224");
    let error = importer.load(&device).unwrap_err().to_string();
    assert!(
        error.contains("the width: the configuration says 768"),
        "{error}"
    );
}

/// Bytes changed in directories, pickles and headers: an error or a checkpoint, never a panic.
#[test]
fn spoiled_files_are_errors() {
    let folder = golden_folder().join("checkpoints");
    let names = [
        "facebook_mae/model.pth",
        "timm_vit/model.safetensors",
        "flax_augreg/model.npz",
    ];
    for (index, name) in names.into_iter().enumerate() {
        let whole = std::fs::read(folder.join(name)).unwrap();
        let path = std::env::temp_dir().join(format!("spoiled-{}-{index}", std::process::id()));
        let (mut refused, mut state) = (0, 1u64);
        let mut below = |count: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % count
        };
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                // The start holds the header or the pickle, the end a directory.
                let near = below(4000);
                let at = if below(2) == 0 {
                    near
                } else {
                    bytes.len() - 1 - near
                };
                bytes[at] = below(256) as u8;
            }
            bytes.truncate(bytes.len() - below(2) * below(bytes.len()));
            std::fs::write(&path, bytes).unwrap();
            refused += usize::from(Checkpoint::open(&path).is_err());
        }
        std::fs::remove_file(path).unwrap();
        assert!((1..=400).contains(&refused), "{name}: {refused}");
    }
}
