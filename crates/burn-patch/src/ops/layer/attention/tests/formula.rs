//! Values and gradients against the formula and Burn's tape.

use burn::tensor::DType;

use crate::ops::layer::attention::tests::case::{
    Case, Way, assert_same_outcome, cases, formula, large_cases, operation,
};
#[cfg(feature = "flex")]
use crate::ops::layer::attention::tests::composed::composed_default;

fn assert_is_formula(way: Way, cases: Vec<Case>, dtype: DType, tolerance: f64) {
    for case in cases {
        let (inputs, factors) = (case.inputs(), case.factors());
        let got = way(&case, &inputs, &factors, dtype);
        let want = formula(&case, &inputs, &factors);
        let name = format!("{} in {dtype:?}", case.name);
        assert_same_outcome(&name, &got, &want, tolerance);
    }
}

#[test]
fn double_precision_is_the_formula() {
    assert_is_formula(operation, cases(), DType::F64, 1e-13);
}

#[test]
fn single_precision_is_the_formula() {
    assert_is_formula(operation, cases(), DType::F32, 1e-6);
}

#[test]
fn half_precision_is_the_formula() {
    assert_is_formula(operation, cases(), DType::F16, 1e-2);
}

#[test]
fn more_tokens_than_a_block_takes_are_the_formula() {
    assert_is_formula(operation, large_cases(), DType::F64, 1e-12);
    assert_is_formula(operation, large_cases(), DType::F32, 2e-6);
}

#[cfg(feature = "flex")]
#[test]
fn the_composed_default_is_the_formula() {
    assert_is_formula(composed_default, cases(), DType::F64, 1e-13);
    assert_is_formula(composed_default, cases(), DType::F32, 1e-6);
}
