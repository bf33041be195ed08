//! [`AdamWOps`](crate::ops::AdamWOps) from a backend's own tensor operations.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

use crate::ops::optim::adamw_step::{AdamWSettings, AdamWState, AdamWStep};

pub(crate) fn adamw_step<B: Backend>(step: AdamWStep<B>, settings: AdamWSettings) -> AdamWState<B> {
    let AdamWStep { state, grad } = step;
    let AdamWSettings {
        rate,
        beta_1,
        beta_2,
        epsilon,
        decay,
        step,
    } = settings;
    let scale = |tensor: FloatTensor<B>, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let running = |mean: FloatTensor<B>, value: FloatTensor<B>, beta: f64| {
        B::float_add(scale(mean, beta), scale(value, 1.0 - beta))
    };
    let moment_1 = running(state.moment_1, grad.clone(), beta_1);
    let moment_2 = running(state.moment_2, B::float_mul(grad.clone(), grad), beta_2);
    let unbiased = |moment: &FloatTensor<B>, beta: f64| {
        scale(moment.clone(), 1.0 / (1.0 - beta.powf(step as f64)))
    };
    let deviation = B::float_sqrt(unbiased(&moment_2, beta_2));
    let deviation = B::float_add_scalar(deviation, epsilon.into());
    let change = B::float_div(unbiased(&moment_1, beta_1), deviation);
    let kept = scale(state.parameter, 1.0 - rate * decay);
    AdamWState {
        parameter: B::float_sub(kept, scale(change, rate)),
        moment_1,
        moment_2,
    }
}
