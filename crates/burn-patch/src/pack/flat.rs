//! Tokens of several batches end to end, to be laid out anew.

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use crate::Tokens;
use crate::tokens::{PlaceKind, Places};

/// Tokens of several batches end to end, those of a prefix included, each image's after the other's.
///
/// One row is behind them all, for padding: zeros, cell 0, no size.
pub(super) struct Flat {
    embeddings: Tensor<2>,
    places: FlatPlaces,
    sizes: Option<Tensor<1>>,
    valid: Option<Tensor<1, Bool>>,
    count: usize,
}

enum FlatPlaces {
    Cells(Tensor<1, Int>),
    Boxes(Tensor<2>),
}

/// What was said of the tokens, laid out anew.
pub(super) struct LaidOut {
    pub(super) embeddings: Tensor<3>,
    /// [`Places::Picked`] where they lay on a grid, all of it or not.
    pub(super) places: Places,
    pub(super) sizes: Option<Tensor<2>>,
    /// Padding that the tokens had; none where they had none.
    pub(super) valid: Option<Tensor<2, Bool>>,
}

impl Flat {
    /// # Panics
    ///
    /// If there are no batches.
    pub(super) fn of<'a>(batches: impl Iterator<Item = &'a Tokens>) -> Self {
        let batches: Vec<&Tokens> = batches.collect();
        let parts = batches.iter().map(|tokens| {
            let [batch, count, dim] = tokens.embeddings().dims();
            tokens.embeddings().reshape([batch * count, dim])
        });
        let embeddings = Tensor::cat(parts.collect(), 0);
        let [count, dim] = embeddings.dims();
        let options = (&embeddings.device(), embeddings.dtype());
        let padding = Tensor::zeros([1, dim], options);
        Self {
            embeddings: Tensor::cat(vec![embeddings, padding], 0),
            places: places(&batches),
            sizes: sizes(&batches),
            valid: valid(&batches),
            count,
        }
    }

    /// The tokens at `index` as `[batch, count]` of them; none: padding.
    ///
    /// # Panics
    ///
    /// If there are not `batch·count` indices.
    pub(super) fn lay_out(&self, index: &[Option<usize>], [batch, count]: [usize; 2]) -> LaidOut {
        let index = index.iter().map(|at| at.unwrap_or(self.count) as i32);
        let data = TensorData::new::<i32, _>(index.collect(), [batch * count]);
        let index = Tensor::<1, Int>::from_data(data, &self.embeddings.device());
        let [_, dim] = self.embeddings.dims();
        let embeddings = self.embeddings.clone().select(0, index.clone());
        let marks = self.valid.clone().map(|valid| {
            let marks = valid.int().select(0, index.clone()).greater_elem(0);
            marks.reshape([batch, count])
        });
        let places = match &self.places {
            FlatPlaces::Cells(cells) => {
                let cells = cells.clone().select(0, index.clone());
                Places::Picked(cells.reshape([batch, count]))
            }
            FlatPlaces::Boxes(boxes) => {
                let boxes = boxes.clone().select(0, index.clone());
                Places::Boxes(boxes.reshape([batch, count, 4]))
            }
        };
        let sizes = self.sizes.clone();
        LaidOut {
            embeddings: embeddings.reshape([batch, count, dim]),
            places,
            sizes: sizes.map(|sizes| sizes.select(0, index).reshape([batch, count])),
            valid: marks,
        }
    }
}

/// Each batch's `[batch, tokens, width]` behind zeros for its prefix, end to end with a row of zeros:
/// `[rows, width]`.
fn end_to_end(batches: &[&Tokens], of: impl Fn(&Tokens) -> Tensor<3>) -> Tensor<2> {
    let mut parts: Vec<Tensor<2>> = Vec::with_capacity(batches.len() + 1);
    for tokens in batches {
        let values = of(tokens);
        let [batch, count, width] = values.dims();
        let prefix = tokens.prefix();
        let zeros = Tensor::zeros([batch, prefix, width], (&values.device(), values.dtype()));
        let values = match prefix {
            0 => values,
            _ => Tensor::cat(vec![zeros, values], 1),
        };
        parts.push(values.reshape([batch * (prefix + count), width]));
    }
    let [_, width] = parts[0].dims();
    parts.push(Tensor::zeros(
        [1, width],
        (&parts[0].device(), parts[0].dtype()),
    ));
    Tensor::cat(parts, 0)
}

fn places(batches: &[&Tokens]) -> FlatPlaces {
    let boxes = |tokens: &&Tokens| tokens.places().kind() == PlaceKind::Boxes;
    if batches.iter().any(boxes) {
        let dtype = batches[0].boxes_px().dtype();
        return FlatPlaces::Boxes(end_to_end(batches, |tokens| {
            let boxes = tokens.boxes_px().cast(dtype);
            boxes.expand([tokens.batch(), tokens.tokens(), 4])
        }));
    }
    let parts = batches.iter().map(|tokens| {
        let (batch, count, prefix) = (tokens.batch(), tokens.tokens(), tokens.prefix());
        let device = tokens.embeddings().device();
        let cells = match tokens.places() {
            Places::Picked(cells) => cells.clone(),
            _ => arange(count, &device)
                .reshape([1, count])
                .expand([batch, count]),
        };
        let cells = match prefix {
            0 => cells,
            _ => {
                let none = arange(prefix, &device).mul_scalar(0);
                let none = none.reshape([1, prefix]).expand([batch, prefix]);
                Tensor::cat(vec![none, cells], 1)
            }
        };
        cells.reshape([batch * (prefix + count)])
    });
    let padding = arange(1, &batches[0].embeddings().device());
    FlatPlaces::Cells(Tensor::cat(parts.chain([padding]).collect(), 0))
}

fn arange(count: usize, device: &Device) -> Tensor<1, Int> {
    Tensor::arange(0..count as i64, device)
}

/// Patches of each token, if one of the batches says.
fn sizes(batches: &[&Tokens]) -> Option<Tensor<1>> {
    let dtype = batches.iter().find_map(|tokens| tokens.sizes())?.dtype();
    let sizes = end_to_end(batches, |tokens| {
        let shape = [tokens.batch(), tokens.tokens()];
        let options = (&tokens.embeddings().device(), dtype);
        let sizes = tokens.sizes().map(|sizes| sizes.cast(dtype));
        let sizes = sizes.unwrap_or_else(|| Tensor::ones(shape, options));
        sizes.unsqueeze_dim(2)
    });
    Some(sizes.squeeze_dim(1))
}

/// Which tokens are real, those of a prefix too, if one of the batches has padding.
fn valid(batches: &[&Tokens]) -> Option<Tensor<1, Bool>> {
    batches.iter().find_map(|tokens| tokens.valid())?;
    let hidden = end_to_end(batches, |tokens| {
        let shape = [tokens.batch(), tokens.tokens()];
        let options = (&tokens.embeddings().device(), DType::F32);
        let hidden = tokens.valid().map(|valid| valid.bool_not().float());
        let hidden = hidden.unwrap_or_else(|| Tensor::zeros(shape, options));
        hidden.cast(DType::F32).unsqueeze_dim(2)
    });
    Some(hidden.squeeze_dim::<1>(1).lower_elem(0.5))
}
