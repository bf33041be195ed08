//! The weights of a patch projection brought to another patch size.

use burn::tensor::Tensor;

use crate::Error;
use crate::resample::filter::Filter;
use crate::resample::profile::Profile;
use crate::resample::resize::Resize;

/// Brings the weights of a projection (`[dim, channels, height, width]`) to patches of `to` (`[height, width]`).
///
/// Beyer et al., [FlexiViT](https://arxiv.org/abs/2212.08013), eq. 4; `timm/layers/patch_embed.py`
/// (`resample_patch_embed`) of timm 1.0.31, whose default is [`Filter::SmoothCubic`]. Google's checkpoints were trained
/// with [`Filter::Linear`] of [aligned edges](crate::resample::Align::Edges).
///
/// # Equation
///
/// `w' = w·B⁺`, with `B` the matrix that resizes a patch: of all weights for which a resized patch has the embedding
/// `⟨w, x⟩` in the mean, those of the smallest norm. Where `B` enlarges, `⟨w', B·x⟩ = ⟨w, x⟩` for every `x`. Computed by
/// axis, since `B⁺ = R⁺ ⊗ C⁺`; half precision in `f32`.
///
/// # Departures
///
/// timm inverts the whole `B` in `f32`; here its factors are, in `f64`.
///
/// # Errors
///
/// [`Error::Zero`] for an empty patch.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use burn_patch::resample::{Filter, Profile, resize, resize_kernel};
///
/// let device = Device::flex();
/// let image = Tensor::<4>::random([1, 8, 8, 1], Distribution::Default, &device);
/// let weight = Tensor::<4>::random([1, 1, 8, 8], Distribution::Default, &device);
/// let larger = resize(image.clone(), [12, 20], Profile::Custom(Filter::SmoothCubic));
/// let resized = resize_kernel(weight.clone(), [12, 20], Filter::SmoothCubic).unwrap();
/// let before: f32 = (weight * image.permute([0, 3, 1, 2])).sum().into_scalar();
/// let after: f32 = (resized * larger.permute([0, 3, 1, 2])).sum().into_scalar();
/// assert!((before - after).abs() < 1e-4);
/// ```
pub fn resize_kernel(
    weight: Tensor<4>,
    to: [usize; 2],
    filter: Filter,
) -> Result<Tensor<4>, Error> {
    let [_, _, height, width] = weight.dims();
    let resize = Resize::try_new([height, width], to, Profile::Custom(filter))?;
    Ok(resize.dual().apply_map(weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::align::Align;
    use crate::resample::resize::resize;
    use burn::tensor::{Device, Distribution};
    use rstest::rstest;

    #[rstest]
    fn embeddings_of_enlarged_patches_stay(
        #[values(
            Filter::SmoothCubic,
            Filter::SmoothLinear,
            Filter::Linear(Align::Edges),
            Filter::Linear(Align::Corners),
            Filter::Cubic(Align::Edges)
        )]
        filter: Filter,
        #[values([16, 16], [17, 32], [25, 40])] to: [usize; 2],
    ) {
        let device = Device::flex();
        let patches = Tensor::<4>::random([1, 16, 16, 3], Distribution::Default, &device);
        let weight = Tensor::<4>::random([8, 3, 16, 16], Distribution::Default, &device);
        let dots = |weight: Tensor<4>, patches: Tensor<4>| {
            let products = weight * patches.permute([0, 3, 1, 2]);
            products.sum_dims_squeeze::<1, _>(&[1, 2, 3])
        };
        let want = dots(weight.clone(), patches.clone());
        let resized = resize_kernel(weight, to, filter).unwrap();
        let got = dots(resized, resize(patches, to, Profile::Custom(filter)));
        let apart: f32 = ((got - want.clone()).abs().max() / want.abs().max()).into_scalar();
        assert!(apart < 1e-5, "{apart}");
    }
}
