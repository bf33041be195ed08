//! Tokens in front of the patch tokens.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::layers::NORMAL;
use burn_patch::ops::dequantized;
use serde::{Deserialize, Serialize};

use crate::setters::setters;

/// Configuration of [`Prefix`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrefixConfig {
    /// Whether there is a class token.
    pub cls_token: bool,
    /// Whether there is a distillation token (DeiT). [`HeadConfig::distilled`](crate::HeadConfig::distilled) gives it a
    /// classifier.
    pub dist_token: bool,
    /// Number of register tokens.
    pub registers: usize,
}

impl Default for PrefixConfig {
    fn default() -> Self {
        Self {
            cls_token: true,
            dist_token: false,
            registers: 0,
        }
    }
}

impl Config for PrefixConfig {}

impl PrefixConfig {
    /// A class token alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// No prefix.
    pub fn none() -> Self {
        Self::default().with_cls_token(false)
    }

    /// Number of prefix tokens.
    pub fn count(&self) -> usize {
        usize::from(self.cls_token) + usize::from(self.dist_token) + self.registers
    }

    /// Builds the module for tokens of width `dim`.
    pub fn init(&self, dim: usize, device: &Device) -> Prefix {
        // MAE's start; timm's class token starts at N(0, 10⁻⁶).
        let token = |count: usize| (count > 0).then(|| NORMAL.init([1, count, dim], device));
        Prefix {
            cls_token: token(self.cls_token.into()),
            dist_token: token(self.dist_token.into()),
            reg_token: token(self.registers),
        }
    }
}

setters!(PrefixConfig {
    /// Whether there is a class token.
    with_cls_token: cls_token, bool;
    /// Whether there is a distillation token.
    with_dist_token: dist_token, bool;
    /// The number of register tokens.
    with_registers: registers, usize;
});

/// Trained tokens in front of the patch tokens: class, distillation, registers, in this order.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929) (class token); Touvron et al.,
/// [Training data-efficient image transformers](https://arxiv.org/abs/2012.12877) (distillation token); Darcet et al.,
/// [Vision Transformers Need Registers](https://arxiv.org/abs/2309.16588). The names are timm's.
///
/// # Shapes
///
/// - tokens `[batch, tokens, dim]`
/// - tokens `[batch, prefix + tokens, dim]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_vit::PrefixConfig;
///
/// let device = Device::flex();
/// let prefix = PrefixConfig::new().with_registers(4).init(1, &device);
/// let tokens = patchify(Tensor::ones([2, 1, 3, 3], &device), [1, 1], FlatOrder::default()).unwrap();
/// let tokens = prefix.forward(tokens);
/// assert_eq!((tokens.prefix(), tokens.tokens()), (5, 9));
/// ```
#[derive(Module, Debug)]
pub struct Prefix {
    /// The class token, `[1, 1, dim]`.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// The distillation token, `[1, 1, dim]`.
    pub dist_token: Option<Param<Tensor<3>>>,
    /// The registers, `[1, registers, dim]`.
    pub reg_token: Option<Param<Tensor<3>>>,
}

impl Prefix {
    fn parts(&self) -> impl Iterator<Item = &Param<Tensor<3>>> {
        [&self.cls_token, &self.dist_token, &self.reg_token]
            .into_iter()
            .flatten()
    }

    /// Number of prefix tokens.
    pub fn count(&self) -> usize {
        self.parts().map(|part| part.dims()[1]).sum()
    }

    /// Puts the prefix in front of the tokens.
    pub fn forward(&self, tokens: Tokens) -> Tokens {
        let parts: Vec<Tensor<3>> = self.parts().map(|part| dequantized(part.val())).collect();
        match parts.len() {
            0 => tokens,
            _ => tokens.with_prefix(Tensor::cat(parts, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_patch::embed::{FlatOrder, patchify};

    #[test]
    fn class_distillation_and_registers_stand_in_this_order() {
        let device = Device::flex();
        let mut prefix = PrefixConfig::new()
            .with_dist_token(true)
            .with_registers(2)
            .init(1, &device);
        let constant = |value: f32, count: usize| {
            Param::from_tensor(Tensor::full([1, count, 1], value, &device))
        };
        prefix.cls_token = Some(constant(1.0, 1));
        prefix.dist_token = Some(constant(2.0, 1));
        prefix.reg_token = Some(constant(3.0, 2));
        let image = Tensor::<4>::full([1, 1, 1, 1], 9.0, &device);
        let tokens = prefix.forward(patchify(image, [1, 1], FlatOrder::default()).unwrap());
        let want = [[[1.0f32], [2.0], [3.0], [3.0], [9.0]]];
        tokens
            .into_embeddings()
            .into_data()
            .assert_eq(&want.into(), true);
        assert_eq!(prefix.count(), 4);
    }
}
