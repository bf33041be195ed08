//! A model written in another library's names.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use serde_json::{Map, Value, json};

use crate::import::architecture::{Act, Architecture, Biases, Pool};
use crate::import::array::Array;
use crate::import::dialect::{Dialect, How, Which};
use crate::import::error::ImportError;
use crate::import::part::{Kind, Part, parts};

/// Writes the parameters of `model`, which is made as `arch` says, under the names of `dialect` into `folder`:
/// `model.safetensors` with `format: pt`, and for timm's names a `config.json`.
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
            written.extend(theirs(dialect, &part, which, array)?);
        }
    }
    if !values.is_empty() {
        let names: Vec<&str> = values.keys().map(String::as_str).collect();
        let names = names.join(", ");
        return Err(ImportError::Model(format!(
            "the architecture has no part for {names}"
        )));
    }
    let config = dialect.is_timm().then(|| timm_config(arch)).transpose()?;
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
    part: &Part,
    which: Which,
    array: Array,
) -> Result<Vec<(String, Array)>, ImportError> {
    let mut rows = dialect.table().rows();
    let row = rows.find_map(|row| Some((row.how, row.names(&part.key, part.kind, which)?)));
    let Some((how, names)) = row else {
        return Err(ImportError::Unsupported {
            what: part.path.clone(),
            got: dialect.name().to_owned(),
            expected: "a dialect with such a part".to_owned(),
        });
    };
    if let How::Thirds(_) = how {
        return Err(ImportError::Unsupported {
            what: part.path.clone(),
            got: dialect.name().to_owned(),
            expected: "a dialect with query, key and value apart".to_owned(),
        });
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

/// timm's configuration of a ViT or a distilled DeiT.
fn timm_config(arch: &Architecture) -> Result<Value, ImportError> {
    let refuse = |what: &str, got: String| ImportError::Unsupported {
        what: what.to_owned(),
        got,
        expected: "what timm's VisionTransformer has".to_owned(),
    };
    if arch.places.rotary.is_some() || arch.places.relative {
        return Err(refuse("positions", format!("{:?}", arch.places)));
    }
    if arch.mlp_norm || arch.qkv_bias == Biases::NoKey || arch.activation == Act::SwiGlu {
        return Err(refuse(
            "block",
            format!("{:?}, {:?}", arch.activation, arch.qkv_bias),
        ));
    }
    let no_embed = match arch.places.table {
        Some(0) => true,
        Some(rows) if rows == arch.prefix() => false,
        other => {
            return Err(refuse(
                "rows of the position table for prefix tokens",
                format!("{other:?}"),
            ));
        }
    };
    let (pool, fc_norm) = match arch.pooling {
        Pool::Class => ("token", false),
        Pool::ClassThenNorm => ("token", true),
        Pool::Mean => ("avg", false),
        Pool::MeanThenNorm => ("avg", true),
        Pool::Attention => ("map", false),
    };
    let mut args = json!({
        "img_size": arch.image, "patch_size": arch.patch, "in_chans": arch.channels, "embed_dim": arch.dim,
        "depth": arch.depth, "num_heads": arch.heads, "mlp_ratio": arch.hidden as f64 / arch.dim as f64,
        "qkv_bias": arch.qkv_bias == Biases::All, "qk_norm": arch.qk_norm, "class_token": arch.class_token,
        "reg_tokens": arch.registers, "no_embed_class": no_embed, "pre_norm": arch.pre_norm, "fc_norm": fc_norm,
        "global_pool": pool,
    });
    let mut set = |name: &str, value: Value| args[name] = value;
    if arch.layer_scale {
        set("init_values", json!(1e-5));
    }
    match arch.activation {
        Act::Gelu | Act::SwiGlu => {}
        Act::GeluTanh => set("act_layer", json!("gelu_tanh")),
        Act::QuickGelu => set("act_layer", json!("quick_gelu")),
    }
    let name = match arch.distilled {
        true => "deit_base_distilled_patch16_224",
        false => "vit_base_patch16_224",
    };
    Ok(json!({
        "architecture": name, "num_classes": arch.classes.unwrap_or(0), "model_args": args,
    }))
}
