//! Whole models with another library's weights: `golden/checkpoints/*`.

use std::collections::HashMap;

use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::{Device, Tensor, TensorData};
use burn_patch::Noise;
use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
use burn_patch::position::{AnyPositionConfig, LearnedPositionConfig};
use burn_patch_tests::{
    Golden, backends, golden_folder, largest_difference, load_named, tolerance,
};
use burn_vit::{EncoderConfig, HeadConfig, MaeConfig, VitConfig};

use crate::parity::kept_ids;

fn assert_model<const D: usize>(name: &str, got: Tensor<D>, io: &mut HashMap<String, TensorData>) {
    let want = io.remove(name).unwrap_or_else(|| panic!("no {name}"));
    let apart = largest_difference(&got.into_data(), &want).0;
    assert!(apart <= tolerance::MODEL, "{name}: {apart:.1e}");
}

/// timm's names are ours; blocks, prefix, positions and classifier lie one level deeper.
#[test]
fn timm_vision_transformer() {
    for backend in backends() {
        let device = &backend.device;
        let embed = LinearPatchEmbedConfig::new([8, 8], 3, 48).init(device);
        let mut vit = VitConfig::new([32, 32], EncoderConfig::new(2, 3))
            .with_head(HeadConfig::classes(10))
            .init(embed, device);
        let file = golden_folder().join("checkpoints/timm_vit/model.safetensors");
        let mut store = SafetensorsStore::from_file(file)
            .with_from_adapter(PyTorchToBurnAdapter)
            .skip_enum_variants(true)
            .with_key_remapping("^pos_embed$", "encoder.position.pos_embed")
            .with_key_remapping("^cls_token$", "prefix.cls_token")
            .with_key_remapping(r"^(blocks|norm)\.", "encoder.$1.")
            .with_key_remapping(r"^head\.", "head.fc.");
        let report = vit.load_from(&mut store).unwrap();
        assert!(report.unused.is_empty(), "{:?}", report.unused);

        let mut io = Golden::open("checkpoints/timm_vit/io.safetensors").into_tensors();
        let images = Tensor::<4>::from_data(io.remove("images").unwrap(), device);
        let patches = vit.patch_embed.forward(images.clone());
        assert_model("embed", patches.into_embeddings(), &mut io);
        assert_model(
            "tokens",
            vit.forward_features(images.clone(), Noise::None)
                .into_embeddings(),
            &mut io,
        );
        assert_model("logits", vit.forward(images), &mut io);
        assert!(io.is_empty(), "left over: {:?}", io.keys());
    }
}

/// LayerNorm's epsilon in transformers' ViT-MAE.
const HF_EPSILON: f64 = 1e-12;

/// transformers keeps query, key and value apart and weights as `[out, in]`.
#[test]
fn transformers_masked_autoencoder() {
    for backend in backends() {
        let device = &backend.device;
        let embed = LinearPatchEmbedConfig::new([8, 8], 3, 48).init(device);
        let encoder = EncoderConfig::new(2, 3).with_epsilon(HF_EPSILON);
        let learned = AnyPositionConfig::Learned(LearnedPositionConfig::new());
        let config = MaeConfig::new(VitConfig::new([32, 32], encoder), 32, 2, 4);
        let decoder = config.decoder.clone().with_position(learned);
        let config = config.with_decoder(decoder);
        let values = ours(
            Golden::open("checkpoints/hf_vit_mae/model.safetensors").into_tensors(),
            device,
        );
        let mae = load_named(config.init(embed, device), values);

        let mut io = Golden::open("checkpoints/hf_vit_mae/io.safetensors").into_tensors();
        let images = Tensor::<4>::from_data(io.remove("images").unwrap(), device);
        let noise = io.remove("noise").unwrap().try_to_vec_as::<f32>().unwrap();
        let output = mae.forward(images.clone(), &noise);
        let (_, restore) = mae.encode_visible(images, &noise);
        assert_model("pred", output.prediction.into_embeddings(), &mut io);
        assert_model("mask", output.mask, &mut io);
        assert_model("loss", output.loss, &mut io);
        let ids = Tensor::from_data(io.remove("ids_restore").unwrap(), device);
        io.insert("kept".into(), kept_ids(ids, &restore).into_data());
        assert_model("kept", restore.owner().float(), &mut io);
        assert!(io.is_empty(), "left over: {:?}", io.keys());
    }
}

/// The same values under our paths: renamed, linear weights transposed, query, key and value joined.
fn ours(theirs: HashMap<String, TensorData>, device: &Device) -> HashMap<String, TensorData> {
    const NAMES: &[(&str, &str)] = &[
        (
            "vit.embeddings.patch_embeddings.projection",
            "vit.patch_embed.proj",
        ),
        ("vit.embeddings.cls_token", "vit.prefix.cls_token"),
        (
            "vit.embeddings.position_embeddings",
            "vit.encoder.position.Learned.pos_embed",
        ),
        ("vit.layernorm", "vit.encoder.norm"),
        ("vit.layers", "vit.encoder.blocks"),
        (
            "decoder.decoder_pos_embed",
            "DECODER.position.Learned.pos_embed",
        ),
        ("decoder.decoder_layers", "DECODER.blocks"),
        ("decoder.decoder_norm", "DECODER.norm"),
        ("decoder.", ""),
        ("DECODER", "decoder"),
        (".attention.o_proj", ".attn.proj"),
        (".layernorm_before", ".norm1"),
        (".layernorm_after", ".norm2"),
    ];
    let mut ours = HashMap::new();
    let mut attention: HashMap<String, [Option<TensorData>; 3]> = HashMap::new();
    for (name, data) in theirs {
        let mut path = NAMES
            .iter()
            .fold(name, |path, (theirs, ours)| path.replace(theirs, ours));
        let rank = data.shape().len();
        let data = match rank {
            2 => Tensor::<2>::from_data(data, device).transpose().into_data(),
            _ => data,
        };
        if path.contains("norm") {
            path = path.replace(".weight", ".gamma").replace(".bias", ".beta");
        }
        let part = [".q_proj", ".k_proj", ".v_proj"]
            .iter()
            .position(|part| path.contains(part));
        match part {
            Some(part) => {
                let name = [".q_proj", ".k_proj", ".v_proj"][part];
                let path = path.replace(".attention", ".attn").replace(name, ".qkv");
                attention.entry(path).or_default()[part] = Some(data);
            }
            None => drop(ours.insert(path, data)),
        }
    }
    for (path, parts) in attention {
        let parts = parts.map(|part| part.expect("query, key and value"));
        ours.insert(path, join(parts, device));
    }
    ours
}

/// Side by side along the last axis.
fn join(parts: [TensorData; 3], device: &Device) -> TensorData {
    match parts[0].shape().len() {
        1 => Tensor::cat(
            parts
                .map(|part| Tensor::<1>::from_data(part, device))
                .to_vec(),
            0,
        )
        .into_data(),
        _ => Tensor::cat(
            parts
                .map(|part| Tensor::<2>::from_data(part, device))
                .to_vec(),
            1,
        )
        .into_data(),
    }
}
