//! `describe`: what a model is made of, without loading it.

use std::path::PathBuf;

use burn_vit::import::{Architecture, Dialect, HubConfig, Importer, Preset, parameters};
use clap::ArgGroup;
use serde_json::{Value, json};

use crate::arguments::{dialect, size};
use crate::command::describe_levels;
use crate::failure::Failure;
use crate::hub;
use crate::model::cost::cost;
use crate::model::hierarchical::hierarchical;
use crate::model::hierarchical::settings::Settings;
use crate::model::levels::{Backbone, Levels};
use crate::numbers::{grouped, mebibytes};
use crate::output::say;

/// Says what a model is made of. No weights are loaded.
#[derive(clap::Args, Debug, Clone)]
#[command(
    group = ArgGroup::new("model").required(true).args(["preset", "weights", "config"]),
    after_help = "Examples:
  burn-patch describe --preset vit_base_patch16_224
  burn-patch describe --preset vit_small_patch14_dinov2 --image-size 224 --json
  burn-patch describe --weights model.safetensors --heads 12"
)]
pub(crate) struct Args {
    /// A published model by timm's name
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,

    /// A checkpoint, as for embed; what it does not say comes from the config.json beside it
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// A config.json of transformers or timm
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Whose names the weights have. Default: told by the names
    #[arg(long, value_name = "NAME", value_parser = dialect, requires = "weights")]
    dialect: Option<Dialect>,

    /// Attention heads, which the weights of some libraries do not say
    #[arg(long, value_name = "N", requires = "weights")]
    heads: Option<usize>,

    /// For images of this size in pixels
    #[arg(long, value_name = "HxW", value_parser = size)]
    image_size: Option<[usize; 2]>,

    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// A model and where it is from.
struct Model {
    name: String,
    dialect: Option<Dialect>,
    arch: Architecture,
}

/// Says what the model is made of.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let args = &Args {
        weights: args.weights.as_deref().map(hub::local).transpose()?,
        ..args.clone()
    };
    if let Some((name, mut backbone)) = hierarchical(args)? {
        if let Some(image) = args.image_size {
            backbone.set_image(image);
        }
        let levels = Levels::of(&backbone).map_err(Failure::failed)?;
        if args.json {
            say(describe_levels::facts(&name, &levels));
        } else {
            say(describe_levels::table(&name, &levels));
        }
        return Ok(());
    }
    let mut model = model(args)?;
    if let Some(image) = args.image_size {
        model.arch.image = image;
    }
    if model.arch.cells() == 0 {
        return Err(Failure::failed(format_args!(
            "images of {:?} pixels: expected at least a patch of {:?}",
            model.arch.image, model.arch.patch
        )));
    }
    if args.json {
        say(facts(&model));
    } else {
        say(table(&model));
    }
    Ok(())
}

/// The name and settings of a hierarchical backbone, if it is one.
fn hierarchical(args: &Args) -> Result<Option<(String, Backbone)>, Failure> {
    if let Some(name) = &args.preset {
        return Ok(Backbone::by_name(name).map(|backbone| (name.clone(), backbone)));
    }
    if let Some(config) = &args.config {
        let backbone = Settings::read(config)?.backbone;
        return Ok(backbone.map(|backbone| (config.display().to_string(), backbone)));
    }
    let Some(weights) = args.weights.as_deref().filter(|_| args.dialect.is_none()) else {
        return Ok(None);
    };
    let Some(found) = hierarchical::find(weights, None)? else {
        return Ok(None);
    };
    Ok(Some((weights.display().to_string(), found.backbone()?)))
}

fn model(args: &Args) -> Result<Model, Failure> {
    if let Some(name) = &args.preset {
        let preset = Preset::by_name(name).ok_or_else(|| unknown(name))?;
        let arch = preset.architecture();
        return Ok(Model {
            name: name.clone(),
            dialect: Some(match preset.family.as_str() {
                "vit" | "deit" => Dialect::Timm,
                "naflexvit" => Dialect::TimmNaflex,
                _ => Dialect::TimmEva,
            }),
            arch: arch.map_err(|error| Failure::failed(format_args!("{name}: {error}")))?,
        });
    }
    if let Some(weights) = &args.weights {
        let mut importer = Importer::new(weights);
        if let Some(dialect) = args.dialect {
            importer = importer.with_dialect(dialect);
        }
        if let Some(heads) = args.heads {
            importer = importer.with_heads(heads);
        }
        let inspected = importer.inspect();
        let inspected = inspected.map_err(|error| Failure::import(weights, &error))?;
        return Ok(Model {
            name: inspected.checkpoint.path().display().to_string(),
            dialect: Some(inspected.dialect),
            arch: inspected.architecture,
        });
    }
    let config = args.config.as_deref().expect("one of the three");
    let read = HubConfig::read(config).and_then(|config| config.architecture());
    Ok(Model {
        name: config.display().to_string(),
        dialect: None,
        arch: read.map_err(|error| Failure::import(config, &error))?,
    })
}

