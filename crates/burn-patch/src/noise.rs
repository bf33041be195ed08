//! Randomness as host values.

use rand::{Rng, RngExt};

use crate::Error;

/// Uniform numbers in `[0, 1)` on the host, for whatever decides what a run computes: masks, dropped tokens, routers,
/// jitter. The same numbers give the same run on every backend.
///
/// They are used up in the order in which the parts of a model ask for them.
///
/// ```
/// use burn_patch::Noise;
///
/// let values = vec![0.9, 0.1, 0.3];
/// let mut noise = Noise::from(&values);
/// assert_eq!(noise.take("a mask", 2).unwrap(), [0.9, 0.1]);
/// assert!(noise.take("another mask", 2).is_err());
/// assert!(Noise::None.take("a mask", 1).is_err());
/// ```
pub enum Noise<'a> {
    /// None: whoever asks for some gets an error that says so.
    None,
    /// These values, the first first.
    Values(&'a [f32]),
    /// As many as are asked for, drawn from a generator.
    Drawn(&'a mut dyn Rng),
}

impl Noise<'_> {
    /// Whether there is none at all: what trains one way and predicts another then predicts.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The next `count` values, for `what`.
    ///
    /// # Errors
    ///
    /// [`Error::Noise`] if there are not that many.
    pub fn take(&mut self, what: &'static str, count: usize) -> Result<Vec<f32>, Error> {
        match self {
            Self::Drawn(rng) => Ok((0..count).map(|_| rng.random()).collect()),
            Self::Values(values) if values.len() >= count => {
                let (first, rest) = values.split_at(count);
                *values = rest;
                Ok(first.to_vec())
            }
            Self::Values(values) => Err(Error::Noise {
                what,
                expected: count,
                got: values.len(),
            }),
            Self::None if count == 0 => Ok(Vec::new()),
            Self::None => Err(Error::Noise {
                what,
                expected: count,
                got: 0,
            }),
        }
    }
}

impl<'a> From<&'a [f32]> for Noise<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::Values(values)
    }
}

impl<'a> From<&'a Vec<f32>> for Noise<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        Self::Values(values)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Noise<'a> {
    fn from(values: &'a [f32; N]) -> Self {
        Self::Values(values)
    }
}
