//! What `describe` says of a hierarchical backbone.

use serde_json::{Value, json};

use crate::model::levels::{Level, Levels};
use crate::numbers::{grouped, mebibytes};

/// As a JSON object; tokens are those of the last level.
pub(crate) fn facts(name: &str, levels: &Levels) -> Value {
    let level = |level: &Level| {
        json!({
            "grid": level.grid,
            "dim": level.dim,
            "depth": level.depth,
            "heads": level.heads,
            "mlp": level.hidden,
        })
    };
    let last = levels.last();
    let cells = last.grid[0] * last.grid[1];
    json!({
        "name": name,
        "dialect": "timm",
        "family": levels.family,
        "image": levels.image,
        "patch": [levels.patch, levels.patch],
        "channels": levels.channels,
        "levels": levels.levels.iter().map(level).collect::<Vec<_>>(),
        "grid": last.grid,
        "patch_tokens": cells,
        "class_tokens": 0,
        "tokens": cells,
        "dim": last.dim,
        "depth": levels.levels.iter().map(|level| level.depth).sum::<usize>(),
        "classes": levels.classes,
        "parameters": levels.parameters(),
        "multiply_adds": levels.multiply_adds(),
        "activation_bytes": levels.inference_bytes(),
        "activation_bytes_training": levels.training_bytes(),
    })
}

/// As a table.
pub(crate) fn table(name: &str, levels: &Levels) -> String {
    let [height, width] = levels.image;
    let mut lines = vec![
        ("model", name.to_owned()),
        ("dialect", format!("timm, {}", levels.family)),
        (
            "images",
            format!("{height}×{width}, {} channels", levels.channels),
        ),
        ("patches", format!("{0}×{0} pixels", levels.patch)),
    ];
    for level in &levels.levels {
        let [rows, cols] = level.grid;
        let text = format!(
            "{rows}×{cols} tokens, {} blocks of width {}, {} heads, MLP {}",
            level.depth, level.dim, level.heads, level.hidden
        );
        lines.push(("level", text));
    }
    lines.extend([
        (
            "head",
            match levels.classes {
                Some(classes) => format!("mean, {classes} classes"),
                None => "mean, no classifier".to_owned(),
            },
        ),
        ("parameters", grouped(levels.parameters())),
        (
            "multiply-adds",
            format!("{} an image", grouped(levels.multiply_adds())),
        ),
        (
            "activations",
            format!(
                "{} at once an image, {} kept for gradients (f32)",
                mebibytes(levels.inference_bytes()),
                mebibytes(levels.training_bytes())
            ),
        ),
    ]);
    let lines = lines
        .iter()
        .map(|(what, text)| format!("{what:<14} {text}"));
    lines.collect::<Vec<_>>().join("\n")
}
