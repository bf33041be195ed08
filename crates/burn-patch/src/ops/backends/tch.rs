//! LibTorch (deprecated upstream): forward by its own convolution, gradients by the composed default.

use burn::backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{LibTorch, TensorMetadata};
use burn::tensor::Shape;

use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, Fill, LayerGrads, LayerOps, PatchGrads, PatchOps, Pixels, composed};

impl PatchOps for LibTorch {
    fn project_patches(
        images: Pixels<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        fill: Fill<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        let window = &grid.window;
        let picked = matches!(cells, Cells::Picked(_));
        let filled = matches!(fill, Fill::Channels(_)) && grid.is_padded();
        if picked || filled || window.pad_before != window.pad_after {
            return composed::project_patches::<Self>(images, weight, bias, fill, cells, &grid);
        }
        let [batch, ..] = images.shape();
        let images = composed::floats::<Self>(images, weight.dtype());
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