/// The presets whose names are like the one that is not there.
fn unknown(name: &str) -> Failure {
    let start: String = name.chars().take(8).collect();
    let alike: Vec<&str> = Preset::names()
        .filter(|known| known.starts_with(&start))
        .take(12)
        .collect();
    let hint = match alike.as_slice() {
        [] => format!("one of {} names of timm", Preset::names().count()),
        alike => format!("a name of timm, as {}", alike.join(", ")),
    };
    Failure::usage(format_args!("no preset '{name}'; expected {hint}"))
}

fn facts(model: &Model) -> Value {
    let (arch, cost) = (&model.arch, cost(&model.arch));
    json!({
        "name": model.name,
        "dialect": model.dialect.map(Dialect::name),
        "image": arch.image,
        "patch": arch.patch,
        "channels": arch.channels,
        "grid": arch.grid(),
        "patch_tokens": arch.cells(),
        "class_tokens": usize::from(arch.class_token),
        "distillation_tokens": usize::from(arch.distilled),
        "register_tokens": arch.registers,
        "tokens": arch.prefix() + arch.cells(),
        "dim": arch.dim,
        "depth": arch.depth,
        "heads": arch.heads,
        "mlp": arch.hidden,
        "classes": arch.classes,
        "parameters": parameters(arch),
        "multiply_adds": cost.multiply_adds,
        "activation_bytes": cost.inference_bytes,
        "activation_bytes_training": cost.training_bytes,
        "architecture": arch,
    })
}

fn table(model: &Model) -> String {
    let (arch, cost) = (&model.arch, cost(&model.arch));
    let [height, width] = arch.image;
    let [rows, cols] = arch.grid();
    let mut lines = vec![("model", model.name.clone())];
    if let Some(dialect) = model.dialect {
        lines.push(("dialect", dialect.name().to_owned()));
    }
    lines.extend([
        (
            "images",
            format!("{height}×{width}, {} channels", arch.channels),
        ),
        (
            "patches",
            format!("{}×{} pixels", arch.patch[0], arch.patch[1]),
        ),
        ("tokens", tokens(arch, [rows, cols])),
        ("layers", layers(arch)),
        ("positions", positions(arch)),
        ("head", head(arch)),
    ]);
    if let Some(decoder) = &arch.decoder {
        let text = format!(
            "{} blocks of width {}, {} heads, {:.0} % masked",
            decoder.depth,
            decoder.dim,
            decoder.heads,
            100.0 * decoder.mask_ratio
        );
        lines.push(("decoder", text));
    }
    lines.extend([
        ("parameters", grouped(parameters(arch))),
        (
            "multiply-adds",
            format!("{} an image", grouped(cost.multiply_adds)),
        ),
        (
            "activations",
            format!(
                "{} at once an image, {} kept for gradients (f32)",
                mebibytes(cost.inference_bytes),
                mebibytes(cost.training_bytes)
            ),
        ),
    ]);
    let lines = lines
        .iter()
        .map(|(what, text)| format!("{what:<14} {text}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn tokens(arch: &Architecture, [rows, cols]: [usize; 2]) -> String {
    let kinds = [
        (usize::from(arch.class_token), "class"),
        (usize::from(arch.distilled), "distillation"),
        (arch.registers, "register"),
    ];
    let prefix = kinds.iter().filter(|(count, _)| *count > 0);
    let prefix = prefix.map(|(count, kind)| format!("{count} {kind} + "));
    format!(
        "{} = {}{} patch ({rows}×{cols})",
        arch.prefix() + arch.cells(),
        prefix.collect::<String>(),
        arch.cells()
    )
}

fn layers(arch: &Architecture) -> String {
    let also = [
        (arch.mlp_norm, "normed MLP"),
        (arch.qk_norm, "normed queries and keys"),
        (arch.layer_scale, "LayerScale"),
        (arch.pre_norm, "norm before the blocks"),
    ];
    let also = also.iter().filter(|(is, _)| *is);
    format!(
        "{} blocks of width {}, {} heads, MLP {} ({:?}){}",
        arch.depth,
        arch.dim,
        arch.heads,
        arch.hidden,
        arch.activation,
        also.map(|(_, what)| format!(", {what}"))
            .collect::<String>()
    )
}

fn positions(arch: &Architecture) -> String {
    let places = &arch.places;
    let table = places.table.map(|own| match own {
        0 => "a table".to_owned(),
        own => format!("a table, prefix rows: {own}"),
    });
    let rotary = places.rotary.map(|rotary| format!("rotary {rotary:?}"));
    let relative = places.relative.then(|| "relative bias".to_owned());
    let all: Vec<String> = [table, rotary, relative].into_iter().flatten().collect();
    match all.as_slice() {
        [] => "none".to_owned(),
        all => all.join("; "),
    }
}

fn head(arch: &Architecture) -> String {
    match arch.classes {
        Some(classes) => format!("{:?}, {classes} classes", arch.pooling),
        None => format!("{:?}, no classifier", arch.pooling),
    }
}
