//! A step of AdamW: a kernel for parameters of every shape.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::DType;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use super::like::like;
use crate::ops::optim::composed;
use crate::ops::{AdamWOps, AdamWSettings, AdamWState, AdamWStep};

/// Units of a cube, whatever the parameter: a number that followed it would make more kernels of one.
const UNITS: u32 = 64;

impl AdamWOps for CubeBackend {
    fn adamw_step(step: AdamWStep<Self>, settings: AdamWSettings) -> AdamWState<Self> {
        match step.grad.dtype {
            DType::F64 => composed::adamw_step::<Self>(step, settings),
            _ => in_one_kernel(step, settings),
        }
    }
}

fn in_one_kernel(step: AdamWStep<CubeBackend>, settings: AdamWSettings) -> AdamWState<CubeBackend> {
    let AdamWState {
        parameter,
        moment_1,
        moment_2,
    } = step.state;
    let [parameter, moment_1, moment_2, grad] =
        [parameter, moment_1, moment_2, step.grad].map(into_contiguous);
    let outputs = [(); 3].map(|()| like(&parameter));
    let len = parameter.meta.num_elements();
    if len > 0 {
        let client = parameter.client.clone();
        let dim = CubeDim::new_1d(UNITS);
        let [parameter_out, moment_1_out, moment_2_out] = outputs.clone();
        adamw_kernel::launch(
            &client,
            calculate_cube_count_elemwise(&client, len, dim),
            dim,
            parameter.required_address_type(),
            parameter.into_tensor_arg(),
            moment_1.into_tensor_arg(),
            moment_2.into_tensor_arg(),
            grad.into_tensor_arg(),
            parameter_out.into_tensor_arg(),
            moment_1_out.into_tensor_arg(),
            moment_2_out.into_tensor_arg(),
            factors(&settings),
            dtype_to_storage_type(outputs[0].dtype),
        );
    }
    let [parameter, moment_1, moment_2] = outputs;
    AdamWState {
        parameter,
        moment_1,
        moment_2,
    }
}

/// The settings as a kernel multiplies by them.
#[derive(CubeLaunch, CubeType)]
struct Factors {
    rate: f32,
    beta_1: f32,
    beta_2: f32,
    rest_1: f32,
    rest_2: f32,
    unbias_1: f32,
    unbias_2: f32,
    epsilon: f32,
    kept: f32,
}

fn factors(settings: &AdamWSettings) -> FactorsLaunch {
    let unbias = |beta: f64| (1.0 / (1.0 - beta.powf(settings.step as f64))) as f32;
    FactorsLaunch::new(
        settings.rate as f32,
        settings.beta_1 as f32,
        settings.beta_2 as f32,
        (1.0 - settings.beta_1) as f32,
        (1.0 - settings.beta_2) as f32,
        unbias(settings.beta_1),
        unbias(settings.beta_2),
        settings.epsilon as f32,
        (1.0 - settings.rate * settings.decay) as f32,
    )
}

#[cube(launch, address_type = "dynamic")]
fn adamw_kernel<T: Float>(
    parameter: &Tensor<T>,
    moment_1: &Tensor<T>,
    moment_2: &Tensor<T>,
    grad: &Tensor<T>,
    parameter_out: &mut Tensor<T>,
    moment_1_out: &mut Tensor<T>,
    moment_2_out: &mut Tensor<T>,
    factors: &Factors,
    #[define(T)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= parameter_out.len() {
        terminate!();
    }
    let grad = f32::cast_from(grad[ABSOLUTE_POS]);
    let mean = f32::cast_from(moment_1[ABSOLUTE_POS]) * factors.beta_1 + grad * factors.rest_1;
    let square =
        f32::cast_from(moment_2[ABSOLUTE_POS]) * factors.beta_2 + grad * grad * factors.rest_2;
    let deviation = (square * factors.unbias_2).sqrt() + factors.epsilon;
    let change = mean * factors.unbias_1 / deviation;
    let kept = f32::cast_from(parameter[ABSOLUTE_POS]) * factors.kept;
    parameter_out[ABSOLUTE_POS] = T::cast_from(kept - change * factors.rate);
    moment_1_out[ABSOLUTE_POS] = T::cast_from(mean);
    moment_2_out[ABSOLUTE_POS] = T::cast_from(square);
}
