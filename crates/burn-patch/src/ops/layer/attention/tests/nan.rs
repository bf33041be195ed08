//! What is not a number spreads as in the formula, as far as it reaches.

use burn::tensor::DType;

use crate::ops::layer::attention::tests::case::{
    Reaching, Way, assert_same, assert_same_outcome, cases, formula, operation,
};
#[cfg(feature = "flex")]
use crate::ops::layer::attention::tests::composed::composed_default;

const ODD: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// One odd value in each input in turn, at several places, and in the gradient that comes back.
fn assert_spreads(way: Way, dtype: DType, tolerance: f64) {
    for case in cases() {
        let (inputs, factors) = (case.inputs(), case.factors());
        let check = |what: String, inputs: &[Vec<f64>], factors: &[f64]| {
            let got = way(&case, inputs, factors, dtype);
            let want = formula(&case, inputs, factors);
            let name = format!("{}, {what} in {dtype:?}", case.name);
            assert_same_outcome(&name, &got, &want, tolerance);
        };
        let places = |len: usize| [len / 3, len - 1];
        for odd in ODD {
            for (input, values) in inputs.iter().enumerate() {
                for place in places(values.len()) {
                    let mut inputs = inputs.clone();
                    inputs[input][place] = odd;
                    check(
                        format!("{odd} at {place} of input {input}"),
                        &inputs,
                        &factors,
                    );
                }
            }
            for place in places(factors.len()) {
                let mut factors = factors.clone();
                factors[place] = odd;
                check(
                    format!("{odd} at {place} of the gradient"),
                    &inputs,
                    &factors,
                );
            }
        }
    }
}

#[test]
fn odd_values_spread_as_in_the_formula_in_double_precision() {
    assert_spreads(operation, DType::F64, 1e-13);
}

#[test]
fn odd_values_spread_as_in_the_formula_in_single_precision() {
    assert_spreads(operation, DType::F32, 1e-6);
}

#[test]
fn odd_values_spread_as_in_the_formula_in_half_precision() {
    assert_spreads(operation, DType::F16, 1e-2);
}

#[cfg(feature = "flex")]
#[test]
fn odd_values_spread_as_in_the_formula_in_the_composed_default() {
    assert_spreads(composed_default, DType::F64, 1e-13);
}

/// Padding with NaN in query, key and value gives what padding with zeros gives.
#[test]
fn padding_may_hold_anything() {
    for dtype in [DType::F64, DType::F32, DType::F16] {
        for case in cases().into_iter().filter(|case| case.fused) {
            let padding: Vec<bool> = match &case.reach {
                Reaching::All => continue,
                Reaching::Valid(valid) => valid.iter().map(|valid| !valid).collect(),
                Reaching::Segments { queries, .. } => {
                    queries.iter().map(|number| *number < 0).collect()
                }
            };
            let run = |value: f64| {
                let mut inputs = case.inputs();
                let len = inputs[0].len() / padding.len();
                for (token, padding) in inputs[0].chunks_exact_mut(len).zip(&padding) {
                    if *padding {
                        token.fill(value);
                    }
                }
                operation(&case, &inputs, &case.factors(), dtype)
            };
            let zeros = run(0.0);
            for odd in ODD {
                assert_same_outcome(case.name, &run(odd), &zeros, 0.0);
            }
        }
    }
}

#[test]
fn what_reaches_nothing_is_zero_in_values_and_gradients() {
    for dtype in [DType::F64, DType::F32, DType::F16] {
        for case in cases().into_iter().filter(|case| !case.fused) {
            let got = operation(&case, &case.inputs(), &case.factors(), dtype);
            let dim = case.heads * case.width;
            for token in 0..case.batch * case.queries {
                let (image, query) = (token / case.queries, token % case.queries);
                if (0..case.keys).any(|key| case.reaches(image, query, key)) {
                    continue;
                }
                for values in [&got.values, &got.gradients[0]] {
                    assert_same(
                        case.name,
                        &values[token * dim..][..dim],
                        &vec![0.0; dim],
                        0.0,
                    );
                }
            }
        }
    }
}
