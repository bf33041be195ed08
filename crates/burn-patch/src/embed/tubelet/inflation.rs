//! Between image and video embeddings: inflation and folding.

use burn::module::Param;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::embed::linear::{LinearPatchEmbed, LinearPatchEmbedConfig};
use crate::embed::patch_embed::PatchEmbed;
use crate::embed::tubelet::tubelet::{TubeletPatchEmbed, TubeletPatchEmbedConfig};

/// How an image's projection becomes a video's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inflation {
    /// The weight at frame `⌊frames/2⌋`, zeros at the others.
    CentralFrame,
    /// The weight divided by the number of frames, at each.
    Average,
}

impl TubeletPatchEmbed {
    /// A video embedding from an image embedding: the start that ViViT gives its tubelets (section 3.4;
    /// `init_embedding` in scenic's `projects/vivit/model_utils.py`).
    ///
    /// A clip of equal frames is embedded as that image. Bias and norm are taken over; what the image's embedding
    /// does with indivisible sizes is not, since a video's refuses them.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no frames.
    pub fn inflate(
        image: &LinearPatchEmbed,
        frames: usize,
        inflation: Inflation,
    ) -> Result<Self, Error> {
        let [height, width] = image.proj.kernel_size;
        let mut video =
            TubeletPatchEmbedConfig::new([frames, height, width], image.channels(), image.dim())
                .with_bias(image.proj.bias.is_some())
                .try_init(&image.proj.weight.val().device())?;
        let weight = image.proj.weight.val().unsqueeze_dim::<5>(2);
        let weight = match inflation {
            Inflation::Average => weight.repeat_dim(2, frames) / frames as f32,
            Inflation::CentralFrame => {
                let [dim, channels, ..] = weight.dims();
                let middle = frames / 2..frames / 2 + 1;
                let empty = weight.zeros_like().repeat_dim(2, frames);
                empty.slice_assign([0..dim, 0..channels, middle, 0..height, 0..width], weight)
            }
        };
        video.proj.weight = Param::from_tensor(weight.detach());
        video.proj.bias.clone_from(&image.proj.bias);
        video.norm.clone_from(&image.norm);
        Ok(video)
    }

    /// The image embedding that [`forward`](PatchEmbed::forward) computes, with the weight summed over the frames
    /// once and for all.
    pub fn fold(&self) -> LinearPatchEmbed {
        let mut image = LinearPatchEmbedConfig::new(self.patch(), self.channels(), self.dim())
            .with_bias(self.proj.bias.is_some())
            .init(&self.proj.weight.val().device());
        image.proj.weight = Param::from_tensor(self.image_weight().detach());
        image.proj.bias.clone_from(&self.proj.bias);
        image.norm.clone_from(&self.norm);
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;
    use crate::embed::parts::patch_norm::PatchNorm;
    use burn::tensor::{Device, Distribution, Tensor, Tolerance};
    use rstest::rstest;

    fn assert_close(left: Tokens, right: Tokens) {
        let [left, right] = [left, right].map(|tokens| tokens.into_embeddings().into_data());
        left.assert_approx_eq(&right, Tolerance::<f32>::rel_abs(1e-4, 1e-5));
    }

    #[test]
    fn an_image_is_a_clip_of_equal_frames() {
        let device = Device::flex();
        let embed = TubeletPatchEmbedConfig::new([2, 4, 4], 3, 8)
            .with_norm(PatchNorm::Layer { epsilon: 0.5 })
            .init(&device);
        let images = Tensor::random([2, 3, 8, 12], Distribution::Default, &device);
        let clip = images.clone().unsqueeze_dim::<5>(2).repeat_dim(2, 2);
        let tokens = embed.forward(images.clone());
        assert_close(embed.fold().forward(images), tokens.clone());
        assert_close(embed.forward_video(clip), tokens);
    }

    #[rstest]
    fn an_inflated_embedding_sees_a_still_clip_as_the_image(
        #[values(1, 2, 3, 4)] frames: usize,
        #[values(Inflation::CentralFrame, Inflation::Average)] inflation: Inflation,
    ) {
        let device = Device::flex();
        let image = LinearPatchEmbedConfig::new([4, 4], 3, 8)
            .with_norm(PatchNorm::Layer { epsilon: 0.5 })
            .init(&device);
        let video = TubeletPatchEmbed::inflate(&image, frames, inflation).unwrap();
        let images = Tensor::random([2, 3, 8, 12], Distribution::Default, &device);
        let clip = images.clone().unsqueeze_dim::<5>(2).repeat_dim(2, frames);
        assert_close(video.forward_video(clip), image.forward(images));
    }

    #[test]
    fn central_frame_inflation_sees_the_frame_after_the_middle_alone() {
        let device = Device::flex();
        let image = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
        let video = TubeletPatchEmbed::inflate(&image, 4, Inflation::CentralFrame).unwrap();
        let clip = Tensor::<5>::random([1, 3, 4, 8, 8], Distribution::Default, &device);
        let frame = clip.clone().slice_dim(2, 2..3).squeeze_dim(2);
        assert_close(video.forward_video(clip), image.forward(frame));
    }

    #[cfg(feature = "autodiff")]
    #[test]
    fn inflated_and_folded_weights_train_from_there() {
        let device = Device::flex().autodiff();
        let image = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
        let video = TubeletPatchEmbed::inflate(&image, 2, Inflation::Average).unwrap();
        let folded = video.fold();
        let images = Tensor::random([1, 3, 8, 8], Distribution::Default, &device);
        let grads = folded
            .forward(images.clone())
            .into_embeddings()
            .sum()
            .backward();
        assert!(folded.proj.weight.val().grad(&grads).is_some());
        assert!(image.proj.weight.val().grad(&grads).is_none());
        let grads = video.forward(images).into_embeddings().sum().backward();
        assert!(video.proj.weight.val().grad(&grads).is_some());
    }
}
