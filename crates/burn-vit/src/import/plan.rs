//! Which stored tensors become which parameters, and how.

use std::collections::HashSet;

use crate::import::architecture::Architecture;
use crate::import::dialect::{Dialect, How, Which};
use crate::import::error::ImportError;
use crate::import::file::Entry;
use crate::import::part::{Kind, Part, parts};
use crate::import::weights::{Found, Weights};

/// What becomes of stored tensors on their way into a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The values as they are, in the parameter's shape.
    Copy,
    /// Joined along the first axis, those rows of them, then transposed if asked for.
    Join {
        /// The rows taken, of all that are joined.
        rows: [usize; 2],
        /// Whether `[output, input]` becomes `[input, output]`.
        transpose: bool,
    },
    /// `[dim, row·column·channel]` becomes a convolution's `[dim, channel, row, column]`.
    Unflatten,
    /// A convolution's kernel for other patches or channels.
    Adapt {
        /// Its channels, height and width.
        from: [usize; 3],
        /// Whether it lies flat, as for [`Unflatten`](Self::Unflatten).
        flat: bool,
    },
    /// A table of positions for another grid.
    Resize {
        /// Rows for prefix tokens, which stay.
        prefix: usize,
        /// Its grid.
        from: [usize; 2],
        /// The model's grid.
        to: [usize; 2],
    },
}

/// One parameter of the model, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The parameter's path.
    pub target: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The stored tensors.
    pub sources: Vec<String>,
    /// Whether their axes lie in Flax's order, `[input, output]` and `[height, width, channels, dim]`; they are brought to
    /// PyTorch's first.
    pub flax: bool,
    /// What becomes of them.
    pub op: Op,
}

/// How a checkpoint becomes a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// One step per parameter.
    pub steps: Vec<Step>,
    /// Parameters without a source, each with the name that it would have.
    pub missing: Vec<String>,
    /// Stored tensors that no step uses.
    pub unused: Vec<String>,
    /// Stored tensors that follow from the configuration: indices, masks, frequencies.
    pub derived: Vec<String>,
    /// Stored tensors of another tower.
    pub elsewhere: Vec<String>,
}

/// Last parts of names whose values follow from the configuration.
const DERIVED: &[&str] = &[
    "position_ids",
    "relative_position_index",
    "relative_coords_table",
    "attn_mask",
    "inv_freq",
    "num_batches_tracked",
    "periods",
    "k_bias",
];

/// Plans how weights in a dialect become the model `arch`. `source` is the same model at the weights' own image size, patch
/// size and channels.
///
/// # Errors
///
/// [`ImportError::Shape`] for a tensor that does not fit.
pub fn plan<'a>(
    dialect: Dialect,
    source: &Architecture,
    arch: &Architecture,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Result<Plan, ImportError> {
    let weights = Weights::new(dialect, entries.clone());
    let mut plan = Plan::default();
    for part in parts(arch) {
        plan.add(&weights, &part, Which::Weight, source)?;
        plan.add(&weights, &part, Which::Bias, source)?;
    }
    plan.sort_rest(dialect, entries);
    Ok(plan)
}

impl Plan {
    /// Refuses what is missing or unused, unless one of `allowed` is its name or starts it.
    ///
    /// # Errors
    ///
    /// [`ImportError::Incomplete`] with the names.
    pub fn check(&self, allowed: &[String]) -> Result<(), ImportError> {
        let left = |names: &[String]| {
            let bad = names
                .iter()
                .filter(|name| !allowed.iter().any(|allow| name.starts_with(allow.as_str())));
            bad.cloned().collect::<Vec<_>>().join(", ")
        };
        let (missing, unused) = (left(&self.missing), left(&self.unused));
        if missing.is_empty() && unused.is_empty() {
            return Ok(());
        }
        Err(ImportError::Incomplete { missing, unused })
    }

