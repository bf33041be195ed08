//! NdArray (deprecated upstream): the CPU kernels.

use burn::backend::ndarray::NdArrayTensor;
use burn::backend::{NdArray, TensorMetadata};
use burn::tensor::TensorData;

use super::cpu::{Host, cpu_backend};
use crate::ops::{AdamWOps, PartOps};

cpu_backend!(NdArray);

impl AdamWOps for NdArray {}

impl PartOps for NdArray {}

macro_rules! host {
    ($type:ty, $variant:ident) => {
        impl Host<$type> for NdArray {
            fn values(tensor: &NdArrayTensor) -> Option<&[$type]> {
                match tensor {
                    NdArrayTensor::$variant(array) => array.view().to_slice(),
                    _ => None,
                }
            }

            fn tensor(values: TensorData) -> NdArrayTensor {
                NdArrayTensor::from_data(values)
            }

            fn contiguous(tensor: NdArrayTensor) -> NdArrayTensor {
                match tensor {
                    NdArrayTensor::$variant(array) if !array.view().is_standard_layout() => array
                        .view()
                        .as_standard_layout()
                        .into_owned()
                        .into_shared()
                        .into(),
                    tensor => tensor,
                }
            }

            fn bytes(tensor: &NdArrayTensor) -> Option<&[u8]> {
                match tensor {
                    NdArrayTensor::U8(array) => array.view().to_slice(),
                    _ => None,
                }
            }

            fn integers(tensor: NdArrayTensor) -> Vec<i64> {
                match tensor {
                    NdArrayTensor::I64(array) => array.view().iter().copied().collect(),
                    NdArrayTensor::I32(array) => {
                        array.view().iter().copied().map(i64::from).collect()
                    }
                    other => panic!("integers of 32 or 64 bits, got {:?}", other.dtype()),
                }
            }

            fn bools(tensor: NdArrayTensor) -> Vec<bool> {
                match tensor {
                    NdArrayTensor::Bool(array) => array.view().iter().copied().collect(),
                    other => panic!("a tensor of truths, got {:?}", other.dtype()),
                }
            }
        }
    };
}

host!(f32, F32);
host!(f64, F64);
