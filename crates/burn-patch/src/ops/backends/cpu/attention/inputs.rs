//! What the kernels read.

use std::ops::Range;

use faer::MatRef;

use crate::ops::backends::cpu::attention::part::Part;
use crate::ops::backends::cpu::attention::rows::Rows;
use crate::ops::backends::cpu::real::Real;
use crate::ops::layer::attention::AttentionSizes;

/// Attention's inputs as slices.
pub(super) struct Inputs<'a, T> {
    pub(super) sizes: AttentionSizes,
    /// Query, key and value: one fused tensor, or three.
    pub(super) qkv: Vec<&'a [T]>,
    pub(super) bias: Option<ScoreBias<'a, T>>,
    /// `[1|batch, keys]`.
    pub(super) key_bias: Option<&'a [T]>,
    /// What of each image is attended together.
    pub(super) parts: Vec<Vec<Part>>,
    pub(super) scale: T,
}

/// A bias of the scores, `[images, heads, queries, keys]`.
#[derive(Clone, Copy)]
pub(super) struct ScoreBias<'a, T> {
    pub(super) values: &'a [T],
    /// 1 or the batch.
    pub(super) images: usize,
    /// 1 or all.
    pub(super) heads: usize,
}

impl<'a, T: Real> Inputs<'a, T> {
    /// Query (0), key (1) or value (2) of an image.
    pub(super) fn operand(&self, image: usize, part: usize) -> Operand<'a, T> {
        let place = Place::of(part, self.qkv.len(), self.sizes.dim());
        Operand::of(self.qkv[place.tensor], self.sizes.batch, image, place)
    }
}

/// Where query (0), key (1) or value (2) lies in the tensors that hold them.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) tensor: usize,
    /// Its first column.
    pub(super) first: usize,
    /// From row to row.
    pub(super) stride: usize,
}

impl Place {
    /// In one tensor or in three, each part `dim` wide.
    pub(super) fn of(part: usize, tensors: usize, dim: usize) -> Self {
        let (tensor, first, stride) = match tensors {
            1 => (0, part * dim, 3 * dim),
            _ => (part, 0, dim),
        };
        Self {
            tensor,
            first,
            stride,
        }
    }
}

/// Query, key, value or a gradient of one image.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a, T> {
    values: &'a [T],
    first: usize,
    stride: usize,
}

impl<'a, T: Real> Operand<'a, T> {
    pub(super) fn of(values: &'a [T], batch: usize, image: usize, place: Place) -> Self {
        let len = values.len() / batch;
        Self {
            values: &values[image * len..][..len],
            first: place.first,
            stride: place.stride,
        }
    }

    /// Some rows and columns, copied to `buffer` unless the rows lie together.
    pub(super) fn take<'b>(
        self,
        rows: &Rows,
        columns: Range<usize>,
        buffer: &'b mut Vec<T>,
    ) -> View<'b, T>
    where
        'a: 'b,
    {
        let first = self.first + columns.start;
        let (values, stride) = match rows {
            Rows::Range(range) => {
                let values = &self.values[range.start * self.stride + first..];
                (values, self.stride)
            }
            Rows::List(list) => {
                buffer.clear();
                for row in list {
                    buffer.extend(&self.values[row * self.stride + first..][..columns.len()]);
                }
                (buffer.as_slice(), columns.len())
            }
        };
        View {
            values,
            rows: rows.len(),
            stride,
        }
    }
}

/// Rows that lie `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct View<'a, T> {
    values: &'a [T],
    rows: usize,
    stride: usize,
}

impl<'a, T: Real> View<'a, T> {
    /// `width` columns from `first` on: a head.
    pub(super) fn head(&self, first: usize, width: usize) -> MatRef<'a, T> {
        let values = &self.values[first..];
        MatRef::from_row_major_slice_with_stride(values, self.rows, width, self.stride)
    }
}
