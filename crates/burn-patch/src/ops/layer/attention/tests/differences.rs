//! Gradients against central differences, value by value.

use burn::tensor::{DType, Device};

use crate::ops::layer::attention::tests::case::{
    Case, assert_same, cases, floats, operation, tensor,
};

const STEP: f64 = 1e-5;

fn weighted_sum(case: &Case, inputs: &[Vec<f64>], factors: &[f64]) -> f64 {
    let device = Device::flex();
    let inputs: Vec<_> = inputs
        .iter()
        .map(|input| tensor(input, DType::F64, &device))
        .collect();
    let out = floats(case.run(&inputs).into_data());
    out.iter()
        .zip(factors)
        .map(|(out, factor)| out * factor)
        .sum()
}

#[test]
fn every_gradient_is_the_central_difference() {
    for case in cases() {
        let (inputs, factors) = (case.inputs(), case.factors());
        let tape = operation(&case, &inputs, &factors, DType::F64);
        for (index, tape) in tape.gradients.iter().enumerate() {
            let differences = (0..tape.len()).map(|place| {
                let at = |step: f64| {
                    let mut inputs = inputs.clone();
                    inputs[index][place] += step;
                    weighted_sum(&case, &inputs, &factors)
                };
                (at(STEP) - at(-STEP)) / (2.0 * STEP)
            });
            let differences: Vec<f64> = differences.collect();
            assert_same(
                &format!("{}, input {index}", case.name),
                tape,
                &differences,
                1e-8,
            );
        }
    }
}
