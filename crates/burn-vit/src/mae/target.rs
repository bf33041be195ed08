//! What a masked autoencoder predicts.

use serde::{Deserialize, Serialize};

/// What the decoder predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Target {
    /// Pixels normalised by their patch's mean and unbiased variance (MAE's `norm_pix_loss`).
    #[default]
    NormalizedPixels,
    /// Pixels as they are.
    Pixels,
}
