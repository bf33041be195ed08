//! NdArray (deprecated upstream): patches by the CPU kernel, GELU by the composed default.

use burn::backend::ndarray::NdArrayTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{NdArray, TensorMetadata};
use burn::tensor::TensorData;

use super::cpu::{self, Host};
use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, GeluOps, ParameterGrads, PatchGrads, PatchOps};

impl PatchOps for NdArray {
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

impl PatchGrads for NdArray {
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

            fn integers(tensor: NdArrayTensor) -> Vec<i64> {
                match tensor {
                    NdArrayTensor::I64(array) => array.view().iter().copied().collect(),
                    NdArrayTensor::I32(array) => {
                        array.view().iter().copied().map(i64::from).collect()
                    }
                    other => panic!("integers of 32 or 64 bits, got {:?}", other.dtype()),
                }
            }
        }
    };
}

host!(f32, F32);
host!(f64, F64);

impl GeluOps for NdArray {}
