//! Every subject on every backend, plain and autodiff: the same values and gradients.

use std::io::Write;

use burn::tensor::DType;
use burn_patch_tests::{
    BackendDevice, Outcome, Subject, backends, largest_difference, largest_difference_over,
    largest_magnitude, subjects, tolerance,
};

/// Subject, backend, and why it is left out.
const EXCLUDED: &[(&str, &str, &str)] = &[];

/// Largest relative differences of values and of gradients.
type Apart = (f64, f64);

fn apart(name: &str, left: &Outcome, right: &Outcome) -> Apart {
    let values = left.values.iter().zip(&right.values);
    let values = values
        .map(|(left, right)| largest_difference(left, right).0)
        .fold(0.0, f64::max);
    let least = tolerance::CANCELLED * largest_gradient(left).max(largest_gradient(right));
    let pairs = left.gradients.iter().zip(&right.gradients);
    let gradients = pairs.map(|((path, left), (other, right))| {
        assert_eq!(path, other);
        match (left, right) {
            (Some(left), Some(right)) => largest_difference_over(left, right, least).0,
            _ => panic!("{name}: no gradient for {path}"),
        }
    });
    (values, gradients.fold(0.0, f64::max))
}

fn largest_gradient(outcome: &Outcome) -> f64 {
    let gradients = outcome
        .gradients
        .iter()
        .filter_map(|(_, grad)| grad.as_ref());
    gradients.map(largest_magnitude).fold(0.0, f64::max)
}

/// Every parameter gets a gradient, finite and not all zero.
fn assert_gradients(place: &str, outcome: &Outcome) {
    for (path, grad) in &outcome.gradients {
        let grad = grad.as_ref();
        let grad = grad.unwrap_or_else(|| panic!("{place}: no gradient for {path}"));
        let values = grad.try_to_vec_as::<f64>().expect("floats");
        assert!(
            values.iter().all(|value| value.is_finite()),
            "{place}: {path}"
        );
        assert!(values.iter().any(|value| *value != 0.0), "{place}: {path}");
    }
}

fn excluded(subject: &str, backend: &str) -> bool {
    EXCLUDED
        .iter()
        .any(|(name, on, _)| *name == subject && *on == backend)
}

/// The largest differences, and each pair of backends that differs by too much.
fn compare(subject: &Subject) -> (Apart, Vec<String>) {
    let runs: Vec<(&str, Outcome)> = backends()
        .into_iter()
        .filter(|backend| !excluded(&subject.name, backend.name))
        .flat_map(|backend| {
            let plain = subject.forward(&backend.device, DType::F32);
            let tracked = subject.backward(&backend.device);
            assert_gradients(&format!("{} on {}", subject.name, backend.name), &tracked);
            for (plain, tracked) in plain.values.iter().zip(&tracked.values) {
                let apart = largest_difference(plain, tracked).0;
                let name = &subject.name;
                assert!(
                    apart <= tolerance::F32,
                    "{name} on {}: plain and autodiff differ by {apart:.1e}",
                    backend.name
                );
            }
            [(backend.name, tracked)]
        })
        .collect();
    let mut worst: Apart = (0.0, 0.0);
    let mut failures = Vec::new();
    for (index, (left_name, left)) in runs.iter().enumerate() {
        for (right_name, right) in &runs[index + 1..] {
            let (values, gradients) = apart(&subject.name, left, right);
            if values > tolerance::F32 || gradients > tolerance::F32 {
                failures.push(format!(
                    "{}: {left_name} and {right_name} differ by {values:.1e} in values, {gradients:.1e} in gradients",
                    subject.name
                ));
            }
            worst = (worst.0.max(values), worst.1.max(gradients));
        }
    }
    (worst, failures)
}

/// What is computed again in the backward pass is what was there in the forward pass.
#[test]
fn gradient_checkpointing_changes_nothing() {
    for backend in backends() {
        let device = backend.device.autodiff();
        let again = device.clone().gradient_checkpointing();
        for subject in subjects() {
            let [kept, again] = [&device, &again].map(|device| subject.backward(device));
            let (values, gradients) = apart(&subject.name, &kept, &again);
            assert_eq!(
                (values, gradients),
                (0.0, 0.0),
                "{} on {}",
                subject.name,
                backend.name
            );
        }
    }
}

#[test]
fn backends_agree_on_values_and_gradients() {
    let names: Vec<&str> = backends().iter().map(|backend| backend.name).collect();
    let mut report = format!(
        "largest relative difference between any two of {}:\n",
        names.join(", ")
    );
    let mut failures = Vec::new();
    for subject in subjects() {
        let ((values, gradients), failed) = compare(&subject);
        failures.extend(failed);
        report += &format!(
            "  {:<32} values {values:.1e}  gradients {gradients:.1e}\n",
            subject.name
        );
    }
    // Past the test runner's capture, so that every run shows it.
    let _ = std::io::stderr().write_all(report.as_bytes());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn half_precision_is_close_where_the_backend_has_it() {
    let mut failures = Vec::new();
    for backend in backends() {
        for dtype in [DType::F16, DType::BF16] {
            if !backend.device.supports_dtype(dtype) {
                let name = backend.name;
                let _ = writeln!(std::io::stderr(), "skipped: {name} has no {dtype:?}");
                continue;
            }
            for subject in subjects() {
                let apart = rounding(&subject, &backend, dtype);
                if apart > tolerance::of(dtype) {
                    let (name, on) = (&subject.name, backend.name);
                    failures.push(format!("{name} on {on}: {apart:.1e} in {dtype:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The largest relative difference of a type's values and those of `f32`.
fn rounding(subject: &Subject, backend: &BackendDevice, dtype: DType) -> f64 {
    let half = subject.forward(&backend.device, dtype);
    let single = subject.forward(&backend.device, DType::F32);
    let pairs = half.values.iter().zip(&single.values);
    pairs
        .map(|(half, single)| {
            let name = format!("{} on {}", subject.name, backend.name);
            assert_eq!(half.dtype(), dtype, "{name}");
            let values = half.try_to_vec_as::<f64>().expect("floats");
            let finite = values.iter().all(|value| value.is_finite());
            assert!(finite, "{name}: a value of {dtype:?} is not finite");
            largest_difference(half, single).0
        })
        .fold(0.0, f64::max)
}