    fn add(
        &mut self,
        weights: &Weights<'_>,
        part: &Part,
        which: Which,
        source: &Architecture,
    ) -> Result<(), ImportError> {
        let parameter = match which {
            Which::Weight => Some(part.weight()),
            Which::Bias => part.bias(),
        };
        let Some((target, shape)) = parameter else {
            return Ok(());
        };
        let Some(found) = weights.find(&part.key, part.kind, which) else {
            self.missing.push(target);
            return Ok(());
        };
        let op = op(part, &shape, which, &found, source)?;
        self.steps.push(Step {
            target,
            shape,
            sources: found
                .entries
                .iter()
                .map(|entry| entry.name.clone())
                .collect(),
            flax: found.how == How::Flax,
            op,
        });
        Ok(())
    }

    fn sort_rest<'a>(&mut self, dialect: Dialect, entries: impl Iterator<Item = &'a Entry>) {
        let used: HashSet<String> = self
            .steps
            .iter()
            .flat_map(|step| step.sources.iter().cloned())
            .collect();
        let elsewhere = dialect.table().elsewhere;
        for Entry { name, .. } in entries.filter(|entry| !used.contains(&entry.name)) {
            let last = name.rsplit('.').next().unwrap_or_default();
            let list = if DERIVED.contains(&last) {
                &mut self.derived
            } else if elsewhere.iter().any(|tower| lies_in(name, tower)) {
                &mut self.elsewhere
            } else {
                &mut self.unused
            };
            list.push(name.clone());
        }
    }
}

/// Whether a name is that of a tower, or starts with it where it ends as a folder of names does.
fn lies_in(name: &str, tower: &str) -> bool {
    name == tower || (tower.ends_with(['.', '/']) && name.starts_with(tower))
}

fn op(
    part: &Part,
    shape: &[usize],
    which: Which,
    found: &Found,
    source: &Architecture,
) -> Result<Op, ImportError> {
    let first = &found.entries[0];
    let refuse = |expected: Vec<usize>| {
        Err(ImportError::Shape {
            name: first.name.clone(),
            expected,
            got: first.shape.clone(),
        })
    };
    match part.kind {
        Kind::Linear => joined(shape, which, found),
        Kind::Conv if which == Which::Weight => kernel(first, shape, source),
        Kind::Conv | Kind::Norm if first.shape == shape => Ok(Op::Copy),
        Kind::Conv | Kind::Norm => refuse(shape.to_vec()),
        Kind::Tensor if values(&first.shape) == values(shape) => Ok(Op::Copy),
        Kind::Tensor => refuse(shape.to_vec()),
        Kind::Table { prefix, grid } => {
            let dim = shape[2];
            let from = source.grid();
            let stored = [1, prefix + from[0].saturating_mul(from[1]), dim];
            if values(&first.shape) != values(&stored) {
                return refuse(stored.to_vec());
            }
            Ok(if from == grid {
                Op::Copy
            } else {
                Op::Resize {
                    prefix,
                    from,
                    to: grid,
                }
            })
        }
    }
}

/// What becomes of the patch projection's kernel, `[dim, channels, height, width]` or flat.
fn kernel(entry: &Entry, shape: &[usize], source: &Architecture) -> Result<Op, ImportError> {
    let from = [source.channels, source.patch[0], source.patch[1]];
    let flat = entry.shape.len() == 2;
    let stored = match flat {
        true => vec![shape[0], values(&from)],
        false => [&shape[..1], &from].concat(),
    };
    if entry.shape != stored {
        return Err(ImportError::Shape {
            name: entry.name.clone(),
            expected: stored,
            got: entry.shape.clone(),
        });
    }
    Ok(match (from == shape[1..], flat) {
        (true, true) => Op::Unflatten,
        (true, false) => Op::Copy,
        (false, _) => Op::Adapt { from, flat },
    })
}

fn joined(shape: &[usize], which: Which, found: &Found) -> Result<Op, ImportError> {
    let outputs = *shape.last().expect("a linear layer's shape");
    let all = found.entries.iter().fold(0usize, |sum, entry| {
        sum.saturating_add(entry.shape.first().copied().unwrap_or(0))
    });
    let rows = match found.how {
        How::Thirds([from, to]) => [from * (all / 3), to * (all / 3)],
        _ => [0, all],
    };
    let inputs = &shape[..shape.len() - 1];
    for entry in &found.entries {
        let fits = entry.shape.get(1..).is_some_and(|rest| rest == inputs);
        if !fits || rows[1] - rows[0] != outputs {
            let mut expected = vec![outputs / found.entries.len()];
            expected.extend(inputs);
            return Err(ImportError::Shape {
                name: entry.name.clone(),
                expected,
                got: entry.shape.clone(),
            });
        }
    }
    let transpose = which == Which::Weight;
    if !transpose && found.entries.len() == 1 && rows == [0, all] {
        return Ok(Op::Copy);
    }
    Ok(Op::Join { rows, transpose })
}

