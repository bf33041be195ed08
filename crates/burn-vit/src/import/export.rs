//! A model written in another library's names.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use serde_json::{Map, Value, json};

use crate::import::architecture::{Act, Architecture};
use crate::import::array::Array;
use crate::import::dialect::{Dialect, How, Which};
use crate::import::error::ImportError;
use crate::import::file::Dtype;
use crate::import::part::{Kind, Part, parts};
use crate::import::written_config::written_config;

/// Writes the parameters of `model`, which is made as `arch` says, under the names of `dialect` into `folder`:
/// `model.safetensors` with `format: pt`, and the `config.json` of a library that has one.
///
/// Files are written beside their places and moved there whole.
///
/// # Errors
///
/// [`ImportError::Unsupported`] if the dialect has no name for a part or cannot say a setting, [`ImportError::Model`] if
/// `model` is not made so, [`ImportError::File`] if a file cannot be written.
pub fn export<M: Module>(
    model: &M,
    arch: &Architecture,
    dialect: Dialect,
    folder: impl AsRef<Path>,
) -> Result<(), ImportError> {
    let folder = folder.as_ref();
    let mut values = collect(model);
    let mut written = BTreeMap::new();
    for part in parts(arch) {
        for (which, parameter) in [
            (Which::Weight, Some(part.weight())),
            (Which::Bias, part.bias()),
        ] {
            let Some((path, shape)) = parameter else {
                continue;
            };
            let array = values.remove(&path).filter(|array| array.shape == shape);
            let array = array.ok_or_else(|| {
                ImportError::Model(format!("it has no parameter {path} of shape {shape:?}"))
            })?;
            for (name, array) in theirs(dialect, arch, &part, which, array)? {
                // A name that is there already: thirds of one projection, in their order.
                let whole = match written.remove(&name) {
                    Some(before) => Array::join(vec![before, array]),
                    None => array,
                };
                written.insert(name, whole);
            }
        }
    }
    if !values.is_empty() {
        let names: Vec<&str> = values.keys().map(String::as_str).collect();
        let names = names.join(", ");
        return Err(ImportError::Model(format!(
            "the architecture has no part for {names}"
        )));
    }
    let config = written_config(arch, dialect)?;
    write_whole(&folder.join("model.safetensors"), &safetensors(&written))?;
    if let Some(config) = config {
        let text = serde_json::to_string_pretty(&config).expect("plain values");
        write_whole(&folder.join("config.json"), text.as_bytes())?;
    }
    Ok(())
}

/// The parameter under their names, by the first line of the dialect's table for its part.
fn theirs(
    dialect: Dialect,
    arch: &Architecture,
    part: &Part,
    which: Which,
    array: Array,
) -> Result<Vec<(String, Array)>, ImportError> {
    // Where a table has both, gate and value lie apart: timm's beside a norm, DINOv3's always.
    let gated = arch.activation == Act::SwiGlu;
    let apart = gated && (arch.mlp_norm || dialect == Dialect::TransformersDinov3);
    let mlp = part.key.ends_with("mlp.fc1");
    let rows = dialect.table().rows();
    let mut rows = rows.filter(|row| !mlp || apart == (row.how == How::Joined));
    let row = rows.find_map(|row| Some((row, row.names(&part.key, part.kind, which)?)));
    let Some((row, names)) = row else {
        return Err(ImportError::Unsupported {
            what: part.path.clone(),
            got: dialect.name().to_owned(),
            expected: "a dialect with such a part".to_owned(),
        });
    };
    let mut array = array;
    if let Some(axes) = row.axes {
        let lead = array.shape.len() - axes;
        array.shape.drain(..lead);
    }
    let turned = match part.kind {
        Kind::Linear => array.transpose(),
        _ => array,
    };
    let rows = turned.shape[0] / names.len();
    let count = names.len();
    let part = |index: usize| match count {
        1 => turned.clone(),
        _ => turned.clone().rows([index * rows, (index + 1) * rows]),
    };
    Ok(names
        .into_iter()
        .enumerate()
        .map(|(index, name)| (name, part(index)))
        .collect())
}

fn collect<M: Module>(model: &M) -> HashMap<String, Array> {
    #[derive(Default)]
    struct Collect {
        path: Vec<Option<String>>,
        values: HashMap<String, Array>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            let variant = container.starts_with("Enum");
            self.path.push((!variant).then(|| name.to_owned()));
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let parts: Vec<&str> = self.path.iter().flatten().map(String::as_str).collect();
            let data = param.val().into_data();
            let array = Array {
                shape: data.shape().to_vec(),
                values: data.try_to_vec_as().expect("floats"),
                stored: Dtype::F32,
            };
            self.values.insert(parts.join("."), array);
        }
    }
    let mut collect = Collect::default();
    model.visit(&mut collect);
    collect.values
}

/// The bytes of a safetensors file.
fn safetensors(tensors: &BTreeMap<String, Array>) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut data = Vec::new();
    for (name, array) in tensors {
        let from = data.len();
        data.extend(array.values.iter().flat_map(|value| value.to_le_bytes()));
        let range = [from, data.len()];
        let entry = json!({"dtype": "F32", "shape": array.shape, "data_offsets": range});
        header.insert(name.clone(), entry);
    }
    let mut json = Value::Object(header).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    [&(json.len() as u64).to_le_bytes()[..], &json, &data].concat()
}

