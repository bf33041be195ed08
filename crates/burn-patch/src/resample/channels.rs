//! The weights of a projection brought to images of other channels.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::nonzero;
use crate::ops::at_least_single;

/// What the weights of each new channel are made of: a sum of the old channels' weights.
///
/// # Equation
///
/// `w'[d, c'] = Σ_c M[c', c]·w[d, c]`, `M` the rows given.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::resample::ChannelMap;
///
/// let weight = Tensor::<4>::ones([8, 3, 4, 4], &Device::flex());
/// // Red, green and blue, and an infrared band that starts as half of red.
/// let map = ChannelMap::mix(vec![
///     vec![1.0, 0.0, 0.0],
///     vec![0.0, 1.0, 0.0],
///     vec![0.0, 0.0, 1.0],
///     vec![0.5, 0.0, 0.0],
/// ]);
/// assert_eq!(map.unwrap().apply(weight).unwrap().dims(), [8, 4, 4, 4]);
/// assert!(ChannelMap::mix(vec![vec![1.0], vec![]]).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelMap {
    rows: Vec<Vec<f64>>,
}

impl ChannelMap {
    /// timm's (`timm/models/_manipulate.py`, `adapt_input_conv`, of timm 1.0.31): one channel is the sum of all; more
    /// or fewer are the old ones in turn, times `from/to`, so that equal channels give what they gave.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no channels.
    pub fn repeat(from: usize, to: usize) -> Result<Self, Error> {
        nonzero("channels to map from and to", &[from, to])?;
        let scale = match from == to {
            true => 1.0,
            false => from as f64 / to as f64,
        };
        let row = |channel: usize| match to {
            1 => vec![1.0; from],
            _ => {
                let mut row = vec![0.0; from];
                row[channel % from] = scale;
                row
            }
        };
        let rows = (0..to).map(row).collect();
        Ok(Self { rows })
    }

    /// A channel of the old ones, by index, for each new one, or none, which starts at zero; nothing is scaled.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no channels, [`Error::Range`] for an index beyond `from`.
    pub fn bands(from: usize, bands: &[Option<usize>]) -> Result<Self, Error> {
        nonzero("channels to map from and to", &[from, bands.len()])?;
        if let Some(&got) = bands.iter().flatten().find(|&&band| band >= from) {
            return Err(Error::Range {
                what: "channel that a band starts from",
                expected: format!("less than {from}"),
                got: got as f64,
            });
        }
        let row = |band: &Option<usize>| (0..from).map(|at| f64::from(*band == Some(at))).collect();
        let rows = bands.iter().map(row).collect();
        Ok(Self { rows })
    }

    /// Shares of the old channels in each new one.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no channels, [`Error::Shape`] for rows of different lengths, [`Error::Range`] for a share
    /// that is not finite.
    pub fn mix(rows: Vec<Vec<f64>>) -> Result<Self, Error> {
        let from = rows.first().map_or(0, Vec::len);
        nonzero("channels to map from and to", &[from, rows.len()])?;
        if let Some(row) = rows.iter().find(|row| row.len() != from) {
            return Err(Error::Shape {
                what: "shares of the old channels in a new one",
                expected: vec![from],
                got: vec![row.len()],
            });
        }
        if let Some(&got) = rows.iter().flatten().find(|share| !share.is_finite()) {
            return Err(Error::Range {
                what: "share of a channel",
                expected: "a finite number".into(),
                got,
            });
        }
        Ok(Self { rows })
    }

    /// Channels that it maps from.
    pub fn from(&self) -> usize {
        self.rows[0].len()
    }

    /// Channels that it maps to.
    pub fn to(&self) -> usize {
        self.rows.len()
    }

    /// Weights `[dim, from, height, width]` to `[dim, to, height, width]`; half precision in `f32`.
    ///
    /// # Errors
    ///
    /// [`Error::Channels`] for weights of other channels.
    pub fn apply(&self, weight: Tensor<4>) -> Result<Tensor<4>, Error> {
        let [dim, channels, height, width] = weight.dims();
        let (from, to) = (self.from(), self.to());
        if channels != from {
            return Err(Error::Channels {
                expected: from,
                got: channels,
            });
        }
        let (device, dtype) = (weight.device(), weight.dtype());
        let precise = at_least_single(dtype);
        let map = TensorData::new(self.rows.concat(), [1, to, from]).convert_dtype(precise);
        let map = Tensor::<3>::from_data(map, (&device, precise));
        let flat = weight.cast(precise).reshape([dim, from, height * width]);
        let mapped = map.matmul(flat).reshape([dim, to, height, width]);
        Ok(mapped.cast(dtype))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn bands_start_as_the_channels_that_they_name() {
        let device = Device::flex();
        let weight = Tensor::<4>::from_floats([[[[1.0]], [[2.0]], [[3.0]]]], &device);
        let map = ChannelMap::bands(3, &[Some(2), None, Some(0), Some(2)]).unwrap();
        let got = map.apply(weight).unwrap().into_data();
        got.assert_eq(&[[[[3.0f32]], [[0.0]], [[1.0]], [[3.0]]]].into(), true);
    }

    #[test]
    fn repeated_channels_give_a_grey_picture_what_it_gave() {
        for (from, to) in [(3, 1), (3, 2), (3, 3), (3, 5), (1, 3), (4, 3)] {
            let map = ChannelMap::repeat(from, to).unwrap();
            let sum: f64 = map.rows.iter().flatten().sum();
            assert!((sum - from as f64).abs() < 1e-12, "{from} to {to}: {sum}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(matches!(ChannelMap::repeat(3, 0), Err(Error::Zero { .. })));
        assert!(matches!(
            ChannelMap::bands(0, &[None]),
            Err(Error::Zero { .. })
        ));
        let beyond = ChannelMap::bands(3, &[Some(3)]);
        assert!(matches!(beyond, Err(Error::Range { got: 3.0, .. })));
        let ragged = ChannelMap::mix(vec![vec![1.0, 0.0], vec![1.0]]);
        assert!(matches!(ragged, Err(Error::Shape { .. })));
        let infinite = ChannelMap::mix(vec![vec![f64::INFINITY]]);
        assert!(matches!(infinite, Err(Error::Range { .. })));
        let weight = Tensor::zeros([1, 4, 1, 1], &Device::flex());
        let other = ChannelMap::repeat(3, 4).unwrap().apply(weight);
        assert!(matches!(
            other,
            Err(Error::Channels {
                expected: 3,
                got: 4
            })
        ));
    }
}
