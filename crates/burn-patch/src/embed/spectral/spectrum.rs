//! The two ways to write a complex coefficient as real numbers.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::ops::at_least_single;

/// How a complex coefficient `a + bi` becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Spectrum {
    /// `a` and `b`: linear.
    #[default]
    RealImaginary,
    /// `A = √(a² + b² + ε)`, `a/A` and `b/A`: amplitude, and cosine and sine of the phase.
    ///
    /// The angle itself jumps by a whole turn and has no bounded gradient at 0; these three do, of at most `1/√ε`.
    AmplitudePhase {
        /// ε.
        epsilon: f64,
    },
    /// The same with `ln A` for `A`, which evens out that low frequencies are much larger than high ones.
    LogAmplitudePhase {
        /// ε.
        epsilon: f64,
    },
}

impl Spectrum {
    pub(crate) const fn epsilon(self) -> Option<f64> {
        match self {
            Self::RealImaginary => None,
            Self::AmplitudePhase { epsilon } | Self::LogAmplitudePhase { epsilon } => Some(epsilon),
        }
    }

    /// `[.., 2·frequencies]`, real parts first, to what the projection sees.
    pub(crate) fn represent(self, parts: Tensor<4>) -> Tensor<4> {
        let Some(epsilon) = self.epsilon() else {
            return parts;
        };
        let dtype = parts.dtype();
        let precise = at_least_single(dtype);
        let frequencies = parts.dims()[3] / 2;
        let parts = parts.cast(precise);
        let real = parts.clone().slice_dim(3, ..frequencies);
        let imaginary = parts.slice_dim(3, frequencies..);
        let power = real.clone() * real.clone() + imaginary.clone() * imaginary.clone();
        let amplitude = (power + epsilon).sqrt();
        let (cos, sin) = (real / amplitude.clone(), imaginary / amplitude.clone());
        let size = match self {
            Self::LogAmplitudePhase { .. } => amplitude.log(),
            _ => amplitude,
        };
        Tensor::cat(vec![size, cos, sin], 3).cast(dtype)
    }

    pub(crate) const fn per_frequency(self) -> usize {
        match self {
            Self::RealImaginary => 2,
            _ => 3,
        }
    }
}
