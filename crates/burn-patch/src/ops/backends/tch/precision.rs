//! Whether CUDA's libraries may round to TF32.
//!
//! cuDNN's convolutions do unless told otherwise, and LibTorch's Rust bindings have no switch for it. The libraries read
//! `NVIDIA_TF32_OVERRIDE`, and LibTorch `TORCH_ALLOW_TF32_CUBLAS_OVERRIDE`, when they start; so the choice is made once,
//! before the first device.

use std::env::{self, VarError};
use std::sync::OnceLock;

use crate::Error;
use crate::ops::backends::precision::Precision;

/// 0: never, whatever a program asks for.
const OVERRIDE: &str = "NVIDIA_TF32_OVERRIDE";
/// 1: in LibTorch's products too, not only in convolutions.
const PRODUCTS: &str = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";

static CHOSEN: OnceLock<Precision> = OnceLock::new();

/// Makes all later devices as precise as this.
pub(in crate::ops::backends) fn choose(precision: Precision) -> Result<(), Error> {
    check(precision, env::var(OVERRIDE).ok().as_deref())?;
    let chosen = *CHOSEN.get_or_init(|| {
        match precision {
            Precision::Single => set_if_absent(OVERRIDE, "0"),
            Precision::Tf32 => set_if_absent(PRODUCTS, "1"),
        }
        precision
    });
    if chosen == precision {
        return Ok(());
    }
    let chosen = chosen.name();
    Err(refuse(
        precision,
        format!("this process has started CUDA in {chosen} already"),
    ))
}

/// Whether what the user set agrees.
fn check(precision: Precision, found: Option<&str>) -> Result<(), Error> {
    match (precision, found) {
        (_, None) | (Precision::Single, Some("0")) => Ok(()),
        (Precision::Tf32, Some(value)) if value != "0" => Ok(()),
        (_, Some(value)) => Err(refuse(precision, format!("{OVERRIDE} is {value}"))),
    }
}

fn refuse(precision: Precision, why: String) -> Error {
    Error::Precision {
        name: "tch-cuda".to_string(),
        asked: precision.name(),
        why,
    }
}

#[allow(unsafe_code)] // There is no other way to tell CUDA's libraries.
fn set_if_absent(name: &str, value: &str) {
    if env::var(name) == Err(VarError::NotPresent) {
        // SAFETY: no other thread may read the environment by the C library meanwhile. Rust's own readers take the lock
        // that this takes, and CUDA's libraries, which do not, have not started.
        unsafe { env::set_var(name, value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_set_must_agree() {
        for (precision, found, agrees) in [
            (Precision::Single, None, true),
            (Precision::Single, Some("0"), true),
            (Precision::Single, Some("1"), false),
            (Precision::Tf32, None, true),
            (Precision::Tf32, Some("1"), true),
            (Precision::Tf32, Some("0"), false),
        ] {
            assert_eq!(
                check(precision, found).is_ok(),
                agrees,
                "{precision:?} {found:?}"
            );
        }
        let error = check(Precision::Single, Some("1")).unwrap_err().to_string();
        assert_eq!(
            error,
            "backend 'tch-cuda' cannot compute in f32: NVIDIA_TF32_OVERRIDE is 1"
        );
    }
}
