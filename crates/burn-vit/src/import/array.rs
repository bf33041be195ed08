//! Stored values on the host, on their way into a parameter.

use burn::tensor::{bf16, f16};

use crate::import::dialect::FlaxOrder;
use crate::import::error::ImportError;
use crate::import::file::{Dtype, Entry};

/// Values in row-major order, and their shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
    /// The type that they are stored as.
    pub(crate) stored: Dtype,
}

impl Array {
    /// The values of a stored tensor.
    ///
    /// # Errors
    ///
    /// [`ImportError::Unsupported`] for a type that is no float, [`ImportError::NotFinite`] for NaN and infinities.
    pub(crate) fn decode(entry: &Entry, bytes: &[u8]) -> Result<Self, ImportError> {
        let values: Vec<f32> = match entry.dtype {
            Dtype::F32 => words(bytes).map(f32::from_le_bytes).collect(),
            Dtype::F64 => words(bytes)
                .map(|word| f64::from_le_bytes(word) as f32)
                .collect(),
            Dtype::F16 => words(bytes)
                .map(|word| f16::from_le_bytes(word).to_f32())
                .collect(),
            Dtype::Bf16 => words(bytes)
                .map(|word| bf16::from_le_bytes(word).to_f32())
                .collect(),
            Dtype::Other(_) => {
                return Err(ImportError::Unsupported {
                    what: entry.name.clone(),
                    got: format!("{:?}", entry.dtype),
                    expected: "floats of 16 to 64 bits".to_owned(),
                });
            }
        };
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(ImportError::NotFinite {
                name: entry.name.clone(),
                got: values[at].to_string(),
                at,
            });
        }
        Ok(Self {
            shape: entry.shape.clone(),
            values,
            stored: entry.dtype,
        })
    }

    /// Joined along the first axis.
    pub(crate) fn join(parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut all = parts.next().expect("a part");
        for part in parts {
            all.shape[0] += part.shape[0];
            all.values.extend(part.values);
        }
        all
    }

    /// Some rows of the first axis.
    pub(crate) fn rows(mut self, [from, to]: [usize; 2]) -> Self {
        let row: usize = self.shape[1..].iter().product();
        self.values.truncate(to * row);
        self.values.drain(..from * row);
        self.shape[0] = to - from;
        self
    }

    /// `[rows, cols]` to `[cols, rows]`; what has one axis stays.
    pub(crate) fn transpose(self) -> Self {
        let [rows, cols] = self.shape[..] else {
            return self;
        };
        let values = (0..cols)
            .flat_map(|col| (0..rows).map(move |row| row * cols + col))
            .map(|at| self.values[at])
            .collect();
        Self {
            shape: vec![cols, rows],
            values,
            stored: self.stored,
        }
    }

    /// With axes joined and turned from Flax's order to PyTorch's.
    pub(crate) fn permuted(self, order: &FlaxOrder) -> Self {
        let shape = order.shape();
        let strides: Vec<usize> = order
            .axes
            .iter()
            .map(|axis| order.joined[axis + 1..].iter().product())
            .collect();
        let place = |at: usize| {
            let mut rest = at;
            let axes = shape.iter().zip(&strides).rev();
            let steps = axes.map(|(side, stride)| {
                let index = rest % side;
                rest /= side;
                index * stride
            });
            steps.sum::<usize>()
        };
        Self {
            values: (0..self.values.len())
                .map(|at| self.values[place(at)])
                .collect(),
            shape: shape.clone(),
            stored: self.stored,
        }
    }

    /// `[dim, height·width·channels]` to `[dim, channels, height, width]`.
    pub(crate) fn unflatten(self, [dim, channels, height, width]: [usize; 4]) -> Self {
        let area = height * width;
        let cell = |at: usize| {
            let (filter, rest) = (at / (channels * area), at % (channels * area));
            filter * channels * area + rest % area * channels + rest / area
        };
        Self {
            values: (0..self.values.len())
                .map(|at| self.values[cell(at)])
                .collect(),
            shape: vec![dim, channels, height, width],
            stored: self.stored,
        }
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array {
        Array {
            shape: shape.to_vec(),
            values: (0..shape.iter().product())
                .map(|i: usize| i as f32)
                .collect(),
            stored: Dtype::F32,
        }
    }

    #[test]
    fn rows_are_joined_taken_and_turned() {
        let all = Array::join(vec![array(&[1, 2]), array(&[2, 2])]);
        assert_eq!(
            (all.shape.as_slice(), all.values.as_slice()),
            (&[3, 2][..], &[0.0, 1.0, 0.0, 1.0, 2.0, 3.0][..])
        );
        let turned = all.rows([1, 3]).transpose();
        assert_eq!(
            (turned.shape.as_slice(), turned.values.as_slice()),
            (&[2, 2][..], &[0.0, 2.0, 1.0, 3.0][..])
        );
    }

    #[test]
    fn flat_patches_have_their_channels_last() {
        let kernel = array(&[1, 12]).unflatten([1, 3, 2, 2]);
        assert_eq!(kernel.values[..4], [0.0, 3.0, 6.0, 9.0]);
        assert_eq!(kernel.values[4..8], [1.0, 4.0, 7.0, 10.0]);
    }

    #[test]
    fn axes_of_flax_come_to_the_order_of_pytorch() {
        // [height, width, channels, dim]
        let kernel = array(&[1, 2, 3, 2]);
        let turned = kernel.permuted(&FlaxOrder::of("embedding/kernel", &[1, 2, 3, 2]));
        assert_eq!(turned.shape, [2, 3, 1, 2]);
        assert_eq!(turned.values[..4], [0.0, 6.0, 2.0, 8.0]);
        assert_eq!(turned.values[6..8], [1.0, 7.0]);
        // [dim, heads, width of a head]
        let query = array(&[2, 3, 2]);
        let turned = query.permuted(&FlaxOrder::of("a/query/kernel", &[2, 3, 2]));
        assert_eq!(turned.shape, [6, 2]);
        assert_eq!(turned.values[..4], [0.0, 6.0, 1.0, 7.0]);
        // [heads, width of a head, dim]
        let out = array(&[3, 2, 2]);
        let turned = out.permuted(&FlaxOrder::of("a/out/kernel", &[3, 2, 2]));
        assert_eq!(turned.shape, [2, 6]);
        assert_eq!(turned.values[..3], [0.0, 2.0, 4.0]);
        let bias = array(&[3, 2]).permuted(&FlaxOrder::of("a/query/bias", &[3, 2]));
        assert_eq!((bias.shape, bias.values[5]), (vec![6], 5.0));
    }

    #[test]
    fn halves_are_read_and_nan_is_refused_by_name() {
        let entry = |dtype| Entry {
            name: "a.weight".to_owned(),
            dtype,
            shape: vec![2],
            range: [0, 0],
        };
        let halves = [
            f16::from_f32(0.5).to_le_bytes(),
            f16::from_f32(-2.0).to_le_bytes(),
        ]
        .concat();
        let read = Array::decode(&entry(Dtype::F16), &halves).unwrap();
        assert_eq!(read.values, [0.5, -2.0]);
        let spoiled = [1f32.to_le_bytes(), f32::NAN.to_le_bytes()].concat();
        let error = Array::decode(&entry(Dtype::F32), &spoiled).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.weight: expected finite values, got NaN at position 1"
        );
        assert!(Array::decode(&entry(Dtype::Other(8)), &[]).is_err());
    }
}
