//! Reducers for an encoder that is there already.

use burn::tensor::Device;

use crate::Error;
use crate::encoder::encoder::Encoder;
use crate::reduce_at::ReduceAt;

impl Encoder {
    /// The same encoder with these reducers in place of those that it has: ToMe or EViT on trained weights.
    /// [`Vit::layout`](crate::Vit::layout) says whether they fit images of some size.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::embed::LinearPatchEmbedConfig;
    /// use burn_patch::reduce::{AnyReduceConfig, MergeSchedule, ToMeConfig};
    /// use burn_vit::{EncoderConfig, ReduceAt, VitConfig};
    ///
    /// let device = Device::flex();
    /// let embed = LinearPatchEmbedConfig::new([8, 8], 3, 32).init(&device);
    /// let mut vit = VitConfig::new([32, 48], EncoderConfig::new(3, 4)).init(embed, &device);
    /// let tome = AnyReduceConfig::ToMe(ToMeConfig::new(MergeSchedule::Constant(4)));
    /// vit.encoder = vit.encoder.with_reducers(&ReduceAt::every(&tome, 3), &device)?;
    /// assert_eq!(vit.layout([32, 48])?.attended, [24, 20, 16]);
    /// assert_eq!(vit.layout([32, 48])?.tokens, 12);
    /// # Ok::<(), burn_vit::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no such block, two stand behind the attention of one, or one must see attention and stands before a
    /// block.
    pub fn with_reducers(mut self, reducers: &[ReduceAt], device: &Device) -> Result<Self, Error> {
        (self.reducers, self.stages) = ReduceAt::try_init_all(reducers, self.blocks.len(), device)?;
        Ok(self)
    }
}
