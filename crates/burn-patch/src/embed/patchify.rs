//! Images cut into flattened patches, and put together again.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::grid::{Remainder, Window};
use crate::ops::{fold_windows, patch_windows};
use crate::{Error, Tokens};

/// Order of the values in a flattened patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FlatOrder {
    /// `(channel, row, column)`: a flattened convolution kernel.
    #[default]
    ChannelsFirst,
    /// `(row, column, channel)`: MAE's targets, NaFlex, SigLIP 2.
    ChannelsLast,
}

/// Cuts images into flattened patches.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - result: embeddings `[batch, rows·cols, channels·patch height·patch width]`
///
/// # Errors
///
/// If `patch` is zero or does not divide the image.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify, unpatchify};
///
/// let device = Device::flex();
/// let images = Tensor::<1, Int>::arange(0..24, &device).float().reshape([1, 2, 2, 6]);
/// let patches = patchify(images.clone(), [2, 3], FlatOrder::ChannelsLast).unwrap();
/// let back = unpatchify(patches, FlatOrder::ChannelsLast).unwrap();
/// back.into_data().assert_eq(&images.into_data(), true);
/// ```
pub fn patchify(images: Tensor<4>, patch: [usize; 2], order: FlatOrder) -> Result<Tokens, Error> {
    let [batch, channels, height, width] = images.dims();
    let grid = Window::patch(patch, Remainder::Reject).layout([height, width])?;
    let windows = patch_windows(images, &grid);
    let windows = match order {
        FlatOrder::ChannelsFirst => windows,
        FlatOrder::ChannelsLast => {
            exchange(windows, batch, grid.tokens(), channels, patch[0] * patch[1])
        }
    };
    Ok(Tokens::from_grid(windows, grid))
}

/// Puts flattened patches back together: the inverse of [`patchify`].
///
/// # Shapes
///
/// - patches: embeddings `[batch, rows·cols, channels·patch height·patch width]`, no prefix
/// - result `[batch, channels, height, width]`
///
/// # Errors
///
/// If tokens are missing, carry a prefix, or are not a whole number of channels wide.
pub fn unpatchify(patches: Tokens, order: FlatOrder) -> Result<Tensor<4>, Error> {
    let grid = *patches.grid();
    if !patches.is_whole_grid() || patches.prefix() > 0 {
        return Err(Error::Irregular {
            what: "unpatchify",
            because: "selected, moved or given a prefix",
        });
    }
    let (batch, values) = (patches.batch(), patches.dim());
    let area = grid.window.kernel[0] * grid.window.kernel[1];
    if values % area != 0 {
        return Err(Error::Indivisible {
            what: "values per patch",
            divisor: area,
            got: values,
        });
    }
    let windows = patches.into_embeddings();
    let windows = match order {
        FlatOrder::ChannelsFirst => windows,
        FlatOrder::ChannelsLast => exchange(windows, batch, grid.tokens(), area, values / area),
    };
    Ok(fold_windows(windows, &grid))
}

/// `[batch, tokens, slow·fast]` → `[batch, tokens, fast·slow]`.
fn exchange(values: Tensor<3>, batch: usize, tokens: usize, slow: usize, fast: usize) -> Tensor<3> {
    values
        .reshape([batch, tokens, slow, fast])
        .swap_dims(2, 3)
        .reshape([batch, tokens, slow * fast])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Int};
    use rstest::rstest;

    #[rstest]
    fn unpatchify_undoes_patchify(
        #[values(FlatOrder::ChannelsFirst, FlatOrder::ChannelsLast)] order: FlatOrder,
        #[values([2, 2], [4, 3], [8, 6], [1, 1])] patch: [usize; 2],
    ) {
        let device = Device::flex();
        let images = Tensor::<4>::random([2, 3, 8, 6], Distribution::Default, &device);
        let patches = patchify(images.clone(), patch, order).unwrap();
        let back = unpatchify(patches, order).unwrap();
        back.into_data().assert_eq(&images.into_data(), true);
    }

    #[test]
    fn channels_last_order_is_row_column_channel() {
        let device = Device::flex();
        let images = Tensor::<1, Int>::arange(0..16, &device)
            .float()
            .reshape([1, 2, 2, 4]);
        let patches = patchify(images, [2, 2], FlatOrder::ChannelsLast).unwrap();
        let first = patches.into_embeddings().slice([0..1, 0..1]).reshape([8]);
        first
            .into_data()
            .assert_eq(&[0.0f32, 8.0, 1.0, 9.0, 4.0, 12.0, 5.0, 13.0].into(), true);
    }

    #[test]
    fn a_patch_that_does_not_divide_the_image_is_an_error() {
        let images = Tensor::<4>::zeros([1, 3, 8, 6], &Device::flex());
        assert!(matches!(
            patchify(images, [3, 3], FlatOrder::ChannelsFirst),
            Err(Error::Remainder { left: [2, 0], .. })
        ));
    }
}