/// Writes beside `path` and moves there.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ImportError> {
    let failed = |error: std::io::Error| ImportError::file(path, error.to_string());
    let beside = path.with_extension(format!("part{}", std::process::id()));
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| std::fs::rename(&beside, path));
    moved.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};
    use burn_patch::Noise;

    use crate::import::architecture::{Biases, Decoder, Places, Pool, Rotary};
    use crate::import::importer::{ImportedModel, Importer};

    fn tiny(epsilon: f64) -> Architecture {
        Architecture {
            image: [16, 16],
            patch: [8, 8],
            channels: 3,
            dim: 8,
            depth: 2,
            heads: 2,
            hidden: 16,
            activation: Act::Gelu,
            mlp_norm: false,
            qkv_bias: Biases::All,
            qk_norm: false,
            layer_scale: false,
            epsilon,
            patch_bias: true,
            pre_norm: false,
            class_token: true,
            distilled: false,
            distilled_head: false,
            registers: 0,
            mask_token: false,
            places: Places {
                table: Some(1),
                rotary: None,
                relative: false,
            },
            pooling: Pool::Class,
            classes: Some(5),
            decoder: None,
        }
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = format!("burn-vit-export-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Written, read back with nothing but what was written, and run.
    fn assert_back(arch: &Architecture, dialect: Dialect) {
        let device = Device::flex();
        let embed = arch.embed_config().init(&device);
        let vit = arch.vit_config().init(embed, &device);
        let folder = folder(dialect.name());
        export(&vit, arch, dialect, &folder).unwrap();
        let importer = Importer::new(&folder).with_heads(arch.heads);
        let imported = importer.load(&device).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(&imported.architecture, arch);
        assert_eq!(imported.report.dialect, dialect);
        let ImportedModel::Vit(back) = imported.model else {
            panic!("expected a ViT");
        };
        let images = Tensor::random([2, 3, 16, 16], Distribution::Default, &device);
        let want = vit.forward_features(images.clone(), Noise::None);
        let got = back.forward_features(images, Noise::None);
        got.embeddings()
            .into_data()
            .assert_eq(&want.embeddings().into_data(), true);
        let want = vit.head.forward(&want).into_data();
        back.head.forward(&got).into_data().assert_eq(&want, true);
    }

    #[test]
    fn what_is_written_is_read_back_in_every_dialect_that_holds_it() {
        for (dialect, epsilon) in [
            (Dialect::Timm, 1e-6),
            (Dialect::Torchvision, 1e-6),
            (Dialect::TransformersVit, 1e-12),
        ] {
            assert_back(&tiny(epsilon), dialect);
        }
        let plain = Architecture {
            classes: None,
            ..tiny(1e-6)
        };
        let dino = Architecture {
            layer_scale: true,
            registers: 2,
            mask_token: true,
            ..plain.clone()
        };
        assert_back(&dino, Dialect::TransformersDinov2);
        let clip = Architecture {
            pre_norm: true,
            patch_bias: false,
            activation: Act::QuickGelu,
            epsilon: 1e-5,
            pooling: Pool::ClassThenNorm,
            ..plain.clone()
        };
        assert_back(&clip, Dialect::Clip);
        let siglip = Architecture {
            class_token: false,
            activation: Act::GeluTanh,
            places: Places {
                table: Some(0),
                ..plain.places
            },
            pooling: Pool::Attention,
            ..plain
        };
        assert_back(&siglip, Dialect::Siglip);
        let eva = Architecture {
            mlp_norm: true,
            activation: Act::SwiGlu,
            qkv_bias: Biases::NoKey,
            places: Places {
                table: Some(1),
                rotary: Some(Rotary::Axial {
                    base: 1e4,
                    reference: Some([2, 2]),
                    columns_first: false,
                    offset: 0.0,
                }),
                relative: false,
            },
            pooling: Pool::MeanThenNorm,
            ..tiny(1e-6)
        };
        assert_back(&eva, Dialect::TimmEva);
        let map = Architecture {
            classes: Some(3),
            ..siglip
        };
        assert_back(&map, Dialect::Timm);
    }

    #[test]
    fn what_a_dialect_cannot_hold_is_refused_and_nothing_is_written() {
        let device = Device::flex();
        let arch = Architecture {
            registers: 2,
            ..tiny(1e-6)
        };
        let embed = arch.embed_config().init(&device);
        let vit = arch.vit_config().init(embed, &device);
        let folder = folder("refused");
        let error = export(&vit, &arch, Dialect::Torchvision, &folder).unwrap_err();
        assert!(error.to_string().contains("prefix.reg_token"), "{error}");
        let other = Architecture {
            depth: 3,
            ..arch.clone()
        };
        let error = export(&vit, &other, Dialect::Timm, &folder).unwrap_err();
        assert!(error.to_string().contains("encoder.blocks.2"), "{error}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
        let mae = Architecture {
            decoder: Some(Decoder {
                dim: 8,
                depth: 1,
                heads: 2,
                hidden: 16,
                mask_ratio: 0.75,
                normalized: true,
            }),
            ..arch
        };
        assert!(export(&vit, &mae, Dialect::FacebookMae, "nowhere").is_err());
    }
}
