//! From the command line to an exit code: whatever goes wrong becomes a message on stderr and code 1.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::Parser;

use crate::error::Error;

/// The first panic's message: a worker's panic makes its caller panic with a less telling one.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Parses the command line and runs `work` on it.
pub fn program<A: Parser>(work: impl FnOnce(&A) -> Result<(), Error>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(answer) => {
            // Help and version come this way too. If the terminal is gone, nobody reads either.
            let _ = answer.print();
            return match answer.use_stderr() {
                true => ExitCode::FAILURE,
                false => ExitCode::SUCCESS,
            };
        }
    };
    match catch(|| work(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `work`; a panic in it, or in a thread that it waits for, becomes [`Error::Panicked`].
fn catch(work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
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
