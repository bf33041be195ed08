//! What two position encodings say to attention.

use burn_patch::tokens::Attend;

/// What both say: biases are added, and the first rotation counts.
pub(crate) fn join(first: Attend, second: Attend) -> Attend {
    fn sum<T: core::ops::Add<Output = T>>(first: Option<T>, second: Option<T>) -> Option<T> {
        match (first, second) {
            (Some(first), Some(second)) => Some(first + second),
            (first, second) => first.or(second),
        }
    }
    Attend {
        rotation: first.rotation.or(second.rotation),
        bias: sum(first.bias, second.bias),
        decomposed: first.decomposed.or(second.decomposed),
        key_bias: sum(first.key_bias, second.key_bias),
        policy: first.policy.or(second.policy),
        windows: first.windows.or(second.windows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor};

    #[test]
    fn biases_are_added() {
        let device = Device::flex();
        let with = |value: f32| Attend {
            bias: Some(Tensor::full([1, 1, 1, 1], value, &device)),
            ..Attend::default()
        };
        let bias = join(with(1.0), with(2.0)).bias.unwrap();
        bias.into_data().assert_eq(&[[[[3.0f32]]]].into(), true);
        assert!(join(Attend::default(), with(2.0)).bias.is_some());
        assert!(join(with(1.0), Attend::default()).rotation.is_none());
    }
}
