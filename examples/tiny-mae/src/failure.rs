//! Turns a panic below Burn's interface into an error message.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// The first panic's message: a worker's panic makes its caller panic with a less telling one.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; a panic in it, or in a thread that it waits for, becomes [`Error::Panicked`].
pub(crate) fn catch(work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    set_hook(Box::new(|info| {
        let message = match info.payload_as_str() {
            Some(message) => message.to_owned(),
            None => info.to_string(),
        };
        FIRST
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(message);
    }));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Error::Panicked(
            message.unwrap_or_else(|| "unknown failure".to_owned()),
        ))
    })
}
