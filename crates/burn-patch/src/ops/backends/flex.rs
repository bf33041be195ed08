//! Flex: the CPU kernels.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Element, TensorData};
use bytemuck::Pod;

use super::cpu::{Host, cpu_backend};
use crate::ops::{AdamWOps, PartOps};

cpu_backend!(Flex);

impl AdamWOps for Flex {}

impl PartOps for Flex {}

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

    fn bytes(tensor: &FlexTensor) -> Option<&[u8]> {
        tensor.as_slice()
    }

    fn integers(tensor: FlexTensor) -> Vec<i64> {
        let values = tensor.into_data().try_to_vec_as();
        values.expect("an integer tensor")
    }

    fn bools(tensor: FlexTensor) -> Vec<bool> {
        let values = tensor.into_data().try_to_vec_as();
        values.expect("a tensor of truths")
    }
}
