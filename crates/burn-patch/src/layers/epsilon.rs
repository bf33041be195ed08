//! The check of what norms add to a variance.

use crate::Error;

/// # Errors
///
/// [`Error::Range`] for an epsilon that is not a finite number above 0.
pub(crate) fn check_epsilon(epsilon: f64) -> Result<(), Error> {
    if epsilon > 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::Range {
        what: "epsilon of the norms",
        expected: "a finite number above 0".into(),
        got: epsilon,
    })
}
