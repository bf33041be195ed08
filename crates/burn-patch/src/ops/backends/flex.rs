//! Flex: patches by the CPU kernel, GELU in one pass.

use alloc::vec;
use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ActivationOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Element, TensorData};
use bytemuck::Pod;

use super::cpu::{self, Host};
use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, GeluOps, ParameterGrads, PatchGrads, PatchOps, gelu_kernel};

impl PatchOps for Flex {
    fn project_patches(
        images: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        cpu::project_patches::<Self>(images, weight, bias, cells, &grid)
    }
}

impl PatchGrads for Flex {
    fn images_grad(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        cpu::images_grad::<Self>(grad, weight, cells, &grid)
    }

    fn parameter_grads(
        grad: FloatTensor<Self>,
        images: FloatTensor<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> ParameterGrads<Self> {
        cpu::parameter_grads::<Self>(grad, images, cells, &grid)
    }
}

impl<T: Element + Pod> Host<T> for Flex {
    fn values(tensor: &FlexTensor) -> Option<&[T]> {
        tensor.as_slice()
    }

    fn tensor(values: TensorData) -> FlexTensor {
        FlexTensor::from_data(values)
    }

    fn contiguous(tensor: FlexTensor) -> FlexTensor {
        tensor.to_contiguous()
    }

    fn integers(tensor: FlexTensor) -> Vec<i64> {
        let values = tensor.into_data().try_to_vec_as();
        values.expect("an integer tensor")
    }
}

impl GeluOps for Flex {
    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 {
            return Self::gelu(x);
        }
        let x = x.to_contiguous();
        let mut out = vec![0.0; x.shape().num_elements()];
        gelu_kernel::gelu(x.storage(), &mut out);
        FlexTensor::from_data(TensorData::new(out, x.shape()))
    }

    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 {
            return Self::gelu_backward(x, grad);
        }
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        let mut out = vec![0.0; x.shape().num_elements()];
        gelu_kernel::gelu_grad(x.storage(), grad.storage(), &mut out);
        FlexTensor::from_data(TensorData::new(out, x.shape()))
    }
}
