//! Fusion: the composed defaults, made of operations that its optimizer already knows, and of [`PartOps`]. Which
//! operations it passes to the backend below is declared at their traits.

use burn::backend::fusion::{Fusion, FusionBackend};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;

use crate::ops::layer::composed;
use crate::ops::{Bias, LayerGrads, LayerOps, ParameterGrads, PartOps, PatchGrads, PatchOps};

impl<B: FusionBackend + PatchOps> PatchGrads for Fusion<B> {}

impl<B: FusionBackend + LayerOps> LayerOps for Fusion<B> {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
    ) -> FloatTensor<Self> {
        composed::linear_by_product::<Self>(x, weight, bias)
    }
}

impl<B: FusionBackend + LayerGrads> LayerGrads for Fusion<B> {
    fn linear_x_grad(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::product(grad, Self::float_transpose(weight))
    }

    fn linear_parameter_grads(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> ParameterGrads<Self> {
        composed::linear_parameter_grads_by_product::<Self>(x, grad)
    }
}