fn values(shape: &[usize]) -> usize {
    shape
        .iter()
        .fold(1usize, |product, side| product.saturating_mul(*side))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::facts::Facts;
    use crate::import::file::Dtype;
    use crate::import::part::parts;
    use crate::import::preset::Preset;

    /// What a whole CLIP of transformers holds, but for the layers of its text tower.
    fn entries(arch: &Architecture) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut add = |name: &str, shape: &[usize]| {
            entries.push(Entry {
                name: name.to_owned(),
                dtype: Dtype::F32,
                shape: shape.to_vec(),
                range: [0, 0],
            });
        };
        for part in parts(arch) {
            for (which, parameter) in [
                (Which::Weight, Some(part.weight())),
                (Which::Bias, part.bias()),
            ] {
                let Some((_, mut shape)) = parameter else {
                    continue;
                };
                let mut rows = Dialect::Clip.table().rows();
                let names = rows.find_map(|row| row.names(&part.key, part.kind, which));
                let names = names.expect("a part of CLIP");
                if part.kind == Kind::Linear {
                    shape.reverse();
                    shape[0] /= names.len();
                }
                for name in names {
                    add(&format!("vision_model.{name}"), &shape);
                }
            }
        }
        add("vision_model.embeddings.position_ids", &[1, 50]);
        add("text_model.embeddings.token_embedding.weight", &[9, 4]);
        add("logit_scale", &[]);
        add("visual_projection.weight", &[512, 768]);
        add("surprise", &[1]);
        entries
    }

    fn clip() -> Architecture {
        let preset = Preset::by_name("vit_base_patch32_clip_quickgelu_224").unwrap();
        let facts = Facts {
            fc_norm: Some(true),
            classes: Some(None),
            ..preset.facts().unwrap()
        };
        facts.resolve().unwrap()
    }

    #[test]
    fn a_two_tower_file_gives_its_vision_tower() {
        let arch = clip();
        let entries = entries(&arch);
        let names = entries.iter().map(|entry| entry.name.as_str());
        assert_eq!(Dialect::detect(names), Ok(Dialect::Clip));
        let plan = plan(Dialect::Clip, &arch, &arch, entries.iter()).unwrap();
        assert_eq!(plan.missing, Vec::<String>::new());
        assert_eq!(plan.derived, ["vision_model.embeddings.position_ids"]);
        assert_eq!(plan.elsewhere.len(), 3);
        assert_eq!(plan.unused, ["surprise"]);
        assert!(plan.check(&[]).is_err() && plan.check(&["surprise".to_owned()]).is_ok());
        let qkv = plan
            .steps
            .iter()
            .find(|step| step.target == "encoder.blocks.3.attn.qkv.weight");
        let Step { sources, op, .. } = qkv.unwrap();
        assert_eq!(sources.len(), 3);
        assert_eq!(
            (op, sources[1].as_str()),
            (
                &Op::Join {
                    rows: [0, 3 * 768],
                    transpose: true
                },
                "vision_model.encoder.layers.3.self_attn.k_proj.weight",
            )
        );
    }

    #[test]
    fn another_shape_is_an_error_with_the_tensors_name() {
        let arch = clip();
        let mut entries = entries(&arch);
        let wrong = entries
            .iter_mut()
            .find(|entry| entry.name.ends_with("layers.7.mlp.fc1.weight"));
        wrong.unwrap().shape = vec![3072, 767];
        let error = plan(Dialect::Clip, &arch, &arch, entries.iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "vision_model.encoder.layers.7.mlp.fc1.weight: expected [3072, 768], got [3072, 767]"
        );
    }
}
