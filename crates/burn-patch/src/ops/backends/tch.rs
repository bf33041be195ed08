//! LibTorch (deprecated upstream): forward by its own convolution, gradients by the composed default.

use burn::backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{LibTorch, TensorMetadata};
use burn::tensor::Shape;

use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, LayerGrads, LayerOps, PatchGrads, PatchOps, composed};

impl PatchOps for LibTorch {
    fn project_patches(
        images: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        let window = &grid.window;
        let picked = matches!(cells, Cells::Picked(_));
        if picked || window.pad_before != window.pad_after {
            return composed::project_patches::<Self>(images, weight, bias, cells, &grid);
        }
        let batch = images.shape()[0];
        let dim = weight.shape()[0];
        let options = ConvOptions::new(window.stride, window.pad_before, [1, 1], 1);
        let features = Self::conv2d(images, weight, bias.into_option(), options);
        // [batch, dim, rows, cols] → [batch, tokens, dim]
        let tokens = Self::float_reshape(features, Shape::new([batch, dim, grid.tokens()]));
        Self::float_swap_dims(tokens, 1, 2)
    }
}

impl PatchGrads for LibTorch {}

impl LayerOps for LibTorch {}

impl LayerGrads for LibTorch {
    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu_backward(x, grad)
    }
}
