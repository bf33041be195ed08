//! How each library resizes a position table.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::nonzero;
use crate::resample::align::Align;
use crate::resample::filter::Filter;
use crate::resample::resize_matrix::ResizeMatrix;

/// How a position table is brought to another grid, by the name of who does it so.
///
/// Checkpoints run as their authors measured them only with their own way: the results differ in the second digit.
/// None changes a table for its own grid.
///
/// # Departures
///
/// Each takes a rectangular source as it is, where the libraries assume a square one or refuse it.
///
/// ```
/// use burn_patch::resample::{Align, Filter, Profile};
///
/// assert_eq!(Profile::HuggingFace.filter(), Filter::Cubic(Align::Edges));
/// assert_eq!(Profile::Custom(Filter::Nearest).filter(), Filter::Nearest);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Profile {
    /// timm 1.0.31 (`timm/layers/pos_embed.py`, `resample_abs_pos_embed`): cubic, smoothed.
    Timm,
    /// ViT and DINOv2 in transformers 5 (`interpolate_pos_encoding`): cubic.
    HuggingFace,
    /// DINOv2's own (`dinov2/models/vision_transformer.py`): cubic, with the scale of a grid larger by 0.1 cells.
    DinoV2,
    /// DINOv2's own with registers: cubic, smoothed, without that offset.
    DinoV2Registers,
    /// SigLIP 2 in transformers 5 (`modeling_siglip2.py`, `resize_positional_embeddings`): linear, smoothed.
    SigLip2,
    /// vit_jax and big_vision at load time (`scipy.ndimage.zoom` of order 1): linear, corners aligned.
    BigVision,
    /// RADIO v3 L and g and v4 (`radio/vit_patch_generator.py` of NVlabs/RADIO): linear, to the square of the longer
    /// side, of which the top left is taken.
    Radio,
    /// RADIO v3 B and H: as [`Radio`](Self::Radio) with corners aligned.
    RadioCorners,
    /// Qwen3-VL in transformers 5 (`fast_pos_embed_interpolate`): linear, corners aligned.
    Qwen3Vl,
    /// Any filter, from each side to the other grid's.
    Custom(Filter),
    /// Any filter, to the square of the longer side, of which the top left is taken, so that both axes have one scale:
    /// timm's NaFlex with `pos_embed_ar_preserving`.
    Square(Filter),
}

impl Profile {
    /// The filter along each axis.
    pub fn filter(self) -> Filter {
        match self {
            Self::Timm | Self::DinoV2Registers => Filter::SmoothCubic,
            Self::HuggingFace => Filter::Cubic(Align::Edges),
            Self::DinoV2 => Filter::Cubic(Align::Offset(0.1)),
            Self::SigLip2 => Filter::SmoothLinear,
            Self::BigVision | Self::Qwen3Vl | Self::RadioCorners => Filter::Linear(Align::Corners),
            Self::Radio => Filter::Linear(Align::Edges),
            Self::Custom(filter) | Self::Square(filter) => filter,
        }
    }

    /// The matrices of rows and columns from a grid to another one.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid, otherwise those of [`ResizeMatrix::try_new`].
    pub fn matrices(self, from: [usize; 2], to: [usize; 2]) -> Result<[ResizeMatrix; 2], Error> {
        nonzero("grid to resize from", &from)?;
        nonzero("grid to resize to", &to)?;
        let filter = match from == to {
            true => Filter::Nearest,
            false => self.filter(),
        };
        let whole = self.whole(from, to);
        let axis = |axis: usize| {
            let matrix = ResizeMatrix::try_new(from[axis], whole[axis], filter)?;
            Ok::<_, Error>(matrix.first(to[axis]))
        };
        Ok([axis(0)?, axis(1)?])
    }

    /// For rows and columns: cells of the grid `from` per cell of `to`, and where the centre of the first cell of `to`
    /// lies, so that place `p` among the cells of `to` is `p·step + start` among those of `from`.
    pub(crate) fn steps_and_starts(self, from: [usize; 2], to: [usize; 2]) -> [[f64; 2]; 2] {
        if from == to {
            return [[1.0, 0.0]; 2];
        }
        let whole = self.whole(from, to);
        let align = self.filter().align();
        [0, 1].map(|axis| align.step_and_start(from[axis], whole[axis]))
    }

    /// The grid that is resized to before it is cut to `to`.
    fn whole(self, from: [usize; 2], to: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Radio | Self::RadioCorners | Self::Square(_) if from != to => {
                [to[0].max(to[1]); 2]
            }
            _ => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_own_grid_is_left_alone() {
        for profile in [Profile::DinoV2, Profile::Radio, Profile::Timm] {
            let [rows, cols] = profile.matrices([4, 6], [4, 6]).unwrap();
            assert!(rows.is_identity() && cols.is_identity(), "{profile:?}");
        }
    }

    #[test]
    fn radio_takes_the_top_left_of_a_square() {
        let square = ResizeMatrix::new(4, 6, Filter::Linear(Align::Corners));
        let [rows, cols] = Profile::RadioCorners.matrices([4, 4], [3, 6]).unwrap();
        assert_eq!((rows.to(), cols.to()), (3, 6));
        assert_eq!(rows.row(2), square.row(2));
        assert_eq!(cols.row(5), square.row(5));
    }

    #[test]
    fn empty_grids_are_errors_for_every_profile() {
        for profile in [Profile::Radio, Profile::DinoV2, Profile::BigVision] {
            for [from, to] in [
                [[2, 2], [0, 3]],
                [[2, 2], [3, 0]],
                [[0, 2], [2, 2]],
                [[0, 2], [0, 2]],
            ] {
                assert!(matches!(
                    profile.matrices(from, to),
                    Err(Error::Zero { .. })
                ));
            }
        }
    }
}
