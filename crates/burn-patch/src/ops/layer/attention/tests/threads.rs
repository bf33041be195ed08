//! The kernel's sums run in one order, whoever computes them.

use burn::tensor::DType;

use crate::ops::layer::attention::tests::case::{
    Case, assert_same_outcome, large_cases, operation,
};

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for case in large_cases() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().expect("threads");
            pool.install(|| operation(&case, &case.inputs(), &case.factors(), DType::F32))
        };
        let Case { name, .. } = case;
        let one = run(1);
        for threads in [2, 3, 5] {
            assert_same_outcome(name, &run(threads), &one, 0.0);
        }
    }
}
