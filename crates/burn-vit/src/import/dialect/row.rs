//! One line of a dialect's table.

use crate::import::part::Kind;

/// How a part lies in the other library's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// As it is.
    Whole,
    /// In parts that are joined along the output.
    Joined,
    /// As PyTorch's `MultiheadAttention` has it: `in_proj_weight`, not `in_proj.weight`.
    InProjection,
    /// As these thirds of such a projection.
    Thirds([usize; 2]),
    /// As Flax has it, perhaps in several parts: kernels turned, names like `Dense_0/kernel`.
    Flax,
}

/// Which parameter of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Weight,
    Bias,
}

/// One line of a dialect's table: our part and their names for it, `#` for the number of a block. Of several lines for a
/// part, the first whose names are there counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    ours: &'static str,
    theirs: &'static [&'static str],
    pub(crate) how: How,
    /// Axes of their tensor, where it lacks some of ours that are 1.
    pub(crate) axes: Option<usize>,
}

impl Row {
    /// A part that lies there whole.
    pub(crate) const fn whole(ours: &'static str, theirs: &'static [&'static str; 1]) -> Self {
        Self {
            ours,
            theirs,
            how: How::Whole,
            axes: None,
        }
    }

    /// A part that lies there in several.
    pub(crate) const fn joined(ours: &'static str, theirs: &'static [&'static str]) -> Self {
        Self {
            ours,
            theirs,
            how: How::Joined,
            axes: None,
        }
    }

    /// A part of PyTorch's `MultiheadAttention`.
    pub(crate) const fn in_projection(
        ours: &'static str,
        theirs: &'static [&'static str; 1],
    ) -> Self {
        Self {
            ours,
            theirs,
            how: How::InProjection,
            axes: None,
        }
    }

    /// Some thirds of such a part.
    pub(crate) const fn thirds(
        ours: &'static str,
        theirs: &'static [&'static str; 1],
        thirds: [usize; 2],
    ) -> Self {
        Self {
            ours,
            theirs,
            how: How::Thirds(thirds),
            axes: None,
        }
    }

    /// A part as Flax has it.
    pub(crate) const fn flax(ours: &'static str, theirs: &'static [&'static str]) -> Self {
        Self {
            ours,
            theirs,
            how: How::Flax,
            axes: None,
        }
    }

    /// The same part, of so many axes there.
    pub(crate) const fn with_axes(mut self, axes: usize) -> Self {
        self.axes = Some(axes);
        self
    }

    /// Their names for a parameter of our part `path`; none if this line is about another part.
    pub(crate) fn names(&self, path: &str, kind: Kind, which: Which) -> Option<Vec<String>> {
        let index = matched(self.ours, path)?;
        let fused = matches!(self.how, How::InProjection | How::Thirds(_));
        let suffix = match (kind, which) {
            (Kind::Tensor | Kind::Table { .. }, _) => "",
            (_, Which::Bias) if self.how == How::Flax => "/bias",
            (Kind::Norm, _) if self.how == How::Flax => "/scale",
            _ if self.how == How::Flax => "/kernel",
            (_, Which::Weight) if fused => "_weight",
            (_, Which::Bias) if fused => "_bias",
            (_, Which::Weight) => ".weight",
            (_, Which::Bias) => ".bias",
        };
        let name = |theirs: &&str| format!("{}{suffix}", theirs.replace('#', index));
        Some(self.theirs.iter().map(name).collect())
    }
}

/// What stands for `#` in `path`; empty where the pattern has none, none where they differ.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once('#') else {
        return (pattern == path).then_some("");
    };
    let index = path.strip_prefix(before)?.strip_suffix(after)?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_number_in_both_names() {
        let row = Row::joined("blocks.#.qkv", &["layer.#.q", "layer.#.v"]);
        let names = row.names("blocks.11.qkv", Kind::Linear, Which::Bias);
        assert_eq!(names.unwrap(), ["layer.11.q.bias", "layer.11.v.bias"]);
        for other in ["blocks..qkv", "blocks.1.2.qkv", "blocks.1.kv", "x.1.qkv"] {
            assert_eq!(row.names(other, Kind::Linear, Which::Weight), None);
        }
        let row = Row::in_projection("a", &["b.in_proj"]);
        let names = row.names("a", Kind::Linear, Which::Weight);
        assert_eq!(names.unwrap(), ["b.in_proj_weight"]);
        let row = Row::flax("a", &["b"]);
        for (kind, name) in [(Kind::Norm, "b/scale"), (Kind::Linear, "b/kernel")] {
            assert_eq!(row.names("a", kind, Which::Weight).unwrap(), [name]);
        }
    }
}
