//! A projection by raw LibTorch, through tch.

use tch::{Device, Kind, Tensor};

const INPUTS: usize = 4;

pub(crate) struct Raw {
    pub(crate) images: Vec<Tensor>,
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl Raw {
    pub(crate) fn new(
        images: [usize; 4],
        [kernel, stride, padding]: [usize; 3],
        dim: usize,
    ) -> Self {
        let [kernel, dim] = [kernel, dim].map(|side| side as i64);
        let shape = images.map(|side| side as i64);
        Self {
            images: (0..INPUTS).map(|_| random(&shape)).collect(),
            weight: random(&[dim, shape[1], kernel, kernel]).set_requires_grad(true),
            bias: random(&[dim]).set_requires_grad(true),
            stride: stride as i64,
            padding: padding as i64,
        }
    }

    /// Whether the windows tile the images, so that they can be multiplied.
    pub(crate) fn tiles(&self) -> bool {
        self.weight.size()[2] == self.stride && self.padding == 0
    }

    /// A transposed view `[batch, tokens, dim]` of the convolution's output.
    pub(crate) fn convolve(&self, images: &Tensor) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        let map = images.conv2d(&self.weight, Some(&self.bias), stride, padding, [1; 2], 1);
        map.flatten(2, 3).transpose(1, 2)
    }

    /// Patches reshaped and multiplied.
    pub(crate) fn multiply(&self, images: &Tensor) -> Tensor {
        let kernel = self.stride;
        let (batch, channels, height, width) = images.size4().expect("images");
        let (rows, cols) = (height / kernel, width / kernel);
        let matrix = self.weight.flatten(1, 3);
        images
            .reshape([batch, channels, rows, kernel, cols, kernel])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch, rows * cols, -1])
            .linear(&matrix, Some(&self.bias))
    }

    /// Gradients of weight and bias for the sum of the tokens.
    pub(crate) fn sum_gradients(&self, tokens: &Tensor) -> Vec<Tensor> {
        let leaves = [&self.weight, &self.bias];
        Tensor::run_backward(&[tokens.sum(Kind::Float)], &leaves, false, false)
    }

    /// Gradients of weight and bias for a given gradient of the tokens: tch's tape starts at a number only.
    pub(crate) fn gradients(&self, tokens: &Tensor, grad: &Tensor) -> Vec<Tensor> {
        self.sum_gradients(&(tokens * grad))
    }
}

pub(crate) fn random(shape: &[i64]) -> Tensor {
    Tensor::rand(shape, (Kind::Float, Device::Cpu))
}
