//! Flex: patches by the composed default, GELU in one pass.

use alloc::vec;
use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ActivationOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, TensorData};

use crate::ops::{GeluOps, PatchOps, gelu_kernel};

impl PatchOps for Flex {}

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
