//! The macro that gives a CPU backend all operations: it implements their traits by the kernels of this folder.

/// The operations for a backend that is `Host<f32>` and `Host<f64>`: those types by the kernels here,
/// half precision projected in single, everything else by the composed defaults.
macro_rules! cpu_backend {
    ($backend:ty) => {
        const _: () = {
            use burn::backend::TensorMetadata;
            use burn::backend::tensor::{FloatTensor, IntTensor};
            use burn::tensor::DType;
            use $crate::grid::PatchGrid;
            use $crate::ops::backends::cpu::attention::tensors as attention;
            use $crate::ops::backends::cpu::{layers, patches};
            use $crate::ops::layer::attention::composed as composed_attention;
            use $crate::ops::layer::composed as composed_layers;
            use $crate::ops::patch::composed;
            use $crate::ops::rows as composed_rows;
            use $crate::ops::{
                AttentionGrads, AttentionInputs, Bias, Cells, Fill, LayerGrads, LayerOps,
                NormGrads, ParameterGrads, PatchGrads, PatchOps, Pixels, TrackedBiases,
            };

            /// `$fast` with the tensor's type as `$float`, `$default` for types without kernels.
            macro_rules! by_float {
                ($tensor:ident, $float:ident => $fast:expr, _ => $default:expr) => {
                    match TensorMetadata::dtype(&$tensor) {
                        DType::F32 => {
                            type $float = f32;
                            $fast
                        }
                        DType::F64 => {
                            type $float = f64;
                            $fast
                        }
                        _ => $default,
                    }
                };
            }

            impl PatchOps for $backend {
                fn project_patches(
                    images: Pixels<Self>,
                    weight: FloatTensor<Self>,
                    bias: Bias<Self>,
                    fill: Fill<Self>,
                    cells: Cells<Self>,
                    grid: PatchGrid,
                ) -> FloatTensor<Self> {
                    by_float!(weight,
                        T => patches::project_patches::<Self, T>(images, weight, bias, fill, cells, &grid),
                        _ => patches::project_in_single::<Self>(images, weight, bias, fill, cells, &grid))
                }
            }

            impl PatchGrads for $backend {
                fn images_grad(
                    grad: FloatTensor<Self>,
                    weight: FloatTensor<Self>,
                    cells: Cells<Self>,
                    grid: PatchGrid,
                ) -> FloatTensor<Self> {
                    by_float!(grad,
                        T => patches::images_grad::<Self, T>(grad, weight, cells, &grid),
                        _ => composed::images_grad::<Self>(grad, weight, cells, &grid))
                }

                fn parameter_grads(
                    grad: FloatTensor<Self>,
                    images: Pixels<Self>,
                    _kept: Vec<FloatTensor<Self>>,
                    fill: Fill<Self>,
                    cells: Cells<Self>,
                    grid: PatchGrid,
                ) -> ParameterGrads<Self> {
                    by_float!(grad,
                        T => patches::parameter_grads::<Self, T>(grad, images, fill, cells, &grid),
                        _ => composed::parameter_grads::<Self>(grad, images, fill, cells, &grid))
                }
            }

            impl LayerOps for $backend {
                fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
                    match TensorMetadata::dtype(&x) {
                        DType::F32 => layers::gelu_forward::<Self>(x),
                        _ => <Self as burn::backend::ops::ActivationOps<Self>>::gelu(x),
                    }
                }

                fn linear_forward(
                    x: FloatTensor<Self>,
                    weight: FloatTensor<Self>,
                    bias: Bias<Self>,
                ) -> FloatTensor<Self> {
                    by_float!(x,
                        T => layers::linear_forward::<Self, T>(x, weight, bias),
                        _ => composed_layers::linear::<Self>(x, weight, bias))
                }

                fn attention_forward(inputs: AttentionInputs<Self>) -> FloatTensor<Self> {
                    match inputs.qkv.dtype() {
                        DType::F32 => attention::attention_forward::<Self, f32>(inputs),
                        DType::F64 => attention::attention_forward::<Self, f64>(inputs),
                        _ => composed_attention::attention::<Self>(inputs),
                    }
                }

                fn layer_norm_forward(
                    x: FloatTensor<Self>,
                    gamma: FloatTensor<Self>,
                    beta: FloatTensor<Self>,
                    epsilon: f64,
                ) -> FloatTensor<Self> {
                    by_float!(x,
                        T => layers::layer_norm_forward::<Self, T>(x, gamma, beta, epsilon),
                        _ => composed_layers::layer_norm::<Self>(x, gamma, beta, epsilon))
                }

                fn gather_rows(
                    values: FloatTensor<Self>,
                    index: IntTensor<Self>,
                ) -> FloatTensor<Self> {
                    by_float!(values,
                        T => layers::gather_rows::<Self, T>(values, index),
                        _ => composed_rows::gather::<Self>(values, index))
                }
            }

            impl LayerGrads for $backend {
                fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
                    match TensorMetadata::dtype(&x) {
                        DType::F32 => layers::gelu_grad::<Self>(x, grad),
                        _ => composed_layers::gelu_grad::<Self>(x, grad),
                    }
                }

                fn linear_x_grad(
                    weight: FloatTensor<Self>,
                    grad: FloatTensor<Self>,
                ) -> FloatTensor<Self> {
                    by_float!(grad,
                        T => layers::linear_x_grad::<Self, T>(weight, grad),
                        _ => composed_layers::linear_x_grad::<Self>(weight, grad))
                }

                fn linear_parameter_grads(
                    x: FloatTensor<Self>,
                    grad: FloatTensor<Self>,
                ) -> ParameterGrads<Self> {
                    by_float!(x,
                        T => layers::linear_parameter_grads::<Self, T>(x, grad),
                        _ => composed_layers::linear_parameter_grads::<Self>(x, grad))
                }

                fn attention_grads(
                    inputs: AttentionInputs<Self>,
                    _kept: Vec<FloatTensor<Self>>,
                    grad: FloatTensor<Self>,
                    tracked: TrackedBiases,
                ) -> AttentionGrads<Self> {
                    match inputs.qkv.dtype() {
                        DType::F32 => attention::attention_grads::<Self, f32>(inputs, grad, tracked),
                        DType::F64 => attention::attention_grads::<Self, f64>(inputs, grad, tracked),
                        _ => composed_attention::attention_grads::<Self>(inputs, grad, tracked),
                    }
                }

                fn layer_norm_grads(
                    x: FloatTensor<Self>,
                    gamma: FloatTensor<Self>,
                    _kept: Vec<FloatTensor<Self>>,
                    grad: FloatTensor<Self>,
                    epsilon: f64,
                ) -> NormGrads<Self> {
                    by_float!(x,
                        T => layers::layer_norm_grads::<Self, T>(x, gamma, grad, epsilon),
                        _ => composed_layers::layer_norm_grads::<Self>(x, gamma, grad, epsilon))
                }

                fn gather_rows_grad(
                    shape: [usize; 3],
                    index: IntTensor<Self>,
                    grad: FloatTensor<Self>,
                ) -> FloatTensor<Self> {
                    by_float!(grad,
                        T => layers::gather_rows_grad::<Self, T>(shape, index, grad),
                        _ => composed_rows::gather_grad::<Self>(shape, index, grad))
                }
            }
        };
    };
}

pub(in crate::ops::backends) use cpu_backend;
