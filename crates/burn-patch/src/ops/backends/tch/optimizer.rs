//! A step of AdamW by LibTorch's own kernel, in place.

use std::cell::RefCell;

use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::{Device, Kind, Tensor};

use super::operations;
use crate::ops::{AdamWOps, AdamWSettings, AdamWState, AdamWStep};

impl AdamWOps for LibTorch {
    fn adamw_step(step: AdamWStep<Self>, settings: AdamWSettings) -> AdamWState<Self> {
        let AdamWStep { state, grad } = step;
        let [parameter, moment_1, moment_2] =
            [state.parameter, state.moment_1, state.moment_2].map(own);
        let moved = [&parameter, &moment_1, &moment_2].map(|tensor| &tensor.tensor);
        let number = step_number(settings.step, parameter.tensor.device());
        operations::adamw(moved, &grad.tensor.contiguous(), &number, settings);
        AdamWState {
            parameter,
            moment_1,
            moment_2,
        }
    }
}

/// The tensor itself if nothing else reads its memory, else a copy.
fn own(tensor: TchTensor) -> TchTensor {
    if tensor.can_mut() && tensor.tensor.is_contiguous() {
        return tensor;
    }
    let options = (tensor.tensor.kind(), tensor.tensor.device());
    let mut copy = Tensor::empty(tensor.tensor.size(), options);
    copy.copy_(&tensor.tensor);
    TchTensor::new(copy)
}

/// The step's number where the kernel reads it. All parameters of a model ask for the same one.
fn step_number(step: usize, device: Device) -> Tensor {
    thread_local! {
        static LAST: RefCell<Option<(usize, Device, Tensor)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((last, on, number)) if (*last, *on) == (step, device) => number.shallow_clone(),
        _ => {
            let number = Tensor::full([0_i64; 0], step as f64, (Kind::Float, device));
            *last = Some((step, device, number.shallow_clone()));
            number
        }
    })
}
