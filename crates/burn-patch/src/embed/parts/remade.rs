//! Projections for other patches and other channels.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Tensor;

use crate::Error;
use crate::resample::channels::ChannelMap;
use crate::resample::filter::Filter;
use crate::resample::resize_kernel::resize_kernel;

/// A projection of patches for patches of another size: see [`resize_kernel`].
pub(crate) fn for_patch(proj: Conv2d, patch: [usize; 2], filter: Filter) -> Result<Conv2d, Error> {
    let weight = resize_kernel(proj.weight.val(), patch, filter)?;
    let [dim, channels, ..] = weight.dims();
    let mut remade = Conv2dConfig::new([channels, dim], patch)
        .with_stride(patch)
        .with_bias(proj.bias.is_some())
        .init(&weight.device());
    remade.weight = as_trained(&proj.weight, weight);
    remade.bias = proj.bias;
    Ok(remade)
}

/// A projection for images of other channels.
pub(crate) fn for_channels(mut proj: Conv2d, map: &ChannelMap) -> Result<Conv2d, Error> {
    let weight = map.apply(proj.weight.val())?;
    proj.weight = as_trained(&proj.weight, weight);
    Ok(proj)
}

/// A parameter that starts from `value`, trained if `before` was.
pub(crate) fn as_trained<const D: usize>(
    before: &Param<Tensor<D>>,
    value: Tensor<D>,
) -> Param<Tensor<D>> {
    let trained = before.val().is_require_grad();
    Param::from_tensor(value.detach().set_require_grad(trained))
}

/// What an embedding of type `T` says that cannot be remade.
pub(crate) fn refuse<T>(what: &'static str) -> Error {
    let path = core::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    let name = path.rsplit("::").next().unwrap_or(path);
    Error::NoProjection {
        what,
        got: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::catalogue::{AnyPatchEmbedConfig, EMBEDDINGS};
    use crate::embed::linear::LinearPatchEmbedConfig;
    use crate::embed::parts::normalization::Normalization;
    use crate::embed::patch_embed::PatchEmbed;
    use crate::resample::profile::Profile;
    use crate::resample::resize::resize;
    use burn::tensor::{Device, Distribution, Tolerance};

    const OTHER_PATCH: [&str; 4] = ["linear", "multires", "tubelet", "quadtree"];
    const OTHER_CHANNELS: [&str; 2] = ["overlap", "conv-stem"];

    /// Patches resized one by one: FlexiViT's identity is about patches, not about whole images.
    fn enlarged(images: Tensor<4>, patch: [usize; 2], to: [usize; 2]) -> Tensor<4> {
        let [batch, channels, height, width] = images.dims();
        let [rows, cols] = [height / patch[0], width / patch[1]];
        let patches: Tensor<6> = images.reshape([batch, channels, rows, patch[0], cols, patch[1]]);
        let patches = patches.permute([0, 2, 4, 3, 5, 1]);
        let patches = patches.reshape([batch * rows * cols, patch[0], patch[1], channels]);
        let patches = resize(patches, to, Profile::Custom(Filter::SmoothCubic));
        let patches: Tensor<6> = patches.reshape([batch, rows, cols, to[0], to[1], channels]);
        let images = patches.permute([0, 5, 1, 3, 2, 4]);
        images.reshape([batch, channels, rows * to[0], cols * to[1]])
    }

    #[test]
    fn larger_patches_of_an_enlarged_image_have_its_tokens() {
        let device = Device::flex();
        for name in ["linear", "tubelet"] {
            let config = AnyPatchEmbedConfig::for_stride(name, [4, 6], 3, 8).unwrap();
            let embed = config.init(&device);
            let images = Tensor::random([2, 3, 8, 18], Distribution::Default, &device);
            let want = embed.forward(images.clone()).into_embeddings();
            let larger = embed.with_patch_size([5, 9]).unwrap();
            let tokens = larger.forward(enlarged(images, [4, 6], [5, 9]));
            assert_eq!(tokens.grid().window.kernel, [5, 9]);
            tokens
                .into_embeddings()
                .into_data()
                .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-4, 2e-5));
        }
    }

    #[test]
    fn every_embedding_is_remade_or_refuses_by_name() {
        let device = Device::flex();
        let map = ChannelMap::repeat(3, 4).unwrap();
        for entry in EMBEDDINGS {
            let name = entry.name;
            let config = AnyPatchEmbedConfig::for_stride(name, [8, 8], 3, 8).unwrap();
            let embed = config.init(&device);
            let [patch, zero] = [[4, 4], [0, 4]].map(|to| embed.clone().with_patch_size(to));
            let refuses = |refused: Error| {
                let text = refused.to_string();
                assert!(text.contains("PatchEmbed has no projection"), "{text}");
            };
            if OTHER_PATCH.contains(&name) {
                let tokens = patch
                    .unwrap()
                    .forward(Tensor::zeros([1, 3, 16, 16], &device));
                assert_eq!(tokens.grid().window.kernel, [4, 4], "{name}");
                assert!(matches!(zero, Err(Error::Zero { .. })), "{name}");
            } else {
                refuses(patch.unwrap_err());
            }
            let channels = embed.clone().with_channels(&map);
            if OTHER_PATCH.contains(&name) || OTHER_CHANNELS.contains(&name) {
                let channels = channels.unwrap();
                assert_eq!(channels.channels(), 4);
                let tokens = channels.forward(Tensor::zeros([1, 4, 16, 16], &device));
                assert_eq!(tokens.dim(), 8);
                let other = embed.with_channels(&ChannelMap::repeat(2, 4).unwrap());
                assert!(matches!(other, Err(Error::Channels { .. })), "{name}");
            } else {
                refuses(channels.unwrap_err());
            }
        }
    }

    #[test]
    fn repeated_grey_gives_the_tokens_of_the_sum_over_channels() {
        let device = Device::flex();
        let map = ChannelMap::repeat(3, 1).unwrap();
        for name in ["linear", "overlap", "conv-stem"] {
            let config = AnyPatchEmbedConfig::for_stride(name, [4, 4], 3, 8).unwrap();
            let embed = config.init(&device);
            let grey = Tensor::<4>::random([2, 1, 16, 12], Distribution::Default, &device);
            let want = embed
                .forward(grey.clone().repeat_dim(1, 3))
                .into_embeddings();
            let got = embed
                .with_channels(&map)
                .unwrap()
                .forward(grey)
                .into_embeddings();
            got.into_data()
                .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-5));
        }
    }

    #[test]
    fn channels_after_a_folded_normalisation_are_refused() {
        let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&Device::flex());
        let embed = embed
            .fold_normalization(&Normalization::imagenet())
            .unwrap();
        let map = ChannelMap::repeat(3, 4).unwrap();
        let text = embed.with_channels(&map).unwrap_err().to_string();
        assert!(
            text.contains("LinearPatchEmbed") && text.contains("folded"),
            "{text}"
        );
    }

    #[cfg(feature = "autodiff")]
    #[test]
    fn a_remade_projection_trains_from_there() {
        let device = Device::flex().autodiff();
        let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
        let remade = embed.clone().with_patch_size([6, 2]).unwrap();
        let images = Tensor::random([1, 3, 12, 8], Distribution::Default, &device);
        let grads = remade.forward(images).into_embeddings().sum().backward();
        assert!(remade.proj.weight.val().grad(&grads).is_some());
        assert!(embed.proj.weight.val().grad(&grads).is_none());
    }
}
