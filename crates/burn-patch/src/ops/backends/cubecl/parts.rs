//! The parts of composed layers: one kernel each, but for numbers of 64 bits.

use burn::backend::ops::{ActivationOps, FloatTensorOps, ModuleOps};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};

use super::{flash, loss, rows};
use crate::ops::PartOps;
use crate::ops::backends::tuning;
use crate::ops::parts::composed;

impl PartOps for CubeBackend {
    fn product(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self> {
        if tuning::products_are_tuned() {
            return Self::float_matmul(left, right);
        }
        let dtype = left.dtype;
        matmul(left, right, None, MatmulStrategy::Cube, dtype).expect("a kernel for every product")
    }

    fn attend(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        match tuning::products_are_tuned() && query.dtype == DType::F32 {
            true => flash::fastest((query, key, value, scale)),
            false => flash::composed((query, key, value, scale)),
        }
    }

    fn softmax_rows(scores: FloatTensor<Self>) -> FloatTensor<Self> {
        match scores.dtype {
            DType::F64 => {
                let axis = scores.meta.num_dims() - 1;
                Self::softmax(scores, axis)
            }
            _ => rows::softmax(scores),
        }
    }

    fn softmax_rows_grad(weights: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        match weights.dtype {
            DType::F64 => composed::softmax_rows_grad::<Self>(weights, grad),
            _ => rows::softmax_grad(weights, grad),
        }
    }

    fn norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        match x.dtype {
            DType::F64 => <Self as ModuleOps<Self>>::layer_norm(x, gamma, Some(beta), epsilon),
            _ => rows::norm(x, gamma, beta, epsilon),
        }
    }

    fn norm_rows_grads(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match x.dtype {
            DType::F64 => composed::norm_rows_grads::<Self>(x, gamma, grad, epsilon),
            _ => rows::norm_grads(x, gamma, grad, epsilon),
        }
    }

    fn cross_entropy(
        logits: FloatTensor<Self>,
        classes: IntTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        match logits.dtype {
            DType::F64 => composed::cross_entropy::<Self>(logits, classes, smoothing),
            _ => loss::cross_entropy(logits, classes, smoothing),
        }
    }

    fn cross_entropy_grad(
        logits: FloatTensor<Self>,
        classes: IntTensor<Self>,
        grad: FloatTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        match logits.dtype {
            DType::F64 => composed::cross_entropy_grad::<Self>(logits, classes, grad, smoothing),
            _ => loss::cross_entropy_grad(logits, classes, grad, smoothing),
        }
    }
}
